//! The example `treehash` against `find`, `sort` and `sha256sum`.
//!
//! `cargo test -p dtact` builds the example before it runs this. `cargo test --test treehash` does
//! not: there `cargo build --example treehash` comes first.
// Nor under a tool: it measures the example of an ordinary build.
#![cfg(not(any(miri, dtact_loom, dtact_asan, dtact_tsan, dtact_valgrind)))]
#![expect(
    clippy::unwrap_used,
    reason = "where the test's own files fail, so does the test"
)]

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon a program ends that nobody listens to.
const PROMPT: Duration = Duration::from_secs(10);

/// A directory that goes when the test ends, however it ends.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("treehash-{}-{name}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn directory(&self, name: &str) {
        fs::create_dir_all(self.0.join(name)).unwrap();
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.0.join(name)).unwrap();
    }

    /// So many files, in directories of a hundred. They are links to one: that is soon done.
    fn files(&self, root: &str, count: usize) {
        let content = self.0.join(format!("{root}.content"));
        fs::write(&content, root).unwrap();
        for first in (0..count).step_by(100) {
            let directory = self.0.join(root).join(format!("directory-{first:06}"));
            fs::create_dir_all(&directory).unwrap();
            for number in first..count.min(first + 100) {
                fs::hard_link(&content, directory.join(format!("{number:06}"))).unwrap();
            }
        }
    }

    fn treehash<S: AsRef<OsStr>>(&self, paths: &[S]) -> Running {
        Running::start(example().args(paths).current_dir(&self.0))
    }

    /// What the tools print for the same paths; with zero bytes between the names, so that none
    /// is too odd.
    fn tools<S: AsRef<OsStr>>(&self, paths: &[S]) -> Vec<u8> {
        const SCRIPT: &str =
            r#"find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum --"#;
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .args(paths)
            .current_dir(&self.0);
        Running::start(&mut command).end().stdout
    }

    #[track_caller]
    fn assert_same<S: AsRef<OsStr>>(&self, paths: &[S]) -> Ended {
        let (ours, theirs) = (self.treehash(paths).end(), self.tools(paths));
        ours.assert_code(0);
        assert_eq!(text(&ours.stdout), text(&theirs));
        assert!(
            ours.stdout == theirs,
            "they differ in bytes that are not UTF-8"
        );
        ours
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A child that does not outlive its test.
struct Running {
    child: Child,
    stderr: Receiver<Vec<u8>>,
}

struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stderr = read_aside(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    fn end(mut self) -> Ended {
        let stdout = read_aside(self.child.stdout.take().unwrap());
        let stdout = stdout.recv_timeout(PATIENCE).expect("it ends");
        Ended {
            stdout,
            ..self.end_within(PATIENCE)
        }
    }

    /// Once standard output is taken care of.
    fn end_within(mut self, patience: Duration) -> Ended {
        // It is closed by the end of the process.
        let stderr = self.stderr.recv_timeout(patience).expect("it ends in time");
        let status = self.child.wait().unwrap();
        Ended {
            status,
            stdout: Vec::new(),
            stderr: text(&stderr).into_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    #[track_caller]
    fn assert_code(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "it said: {}", self.stderr);
    }

    fn lines(&self) -> usize {
        self.stdout.split_inclusive(|&byte| byte == b'\n').count()
    }
}

fn read_aside(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        drop(sender.send(bytes));
    });
    receiver
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// This test is `target/PROFILE/deps/treehash-HASH`.
///
/// The program to start, through the emulator that `DTACT_RUNNER` names, if any.
fn example() -> Command {
    let test = env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/treehash");
    assert!(path.exists(), "first: cargo build --example treehash");
    let runner = env::var("DTACT_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(path);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(path);
    command
}

/// Names around the slash, and all kinds of things that are no regular files.
fn tree(name: &str) -> Temp {
    let temp = Temp::new(name);
    for (number, name) in [
        "a-b",
        "a.txt",
        "a/c",
        "a/-",
        "a/c0",
        "a/c-/deep/er",
        "a/c.d/e",
        "a0",
        "A",
        "a b",
        "é/ü",
        "b/",
        "b/empty",
        "b/a/b/c/d/e/f/g",
        "b/a.b",
        "b/a-",
        "c",
        "-x/y",
        "~",
    ]
    .into_iter()
    .enumerate()
    {
        if name.ends_with('/') {
            temp.directory(&format!("t/{name}"));
        } else {
            temp.file(format!("t/{name}"), "content ".repeat(number));
        }
    }
    temp.file("t/b/empty", "");
    temp.directory("t/nothing/in/here");
    temp.link("a.txt", "t/to-file");
    temp.link("a", "t/to-directory");
    temp.link("nowhere", "t/dangling");
    temp.link("..", "t/a/cycle");
    temp.link("itself", "t/itself");
    // Opening it would never return.
    assert!(
        Command::new("mkfifo")
            .arg(temp.0.join("t/pipe"))
            .status()
            .unwrap()
            .success()
    );
    temp
}

#[test]
fn a_tree_is_printed_as_find_sort_and_sha256sum_print_it() {
    let temp = tree("tree");
    // Around the sizes of the block, the buffer and a fiber's turn.
    for bytes in [
        55,
        56,
        64,
        (128 << 10) - 1,
        128 << 10,
        (128 << 10) + 1,
        (4 << 20) + 7,
    ] {
        temp.file(format!("t/sizes/{bytes}"), vec![b'7'; bytes]);
    }
    let ended = temp.assert_same(&["t"]);
    assert_eq!(ended.lines(), 25);
    assert!(
        ended.stderr.starts_with("treehash: 25 files in "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains(" fibers spawned, at most "),
        "{}",
        ended.stderr
    );
    assert_eq!(
        ended.stderr.lines().count(),
        1,
        "no bar where there is no terminal"
    );
}

#[test]
fn a_path_is_printed_as_it_was_given() {
    let temp = tree("given");
    for path in [
        "t/",
        ".",
        "./t",
        "t//",
        "t/./a",
        "t/../t/b",
        "t/a.txt",
        "./-x",
        "t/to-directory/",
    ] {
        if path == "./-x" {
            fs::rename(temp.0.join("t/-x"), temp.0.join("-x")).unwrap();
        }
        assert_ne!(temp.assert_same(&[path]).lines(), 0, "{path}");
    }
    let absolute = temp.0.join("t");
    temp.assert_same(&[&absolute]);
    // `find` would take it for an option.
    let ended = temp.treehash(&["-x"]).end();
    ended.assert_code(0);
    assert!(text(&ended.stdout).ends_with("  -x/y\n"));
}

#[test]
fn several_paths_are_merged_and_overlapping_ones_repeat() {
    let temp = tree("several");
    temp.assert_same(&["t/b", "t/a"]);
    temp.assert_same(&["t", "t"]);
    temp.assert_same(&[
        "t/a", "t", "t/a.txt", "t/", "t/a/c", ".", "t/b/a", "t/a-b", "t/a0", "t",
    ]);
    let mut paths: Vec<String> = Vec::new();
    for number in 0..200 {
        temp.file(format!("many/{number}"), number.to_string());
        paths.push(format!("many/{}", number * 77 % 200));
        if number % 50 == 0 {
            paths.extend(["many".to_owned(), "t".to_owned(), "t/a".to_owned()]);
        }
    }
    temp.assert_same(&paths);
}

#[test]
fn what_is_not_a_regular_file_is_not_listed() {
    let temp = tree("none");
    let paths = [
        "t/nothing",
        "t/to-file",
        "t/to-directory",
        "t/dangling",
        "t/itself",
        "t/pipe",
    ];
    let ended = temp.assert_same(&paths);
    assert_eq!(ended.stdout, b"");
    assert!(
        ended.stderr.starts_with("treehash: 0 files in "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[test]
fn odd_names_are_what_sha256sum_reads_back() {
    let temp = Temp::new("odd");
    let odd: [&[u8]; 11] = [
        b"new\nline",
        b"\n",
        b"back\\slash",
        b"\\n",
        b"\xff\xfe not utf-8",
        b"\xc3",
        b" blank ",
        b"*star",
        b"tab\t\x01\x7f",
        b"quote'\"$(x)",
        b"-c",
    ];
    for (number, name) in odd.into_iter().enumerate() {
        temp.file(
            Path::new("t").join(OsStr::from_bytes(name)),
            number.to_string(),
        );
        let inner = [b"t/d".as_slice(), name, b"/", name].concat();
        temp.file(OsString::from_vec(inner), number.to_string());
    }
    temp.assert_same(&["t"]);

    // Not every version of the tools writes a carriage return escaped; all read it back.
    temp.file("t/carriage\rreturn", "");
    let ended = temp.treehash(&["t", "t/\\n"]).end();
    ended.assert_code(0);
    assert_eq!(ended.lines(), 2 * odd.len() + 2);
    fs::write(temp.0.join("sums"), &ended.stdout).unwrap();
    let mut check = Command::new("sha256sum");
    check.args(["-c", "--strict", "sums"]).current_dir(&temp.0);
    let checked = Running::start(&mut check).end();
    checked.assert_code(0);
    let good = text(&checked.stdout).matches(": OK\n").count();
    assert_eq!(good, 2 * odd.len() + 2);
}

#[test]
fn what_cannot_be_read_is_reported_and_the_rest_is_hashed() {
    let temp = tree("unreadable");
    let expected = temp.tools(&["t"]);
    let paths = ["missing\nfile", "t", "t/a.txt/", "", "/proc/self/mem"];
    let ended = temp.treehash(&paths).end();
    ended.assert_code(1);
    assert_eq!(text(&ended.stdout), text(&expected));
    // The words are the C library's.
    let unreadable = if cfg!(target_env = "musl") {
        "treehash: /proc/self/mem: I/O error (os error 5)"
    } else {
        "treehash: /proc/self/mem: Input/output error (os error 5)"
    };
    for start in [
        "treehash: missing\\nfile: No such file",
        "treehash: t/a.txt/: Not a directory",
        "treehash: : No such file",
        unreadable,
        "treehash: 18 files in ",
    ] {
        assert!(
            ended.stderr.lines().any(|line| line.starts_with(start)),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(ended.stderr.lines().count(), 5, "{}", ended.stderr);
}

#[test]
fn files_and_directories_without_permission_are_reported() {
    let temp = tree("permission");
    let closed = fs::Permissions::from_mode(0o000);
    for name in ["t/a.txt", "t/b"] {
        fs::set_permissions(temp.0.join(name), closed.clone()).unwrap();
    }
    if File::open(temp.0.join("t/a.txt")).is_ok() {
        // The superuser reads everything.
        temp.assert_same(&["t"]);
        return;
    }
    let ended = temp.treehash(&["t"]).end();
    fs::set_permissions(temp.0.join("t/b"), fs::Permissions::from_mode(0o700)).unwrap();
    ended.assert_code(1);
    assert!(
        ended
            .stderr
            .contains("treehash: t/a.txt: Permission denied"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("treehash: t/b: Permission denied"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.lines(), 13);
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let temp = Temp::new("closed");
    temp.files("t", 3000);
    // If it went on with this, it would take minutes.
    let large = File::create(temp.0.join("t/large")).unwrap();
    large.set_len(8 << 30).unwrap();
    let mut running = temp.treehash(&["t", "t"]);
    let mut stdout = BufReader::new(running.child.stdout.take().unwrap());
    let mut line = Vec::new();
    stdout.read_until(b'\n', &mut line).unwrap();
    assert!(line.ends_with(b"  t/directory-000000/000000\n"));
    drop(stdout);
    let ended = running.end_within(PROMPT);
    ended.assert_code(1);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_full_disk_is_an_error() {
    let temp = tree("full");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = example();
    command
        .arg("t")
        .current_dir(&temp.0)
        .stdin(Stdio::null())
        .stdout(full);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stderr = read_aside(child.stderr.take().unwrap());
    let ended = Running { child, stderr }.end_within(PATIENCE);
    ended.assert_code(1);
    assert!(
        ended
            .stderr
            .starts_with("treehash: standard output: No space"),
        "{}",
        ended.stderr
    );
}

#[test]
fn usage_is_told_on_request_and_without_a_path() {
    let temp = Temp::new("usage");
    let none: [&str; 0] = [];
    for paths in [&none[..], &["--"]] {
        let ended = temp.treehash(paths).end();
        ended.assert_code(2);
        assert_eq!(ended.stdout, b"");
        assert!(
            ended.stderr.starts_with("Usage: treehash "),
            "{}",
            ended.stderr
        );
    }
    let ended = temp.treehash(&["nothing", "--help"]).end();
    ended.assert_code(0);
    assert!(ended.stdout.starts_with(b"Usage: treehash "));
    assert_eq!(ended.stderr, "");
    temp.file("--help", "x");
    let ended = temp.treehash(&["--", "--help"]).end();
    ended.assert_code(0);
    assert!(ended.stdout.ends_with(b"  --help\n"));
}

#[test]
fn a_tree_may_be_as_deep_as_paths_are_long() {
    const LEVELS: usize = 2000;
    let temp = Temp::new("deep");
    let mut path = temp.0.join("t");
    fs::create_dir(&path).unwrap();
    for _ in 0..LEVELS {
        path.push("d");
        fs::create_dir(&path).unwrap();
    }
    fs::write(path.join("f"), "bottom").unwrap();
    let ended = temp.treehash(&["t", "t"]).end();
    // From the bottom upwards: the standard library opens one directory for each level.
    fs::remove_file(path.join("f")).unwrap();
    while path != temp.0 {
        fs::remove_dir(&path).unwrap();
        path.pop();
    }
    ended.assert_code(0);
    let line = format!("  t/{}f", "d/".repeat(LEVELS));
    assert_eq!(
        text(&ended.stdout)
            .lines()
            .filter(|found| found.ends_with(&line))
            .count(),
        2
    );
}

/// Runs it over so many files. Returns what it printed, and the most memory it had, in KiB.
///
/// It cannot end before its output has been read, so there is always a moment to ask the system.
fn peak_kib(temp: &Temp, root: &str) -> (Vec<u8>, u64) {
    let mut running = temp.treehash(&[root]);
    let status = format!("/proc/{}/status", running.child.id());
    let mut stdout = running.child.stdout.take().unwrap();
    let (mut bytes, mut block, mut peak) = (Vec::new(), vec![0; 16 << 10], 0);
    loop {
        let count = stdout.read(&mut block).unwrap();
        if count == 0 {
            break;
        }
        bytes.write_all(&block[..count]).unwrap();
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(number.unwrap_or(0));
    }
    running.end_within(PATIENCE).assert_code(0);
    (bytes, peak)
}

#[test]
fn ten_times_the_files_take_no_more_memory() {
    if std::env::var_os("DTACT_EMULATED").is_some() {
        println!("SKIPPED: the memory of an emulator is its own");
        return;
    }
    let temp = Temp::new("flat");
    temp.files("few", 2000);
    temp.files("many", 20_000);
    let (few_lines, few) = peak_kib(&temp, "few");
    let (many_lines, many) = peak_kib(&temp, "many");
    assert_eq!(text(&few_lines).lines().count(), 2000);
    assert!(
        many_lines == temp.tools(&["many"]),
        "not what the tools print"
    );
    assert_ne!(few, 0);
    // A cell, a path and a slot in a channel for each of them would be ten times as much.
    assert!(
        many < few + 1024,
        "{few} KiB for 2,000 files, {many} KiB for 20,000"
    );
}
