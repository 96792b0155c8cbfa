//! The header says what the library does: numbers, names, exported symbols, and the README.

use std::{collections::BTreeSet, fs, process::Command};

use dtact_ffi::DtactStatus;

use crate::toolchain::{crate_dir, library, run};

fn text_of(path: &str) -> String {
    let path = crate_dir().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The header without its comments.
fn header() -> String {
    let text = text_of("include/dtact.h");
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    code + rest
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The functions that the header declares: names before a parenthesis, outside of `typedef`s.
pub(crate) fn declared() -> BTreeSet<String> {
    let code = header().replace("\\\n", " ");
    let lines = code.lines().filter(|line| !line.starts_with('#'));
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .split(';')
        .filter(|item| !item.contains("typedef"))
        .filter_map(|item| item.split_once('('))
        .filter_map(|(before, _)| words(before).last().map(str::to_owned))
        .filter(|name| name.starts_with("dtact_"))
        .collect()
}

#[test]
fn the_numbers_of_the_header_are_those_of_the_library() {
    let header = header();
    let (_, list) = header.split_once("enum {").expect("the statuses");
    let (list, _) = list.split_once('}').expect("the statuses");
    let numbers: Vec<_> = list
        .split(',')
        .map(|line| {
            let (name, number) = line.split_once('=').expect("an explicit number");
            let number: i32 = number.trim().parse().expect("a number");
            (name.trim().to_owned(), number)
        })
        .collect();
    let statuses = DtactStatus::ALL.map(|status| (status.c_name().to_owned(), status as i32));
    assert_eq!(numbers, statuses);
}

#[test]
fn the_version_of_the_header_is_that_of_the_package() {
    let header = header();
    let part = |name: &str| {
        let line = format!("#define DTACT_VERSION_{name} ");
        let (_, rest) = header.split_once(&line).expect("the definition");
        rest.lines().next().expect("a number").trim().to_owned()
    };
    let version = [part("MAJOR"), part("MINOR"), part("PATCH")].join(".");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_shared_library_exports_what_the_header_declares_and_nothing_else() {
    let library = library("libdtact_ffi.so");
    let ended = run(Command::new("nm")
        .args(["--dynamic", "--defined-only", "--format=posix"])
        .arg(library));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let exported: BTreeSet<_> = ended
        .stdout
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(exported, declared());
}

#[test]
fn the_header_defines_nothing_but_names_of_its_own() {
    let header = header();
    for line in header.lines() {
        if let Some(rest) = line.strip_prefix("#define ") {
            let name = words(rest).next().expect("a name");
            assert!(name.starts_with("DTACT_"), "{line}");
        }
    }
    for item in header.split(';').filter(|item| item.contains("typedef")) {
        let name = words(item).find(|word| word.starts_with("dtact_"));
        assert!(name.is_some(), "{item}");
    }
    assert!(declared().len() > 10, "{:?}", declared());
}

#[test]
fn the_example_of_the_readme_is_the_tested_program() {
    let readme = text_of("README.md");
    let (_, example) = readme.split_once("```c\n").expect("the example");
    let (example, _) = example.split_once("```").expect("its end");
    assert_eq!(example, text_of("tests/c/hello.c"));
    for (fence, path) in [
        ("```rust,ignore\n", "examples/qsort/weights.rs"),
        ("```cpp\n", "examples/scope.cpp"),
    ] {
        let (_, example) = readme.split_once(fence).expect("the example");
        let (example, _) = example.split_once("```").expect("its end");
        assert_eq!(example, text_of(path));
    }
}

#[test]
fn the_examples_of_the_manual_are_tested_programs() {
    let manual = text_of("../../docs/ffi.md");
    let example = |fence: &str| {
        let (_, example) = manual.split_once(fence).expect("the example");
        example.split_once("```").expect("its end").0.to_owned()
    };
    assert_eq!(example("```c\n"), text_of("tests/c/manual.c"));
    assert_eq!(example("```cpp\n"), text_of("tests/cpp/manual.cpp"));
}
