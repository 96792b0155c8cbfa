//! Installs the C library: header, both forms of the library, and what pkg-config and CMake read.
//!
//! ```text
//!   PREFIX/include/dtact.h, dtact.hpp
//!   PREFIX/lib/libdtact_ffi.a
//!   PREFIX/lib/libdtact_ffi.so ──► libdtact_ffi.so.0.1 ──► libdtact_ffi.so.0.1.0
//!   PREFIX/lib/pkgconfig/dtact.pc
//!   PREFIX/lib/cmake/Dtact/DtactConfig.cmake, DtactConfigVersion.cmake
//! ```
//!
//! The name that programs remember (the soname) has the part of the version in which the ABI may
//! change: the minor version before 1.0, the major one from then on.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::outcome::Halt;
use crate::shell::Shell;

/// What the standard library needs beside itself in a program that is linked by a C compiler.
const NATIVE_LIBS: &[&str] = &["gcc_s", "util", "rt", "pthread", "m", "dl"];

/// Builds the library in release, and installs it below `prefix`; files that name their prefix
/// name it, also where `destdir` stands before it.
///
/// # Errors
///
/// When the library does not build, or a file cannot be written.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let (prefix, destdir) = match args {
        ["--prefix", prefix] => (*prefix, ""),
        ["--prefix", prefix, "--destdir", destdir] => (*prefix, *destdir),
        _ => {
            return Err(Halt::failed(
                "usage: cargo xtask install-ffi --prefix DIR [--destdir DIR]",
            ));
        }
    };
    if !Path::new(prefix).is_absolute() {
        return Err(Halt::failed(format!(
            "the prefix {prefix} is not absolute: programs would look for it from wherever they are"
        )));
    }
    let version = Version::of_library(shell)?;
    let soname = format!("libdtact_ffi.so.{}", version.series());
    let link_arg = format!("link-arg=-Wl,-soname,{soname}");
    let build = [
        "cargo",
        "rustc",
        "--release",
        "--locked",
        "-p",
        "dtact-ffi",
        "--lib",
    ];
    let shared = [
        &build[..],
        &["--crate-type", "cdylib", "--", "-C", link_arg.as_str()],
    ];
    shell.run(&shared.concat())?;
    shell.run(&[&build[..], &["--crate-type", "staticlib"]].concat())?;

    let built = shell.target().join("release");
    let package = shell.root().join("crates/dtact-ffi");
    let root = format!("{destdir}{prefix}");
    let (include, lib) = (format!("{root}/include"), format!("{root}/lib"));
    let real = format!("libdtact_ffi.so.{}", version.text);
    for header in ["dtact.h", "dtact.hpp"] {
        install(&package.join("include").join(header), &include, header)?;
    }
    install(&built.join("libdtact_ffi.a"), &lib, "libdtact_ffi.a")?;
    install(&built.join("libdtact_ffi.so"), &lib, &real)?;
    link(&real, &lib, &soname)?;
    link(&soname, &lib, "libdtact_ffi.so")?;

    let values = [
        ("@PREFIX@", prefix.to_owned()),
        ("@VERSION@", version.text.clone()),
        ("@SHARED@", real),
        ("@SONAME@", soname),
        ("@COMPATIBLE_REGEX@", version.series().replace('.', "[.]")),
    ];
    let with_flag: Vec<_> = NATIVE_LIBS.iter().map(|name| format!("-l{name}")).collect();
    for (template, folder, separator) in [
        ("dtact.pc", "pkgconfig", " "),
        ("DtactConfig.cmake", "cmake/Dtact", ";"),
        ("DtactConfigVersion.cmake", "cmake/Dtact", ";"),
    ] {
        let from = package.join("packaging").join(format!("{template}.in"));
        let mut text = fs::read_to_string(&from)
            .map_err(|error| Halt::failed(format!("{}: {error}", from.display())))?;
        for (name, value) in &values {
            text = text.replace(name, value);
        }
        let text = text.replace("@NATIVE_LIBS@", &with_flag.join(separator));
        write(&format!("{lib}/{folder}"), template, &text)?;
    }
    Ok(())
}

/// The version of the library.
#[derive(Debug)]
struct Version {
    text: String,
}

impl Version {
    /// What `cargo pkgid` says, after the last `#` or `@`.
    fn of_library(shell: &Shell) -> Result<Self, Halt> {
        let id = shell.read(&["cargo", "pkgid", "-p", "dtact-ffi"])?;
        let text = id.trim().rsplit(['#', '@']).next().unwrap_or_default();
        if text.split('.').count() == 3 {
            Ok(Self {
                text: text.to_owned(),
            })
        } else {
            Err(Halt::failed(format!("no version in the name {id}")))
        }
    }

    /// The versions that stand in for each other share this.
    fn series(&self) -> String {
        let mut parts = self.text.split('.');
        let major = parts.next().unwrap_or_default();
        let minor = parts.next().unwrap_or_default();
        if major == "0" {
            format!("{major}.{minor}")
        } else {
            major.to_owned()
        }
    }
}

fn install(from: &Path, folder: &str, name: &str) -> Result<(), Halt> {
    let bytes =
        fs::read(from).map_err(|error| Halt::failed(format!("{}: {error}", from.display())))?;
    write(folder, name, bytes)
}

fn write(folder: &str, name: &str, content: impl AsRef<[u8]>) -> Result<(), Halt> {
    let path = format!("{folder}/{name}");
    println!("installing {path}");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, content))
        .map_err(|error| Halt::failed(format!("{path}: {error}")))
}

fn link(to: &str, folder: &str, name: &str) -> Result<(), Halt> {
    let path = format!("{folder}/{name}");
    println!("installing {path} -> {to}");
    // An older installation's link gives way.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => symlink(to, &path),
    }
    .map_err(|error| Halt::failed(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn the_soname_changes_where_the_abi_may() {
        let series = |text: &str| {
            let text = text.to_owned();
            Version { text }.series()
        };
        assert_eq!(series("0.1.0"), "0.1");
        assert_eq!(series("0.12.3"), "0.12");
        assert_eq!(series("1.2.3"), "1");
    }
}
