//! Wine, for the tests of the Windows target: found, set up once in the target folder, and stopped.

use std::path::{Path, PathBuf};

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

/// The emulator of Windows.
pub(crate) const WINE: Tool = Tool {
    name: "Wine",
    probe: &[
        "sh",
        "-c",
        "command -v wine64 || test -x /usr/lib/wine/wine64",
    ],
    get: "apt-get update && apt-get install -y --no-install-recommends wine64",
    may_lack: false,
};

/// The compiler and the libraries to link for it.
pub(crate) const MINGW: Tool = Tool {
    name: "a C compiler and libraries for Windows",
    probe: &["x86_64-w64-mingw32-gcc", "--version"],
    get: "apt-get update && apt-get install -y --no-install-recommends \
          gcc-mingw-w64-x86-64-win32",
    may_lack: false,
};

/// The compiler of C, and the linker.
pub(crate) const GCC: &str = "x86_64-w64-mingw32-gcc";

/// A prefix that is set up: what Wine takes for a disk and a registry.
#[derive(Debug)]
pub(crate) struct Wine {
    program: PathBuf,
    prefix: PathBuf,
}

impl Wine {
    /// Finds Wine, and makes a prefix in the target folder unless there is one.
    ///
    /// # Errors
    ///
    /// When a program that it runs fails.
    pub(crate) fn set_up(shell: &Shell) -> Result<Self, Halt> {
        let wine = Self {
            program: find(),
            prefix: shell.target().join("wine"),
        };
        let system = wine.prefix.join("drive_c/windows/system32");
        if !system.join("kernel32.dll").is_file() {
            std::fs::create_dir_all(&wine.prefix)
                .map_err(|error| Halt::failed(format!("the prefix of Wine: {error}")))?;
            let program = wine.program.to_string_lossy();
            wine.run(shell, &[&program, "wineboot", "-i"])?;
            wine.stop(shell)?;
        }
        // What the standard library of Rust imports, and Wine up to version 8 lacks. Where Wine has
        // its own, that one stays.
        let library = system.join("bcryptprimitives.dll");
        if !library.is_file() {
            shell.run(&[
                GCC,
                "-O2",
                "-s",
                "-shared",
                "-o",
                &library.to_string_lossy(),
                "xtask/src/bcryptprimitives.c",
                "-ladvapi32",
            ])?;
        }
        Ok(wine)
    }

    /// What runs a program of the target.
    pub(crate) fn runner(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// The variables that Wine needs: its prefix, no messages, no window, no offers to install.
    pub(crate) fn vars(&self) -> [(&'static str, String); 5] {
        [
            ("WINEPREFIX", self.prefix.to_string_lossy().into_owned()),
            ("WINEARCH", String::from("win64")),
            ("WINEDEBUG", String::from("-all")),
            (
                "WINEDLLOVERRIDES",
                String::from("mscoree,mshtml=;winemenubuilder.exe="),
            ),
            ("DISPLAY", String::new()),
        ]
    }

    /// Ends what Wine leaves running, which would hold on to our output.
    ///
    /// # Errors
    ///
    /// When the server of Wine cannot be started.
    pub(crate) fn stop(&self, shell: &Shell) -> Result<(), Halt> {
        let server = self.program.with_file_name("wineserver");
        let server = if server.is_file() {
            server.to_string_lossy().into_owned()
        } else {
            String::from("wineserver")
        };
        // It says that nothing runs by a status that is not zero.
        let _nothing_runs = self.run(shell, &[&server, "-k"]);
        self.run(shell, &[&server, "-w"])
    }

    fn run(&self, shell: &Shell, line: &[&str]) -> Result<(), Halt> {
        let vars = self.vars();
        let vars: Vec<_> = vars
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        shell.run_with(&vars, line)
    }
}

/// Debian keeps it off the path.
fn find() -> PathBuf {
    let off_path = Path::new("/usr/lib/wine/wine64");
    if off_path.is_file() {
        return off_path.to_owned();
    }
    PathBuf::from("wine64")
}
