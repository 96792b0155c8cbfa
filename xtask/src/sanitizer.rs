//! The tests under a sanitizer of the compiler, which is told of stacks and switches, and bugs that
//! it must find.

use crate::cabi;
use crate::outcome::Halt;
use crate::planted::{self, Bug};
use crate::shell::{Shell, Tool};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The layers that run on stacks, and those below.
const CRATES: [&str; 5] = [
    "dtact-switch",
    "dtact-arena",
    "dtact-mesh",
    "dtact-bridge",
    "dtact",
];

/// One of them.
#[derive(Debug)]
pub(crate) struct Sanitizer {
    nightly: Tool,
    /// The folder for its builds: other flags would rebuild everything in the shared one.
    folder: &'static str,
    /// Mappings are made by the C library, so that the tool sees them.
    rustflags: &'static str,
    /// What Cargo is told beside.
    cargo: &'static [&'static str],
    options: Option<(&'static str, &'static str)>,
    /// What makes a compiler of C instrument what it compiles, and the library of the tool.
    of_c: Option<(&'static str, &'static str)>,
    bugs: &'static [Bug],
}

/// `AddressSanitizer`.
pub(crate) const ADDRESS: Sanitizer = Sanitizer {
    nightly: Tool {
        name: "a nightly compiler, which has AddressSanitizer",
        probe: &["cargo", "+nightly", "--version"],
        get: "rustup toolchain install nightly --profile minimal",
        may_lack: true,
    },
    folder: "asan",
    rustflags: "-Zsanitizer=address --cfg dtact_asan --cfg rustix_use_libc",
    cargo: &[],
    // Tests suspend stacks for good, and the search for leaks sees none but the threads' own.
    options: Some(("ASAN_OPTIONS", "detect_leaks=0")),
    of_c: Some(("-fsanitize=address", "librustc-nightly_rt.asan.a")),
    bugs: &[
        Bug {
            name: "use-after-return",
            report: "AddressSanitizer: stack-use-after-return",
        },
        Bug {
            name: "use-after-free",
            report: "AddressSanitizer: heap-use-after-free",
        },
        Bug {
            name: "overflow",
            report: "AddressSanitizer: stack-overflow",
        },
    ],
};

/// `ThreadSanitizer`. The standard library has to be instrumented as well: accesses in it would be
/// missed, and its atomics be no order.
pub(crate) const THREAD: Sanitizer = Sanitizer {
    nightly: Tool {
        name: "a nightly compiler with ThreadSanitizer and the sources of the standard library",
        probe: &[
            "sh",
            "-c",
            "test -e \"$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library/std\"",
        ],
        get: "rustup toolchain install nightly --profile minimal --component rust-src",
        may_lack: true,
    },
    folder: "tsan",
    rustflags: "-Zsanitizer=thread --cfg dtact_tsan --cfg rustix_use_libc",
    cargo: &["-Zbuild-std"],
    options: None,
    of_c: None,
    bugs: &[Bug {
        name: "race",
        report: "ThreadSanitizer: data race",
    }],
};

impl Sanitizer {
    /// Runs the tests of all crates, which must be silent, and the planted bugs, which must be
    /// reported; where C has the tool too, its programs as well. It takes too long for `ci`.
    pub(crate) fn all(&self, shell: &Shell) -> Result<(), Halt> {
        self.run(shell, &CRATES)?;
        self.of_c.map_or(Ok(()), |flag| self.run_c(shell, flag))
    }

    /// The same with the tests of the switch alone, for `ci`.
    pub(crate) fn some(&self, shell: &Shell) -> Result<(), Halt> {
        self.run(shell, &CRATES[..1])
    }

    /// The planted bugs alone.
    pub(crate) fn planted(&self, shell: &Shell) -> Result<(), Halt> {
        self.run(shell, &[])
    }

    fn vars<'target>(&self, target: &'target str) -> Vec<(&'static str, &'target str)> {
        let mut vars = vec![
            ("RUSTFLAGS", self.rustflags),
            ("CARGO_TARGET_DIR", target),
            // A report has a trace of its own, and where a panic is meant one takes seconds.
            ("RUST_BACKTRACE", "0"),
        ];
        vars.extend(self.options);
        vars
    }

    fn cargo(&self, verb: &'static str) -> Vec<&'static str> {
        let mut line = vec!["cargo", "+nightly", verb, "--target", TARGET];
        line.extend(self.cargo);
        line
    }

    /// The programs of C and C++, instrumented like the library, with the compiler's runtime for
    /// Rust in place of that for C.
    fn run_c(&self, shell: &Shell, (flag, runtime): (&str, &str)) -> Result<(), Halt> {
        let target = shell.target().join(self.folder);
        let target = target.to_string_lossy();
        let sysroot = shell.read(&["rustc", "+nightly", "--print", "sysroot"])?;
        let sysroot = sysroot.trim();
        let link = format!(
            "-Wl,--whole-archive {sysroot}/lib/rustlib/{TARGET}/lib/{runtime} \
             -Wl,--no-whole-archive -Wl,--export-dynamic -lstdc++ -lrt -ldl -lm"
        );
        let mut vars = self.vars(&target);
        vars.extend([
            ("DTACT_COMPILE_FLAGS", flag),
            ("DTACT_LINK_FLAGS", link.as_str()),
        ]);
        let after = [&["--target", TARGET], self.cargo].concat();
        cabi::under(shell, &vars, (&["cargo", "+nightly"], &after))
    }

    fn run(&self, shell: &Shell, crates: &[&'static str]) -> Result<(), Halt> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            return Err(Halt::Unsupported(format!("set up for {TARGET} alone")));
        }
        shell.need(&self.nightly)?;
        let target = shell.target().join(self.folder);
        let target = target.to_string_lossy();
        let vars = self.vars(&target);
        let mut example = self.cargo("run");
        example.extend(["-p", "dtact-switch", "--example", "planted_bugs", "--"]);
        planted::check(shell, &vars, &example, self.bugs)?;
        if crates.is_empty() {
            return Ok(());
        }
        let mut tests = self.cargo("test");
        tests.extend(["--no-fail-fast", "--tests"]);
        tests.extend(crates.iter().flat_map(|name| ["-p", name]));
        shell.run_with(&vars, &tests)
    }
}
