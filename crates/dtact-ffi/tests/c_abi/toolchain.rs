//! The C compiler, and running what it made, each for a bounded time.
//!
//! On a target that an emulator runs, `CC` and `CXX` name the compilers for it, and `DTACT_RUNNER`
//! the emulator: the compilers are of the machine, and what they make goes through it. For a tool
//! that instruments, `DTACT_COMPILE_FLAGS` and `DTACT_LINK_FLAGS` are added to what they are told.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Far more than any program needs on a busy machine.
const TIME_MAX: Duration = Duration::from_mins(1);

/// What the standard library needs beside itself when it is linked by a C compiler.
const NATIVE_LIBS: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    Statically,
    Dynamically,
    /// With the archive of an example in Rust, which has the library in it.
    ThroughExample(&'static str),
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo puts the libraries: beside the test that depends on them.
pub(crate) fn library(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let path = test.with_file_name(name);
    assert!(
        path.exists(),
        "{} is not there: `cargo test -p dtact-ffi` builds it, with the `crate-type`s of the crate",
        path.display()
    );
    path
}

/// Compiles a program of `tests/`, with every warning an error.
pub(crate) fn compile(source: &str, linked: Linked) -> PathBuf {
    let (compiler, standard) = if is_cpp(source) {
        (cpp_compiler(), "c++17")
    } else {
        (c_compiler(), "c11")
    };
    compile_by(&compiler, standard, source, linked)
}

/// The C compiler: what `CC` names, else `cc`.
pub(crate) fn c_compiler() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".to_owned())
}

/// The C++ compiler: what `CXX` names, else `c++`.
pub(crate) fn cpp_compiler() -> String {
    env::var("CXX").unwrap_or_else(|_| "c++".to_owned())
}

/// The C compilers that are here: the usual one, and Clang where it is.
pub(crate) fn c_compilers() -> impl Iterator<Item = String> {
    present(c_compiler(), "cc", "clang")
}

/// The C++ compilers that are here: the usual one, and `clang++` where it is.
pub(crate) fn cpp_compilers() -> impl Iterator<Item = String> {
    present(cpp_compiler(), "c++", "clang++")
}

/// The first, which has to be, and the second, if it is here. A first one that was asked for in
/// place of the usual is alone: it may compile for another target than the second.
fn present(first: String, usual: &str, second: &str) -> impl Iterator<Item = String> {
    let mut version = Command::new(second);
    version.arg("--version").stdout(Stdio::null());
    let both = first == usual && version.status().is_ok_and(|status| status.success());
    let second = both.then(|| second.to_owned());
    core::iter::once(first).chain(second)
}

/// A program to run: through the emulator that `DTACT_RUNNER` names, if any.
pub(crate) fn program(path: &Path) -> Command {
    let mut words = words("DTACT_RUNNER").into_iter();
    let Some(emulator) = words.next() else {
        return Command::new(path);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(path);
    command
}

fn is_cpp(source: &str) -> bool {
    Path::new(source)
        .extension()
        .is_some_and(|extension| extension == "cpp")
}

/// The same by this compiler, as of this standard.
pub(crate) fn compile_by(
    compiler: impl AsRef<OsStr>,
    standard: &str,
    source: &str,
    linked: Linked,
) -> PathBuf {
    compile_with(compiler, standard, &[], source, linked)
}

/// The same with more flags.
pub(crate) fn compile_with(
    compiler: impl AsRef<OsStr>,
    standard: &str,
    flags: &[&str],
    source: &str,
    linked: Linked,
) -> PathBuf {
    let compiler = compiler.as_ref();
    let out_dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(out_dir).expect("the folder for the programs");
    let name = format!(
        "{source}-{}-{standard}{}",
        compiler.to_string_lossy(),
        flags.concat()
    );
    let program = out_dir.join(format!("{}-{linked:?}", name.replace(['/', '.', '='], "-")));
    // What is instrumented without the compiler's own runtime is linked apart.
    let object = program.with_extension("o");
    let mut command = Command::new(compiler);
    command
        .arg(format!("-std={standard}"))
        .args(["-c", "-O1", "-g", "-pthread"])
        .args(flags)
        .args(words("DTACT_COMPILE_FLAGS"))
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Wundef",
            "-Werror",
        ])
        .arg("-I")
        .arg(crate_dir().join("include"))
        .arg(crate_dir().join("tests").join(source))
        .arg("-o")
        .arg(&object);
    if !is_cpp(source) {
        command.arg("-Wstrict-prototypes");
    }
    builds(&mut command, source);
    let mut command = Command::new(compiler);
    command.arg("-pthread").args(flags).arg(&object);
    command.arg("-o").arg(&program);
    match linked {
        Linked::Statically => {
            command.arg(library("libdtact_ffi.a")).args(NATIVE_LIBS);
        }
        Linked::ThroughExample(name) => {
            let name = format!("../examples/lib{name}.a");
            command.arg(library(&name)).args(NATIVE_LIBS);
        }
        Linked::Dynamically => {
            let library = library("libdtact_ffi.so");
            let dir = library.parent().expect("it lies in a folder");
            command.arg(&library).arg("-Xlinker").arg("-rpath");
            command.arg("-Xlinker").arg(dir);
        }
    }
    command.args(words("DTACT_LINK_FLAGS"));
    builds(&mut command, source);
    program
}

/// The words of a variable.
fn words(variable: &str) -> Vec<String> {
    let value = env::var(variable).unwrap_or_default();
    value.split_whitespace().map(str::to_owned).collect()
}

/// A step of the compiler, which has nothing to complain about.
fn builds(command: &mut Command, source: &str) {
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "compiling {source}:\n{}", ended.stderr);
    assert_eq!(ended.stderr, "", "compiling {source}");
}

/// Runs a command to its end, and kills it if it takes too long.
pub(crate) fn run(command: &mut Command) -> Ended {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} could not be started: {error}"));
    let mut stdout = child.stdout.take().expect("it was piped");
    let mut stderr = child.stderr.take().expect("it was piped");
    let (is_over, over) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || watch(child, &over));
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).map(|_| text)
    });
    let mut text = Vec::new();
    stdout
        .read_to_end(&mut text)
        .expect("its output can be read");
    let errors = errors.join().expect("the reader does not panic");
    drop(is_over);
    let (mut child, was_killed) = watchdog.join().expect("the watchdog does not panic");
    let code = child.wait().expect("it can be waited for").code();
    let ended = Ended {
        code,
        stdout: String::from_utf8_lossy(&text).into_owned(),
        stderr: String::from_utf8_lossy(&errors.expect("its errors can be read")).into_owned(),
    };
    assert!(
        !was_killed,
        "{command:?} was not over in {TIME_MAX:?}: {ended:?}"
    );
    ended
}

/// Waits until the output has ended, or kills the program. Returns whether it was killed.
fn watch(mut child: Child, over: &mpsc::Receiver<()>) -> (Child, bool) {
    let is_late = over.recv_timeout(TIME_MAX) == Err(mpsc::RecvTimeoutError::Timeout);
    if is_late {
        child.kill().expect("a child can be killed");
    }
    (child, is_late)
}
