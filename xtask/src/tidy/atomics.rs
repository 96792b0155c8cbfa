//! Lock-free crates take atomics and threads from a `sync.rs`, which loom can replace.
//!
//! An atomic that comes from elsewhere is one that the model checker does not see: the models
//! would pass, and prove nothing. Tests and models themselves are left out.

use super::Finding;
use super::regions::{self, Regions};
use super::tree::{File, Kind, Tree};

/// Where the rule holds.
const FOLDERS: [&str; 2] = ["crates/dtact-bridge/src/", "crates/dtact-mesh/src/"];

/// What only a `sync.rs` names.
const SOURCES: [&str; 3] = ["core::sync::atomic", "std::sync", "std::thread"];

/// Files that are not modelled, each with its reason. An entry that is not needed is a finding.
const EXEMPT: [(&str, &str); 0] = [];

/// Looks for the sources outside of the files that may name them.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_but(tree, &EXEMPT)
}

fn check_but(tree: &Tree, exempt: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = vec![false; exempt.len()];
    let tests = regions::test_modules(tree);
    for file in tree
        .of(Kind::Rust)
        .filter(|file| is_bound(&file.path, &tests))
    {
        let mut here = uses(file);
        if let Some(at) = exempt.iter().position(|(path, _)| *path == file.path) {
            used[at] = !here.is_empty();
            here.clear();
        }
        for (line, source) in here {
            let text = format!("`{source}` outside of `sync.rs`: no model sees it");
            findings.push(Finding::new(&file.path, line, "atomics", text));
        }
    }
    let unused = exempt.iter().zip(used).filter(|(_, used)| !used);
    findings.extend(unused.map(|((path, _), _)| {
        Finding::new(path, 1, "atomics", "its exemption is not needed: remove it")
    }));
    findings
}

fn is_bound(path: &str, tests: &[String]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_test = tests.iter().any(|module| {
        path.strip_prefix(module.as_str())
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    });
    FOLDERS.iter().any(|folder| path.starts_with(folder))
        && !matches!(name, "sync.rs" | "loom.rs" | "loom_tests.rs")
        && !path.contains("/loom/")
        && !is_test
}

/// The lines that name a source, by a path in one piece or by a `use` with braces.
fn uses(file: &File) -> Vec<(usize, &'static str)> {
    let code = file.split.joined();
    let tests = Regions::of(file);
    let mut found = Vec::new();
    for source in SOURCES {
        for (at, _) in code.match_indices(source) {
            let after = &code[at + source.len()..];
            if !code[..at].ends_with(is_word) && !after.starts_with(is_word) {
                found.push((regions::line_of(&code, at), source));
            }
        }
    }
    for (at, keyword) in code.match_indices("use ") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let tree = code[at + keyword.len()..]
            .split(';')
            .next()
            .unwrap_or_default();
        let tree: String = tree.split_whitespace().collect();
        for path in expand(&tree) {
            let source = SOURCES.iter().find(|source| {
                let rest = path.trim_start_matches("::").strip_prefix(**source);
                rest.is_some_and(|rest| !rest.starts_with(is_word))
            });
            found.extend(source.map(|source| (regions::line_of(&code, at), *source)));
        }
    }
    found.retain(|(line, _)| !tests.has(*line));
    found.sort_unstable();
    found.dedup();
    found
}

/// The paths that a use tree without spaces stands for: `a::{b,c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let mut depth = 0_usize;
    let parts = inside.split(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts
        .filter(|part| !part.is_empty())
        .flat_map(expand)
        .map(|path| format!("{prefix}{path}"))
        .collect()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::*;

    const QUEUE: &str = "crates/dtact-mesh/src/queue.rs";

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of_files(&[(QUEUE, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn atomics_come_from_the_file_that_loom_can_replace() {
        assert_eq!(lines("\nuse core::sync::atomic::AtomicU32;\n"), [2]);
        assert_eq!(lines("fn f() {\n    std::thread::current();\n}\n"), [2]);
        assert_eq!(lines("use std::sync::Arc;\n"), [1]);
        assert!(lines("use crate::sync::AtomicU32;\n// std::sync\n\"std::thread\";").is_empty());
        assert!(lines("std::thread_local! {}\nmy_std::sync();\n").is_empty());
    }

    #[test]
    fn braces_hide_nothing() {
        assert_eq!(
            lines("use std::{\n    fmt,\n    sync::{Arc, Mutex},\n};\n"),
            [1]
        );
        assert_eq!(lines("use core::{cell::Cell, sync::atomic};\n"), [1]);
        assert!(lines("use std::{fmt::{self, Debug}, io};\n").is_empty());
    }

    #[test]
    fn tests_and_models_and_other_crates_are_free() {
        assert!(lines("#[cfg(test)]\nmod tests {\n    use std::thread;\n}\n").is_empty());
        let text = "use std::sync::Arc;\n";
        let files = [
            ("crates/dtact-mesh/src/sync.rs", text),
            ("crates/dtact-mesh/src/queue/loom.rs", text),
            (
                "crates/dtact-mesh/src/lib.rs",
                "#[cfg(test)]\nmod models;\n",
            ),
            ("crates/dtact-mesh/src/models.rs", text),
            ("crates/dtact-mesh/src/models/steal.rs", text),
            ("crates/dtact-mesh/tests/all.rs", text),
            ("crates/dtact-ffi/src/lib.rs", text),
            ("crates/dtact-bridge/src/models.rs", text),
        ];
        assert_eq!(
            found(check, &files),
            ["crates/dtact-bridge/src/models.rs:1"]
        );
    }

    #[test]
    fn an_exemption_that_is_not_needed_is_found() {
        let exempt = [(QUEUE, "it is not modelled")];
        let used = Tree::of_files(&[(QUEUE, "use std::thread;\n")]);
        assert!(check_but(&used, &exempt).is_empty());
        let unused = Tree::of_files(&[(QUEUE, "fn f() {}\n")]);
        assert_eq!(check_but(&unused, &exempt).len(), 1);
        assert_eq!(check_but(&Tree::of_files(&[]), &exempt).len(), 1);
    }
}
