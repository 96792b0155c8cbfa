//! Which version of the library this is.

#![allow(unsafe_code, reason = "exports a symbol")]

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
    const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

const fn number(digits: &str) -> u32 {
    let Ok(number) = u32::from_str_radix(digits, 10) else {
        panic!("the parts of a version are numbers");
    };
    assert!(number < 256, "the parts of a version have 8 bits here");
    number
}
