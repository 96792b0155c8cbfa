//! The command: what it writes, says, and ends with.

use std::{
    ffi::OsStr,
    fs,
    process::{Command, Stdio},
};

use crate::common::one;

/// Runs it; its exit status, and what it says.
fn run<'a>(args: impl IntoIterator<Item = &'a OsStr>) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dtact-header"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8(said).expect("it is text"),
    )
}

#[test]
fn a_header_is_written_and_then_as_it_should_be() {
    let one = one("#[cfg(unix)] #[dtact::export_fiber] fn f() {}");
    let define = [OsStr::new("--define"), OsStr::new("unix = IS_UNIX")];
    let with = |option: &'static str| {
        let words = [OsStr::new(option), one.header.as_os_str()];
        let words = words.into_iter().chain(define);
        run(words.chain([one.source.as_os_str()]))
    };
    let (code, said) = with("--check");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("exports.h:1: "), "{said}");
    assert!(!one.header.exists());
    assert_eq!(with("--out"), (Some(0), String::new()));
    let text = fs::read_to_string(&one.header).expect("it is there");
    assert!(text.contains("#if defined(IS_UNIX)\n"), "{text}");
    assert_eq!(with("--check"), (Some(0), String::new()));
}

#[test]
fn an_error_names_the_line_and_fails() {
    let one = one("\n#[dtact::export_fiber] fn f(a: String) {}");
    let words = [
        OsStr::new("--out"),
        one.header.as_os_str(),
        one.source.as_os_str(),
    ];
    let (code, said) = run(words);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    assert!(said.contains("lib.rs:2: parameter `a` of `f`"), "{said}");
    assert!(!one.header.exists());
}

#[test]
fn words_that_it_does_not_know_are_told_with_how_it_is_used() {
    let refused: [&[&str]; 7] = [
        &[],
        &["--out", "x.h"],
        &["lib.rs"],
        &["--out", "x.h", "--check", "x.h", "lib.rs"],
        &["--out"],
        &["--frobnicate", "1", "--out", "x.h", "lib.rs"],
        &["--out", "x.h", "--define", "unix", "lib.rs"],
    ];
    for words in refused {
        let (code, said) = run(words.iter().map(OsStr::new));
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains("usage: dtact-header"), "{words:?}: {said}");
    }
    let (code, said) = run([OsStr::new("--help")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("usage: dtact-header"), "{said}");
}
