//! Which version of the library this is.

#![allow(unsafe_code, reason = "exports a symbol")]

use core::fmt;

use crate::{boundary, error::Error, status::DtactStatus};

/// The version of the library: major, minor and patch, 8 bits each from bit 16 downwards, as
/// `DTACT_VERSION` in the header.
///
/// # Examples
///
/// ```
/// let version = dtact_ffi::dtact_version();
/// let (major, minor) = (version >> 16, version >> 8 & 0xff);
/// assert_eq!(env!("CARGO_PKG_VERSION_MAJOR"), major.to_string());
/// assert_eq!(env!("CARGO_PKG_VERSION_MINOR"), minor.to_string());
/// ```
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_version() -> u32 {
    VERSION
}

/// Whether a program that was compiled with the header of version `header` can use this library:
/// `dtact_check_version(DTACT_VERSION)`.
///
/// It can if the major version is the same, and the header is not the newer one. Before version
/// 1.0 the minor version has to be the same too.
///
/// # Examples
///
/// ```
/// use dtact_ffi::{DtactStatus, dtact_check_version, dtact_version};
///
/// assert_eq!(dtact_check_version(dtact_version()), DtactStatus::Ok);
/// assert_eq!(dtact_check_version(99 << 16), DtactStatus::IncompatibleVersion);
/// ```
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub extern "C" fn dtact_check_version(header: u32) -> DtactStatus {
    boundary::enter(|| {
        if serves(VERSION, header) {
            Ok(())
        } else {
            Err(Error::IncompatibleVersion(header))
        }
    })
}

/// The version of this library.
pub(crate) const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

/// A version as people write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown(pub(crate) u32);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(version) = self;
        let (major, minor, patch) = (version >> 16, version >> 8 & 0xff, version & 0xff);
        write!(f, "{major}.{minor}.{patch}")
    }
}

const fn serves(library: u32, header: u32) -> bool {
    let (major, minor) = (library >> 16, library >> 8);
    let is_compatible = if major == 0 {
        header >> 8 == minor
    } else {
        header >> 16 == major
    };
    is_compatible && header <= library
}

const fn number(digits: &str) -> u32 {
    let Ok(number) = u32::from_str_radix(digits, 10) else {
        panic!("the parts of a version are numbers");
    };
    assert!(number < 256, "the parts of a version have 8 bits here");
    number
}

#[cfg(test)]
mod tests {
    use super::{Shown, serves};

    const fn version(major: u32, minor: u32, patch: u32) -> u32 {
        major << 16 | minor << 8 | patch
    }

    #[test]
    fn a_library_serves_its_own_version_and_older_compatible_ones() {
        assert!(serves(version(0, 2, 3), version(0, 2, 3)));
        assert!(serves(version(0, 2, 3), version(0, 2, 0)));
        assert!(!serves(version(0, 2, 3), version(0, 2, 4)));
        assert!(!serves(version(0, 2, 3), version(0, 1, 9)));
        assert!(serves(version(1, 2, 3), version(1, 0, 9)));
        assert!(!serves(version(1, 2, 3), version(1, 3, 0)));
        assert!(!serves(version(1, 2, 3), version(0, 2, 3)));
        assert!(!serves(version(1, 2, 3), version(2, 0, 0)));
    }

    #[test]
    fn a_version_is_shown_in_its_parts() {
        assert_eq!(Shown(version(1, 20, 3)).to_string(), "1.20.3");
    }
}
