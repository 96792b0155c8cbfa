//! The rules of the house that no other tool knows, each in a file of its own.
//!
//! | file | rule |
//! | --- | --- |
//! | `first_line.rs` | a Rust file says first what it is about |
//! | `width.rs` | lines fit in 100 columns |
//! | `safety.rs` | every `unsafe fn` and `unsafe trait` has a `# Safety` section |
//! | `atomics.rs` | lock-free crates take their atomics from a `sync.rs` alone |
//! | `layers.rs` | the crates depend on each other only as the table of layers says |
//! | `links.rs` | what a page links to, or names as a path, is there |
//! | `invariants.rs` | an invariant that is cited is stated, once |
//! | `checked_by.rs` | an invariant is in the table of `docs/soundness.md`, with what checks it |
//! | `skips.rs` | a test that is left out somewhere says why |
//! | `generated.rs` | what is generated is as it would be generated now |
//! | `banned.rs` | some text belongs nowhere |
//!
//! The rules read the text of the files, not a syntax tree: `lexer.rs` sets code and comments
//! apart, which is all that they need.

mod atomics;
mod banned;
mod checked_by;
mod first_line;
mod generated;
mod invariants;
mod layers;
mod lexer;
mod links;
mod markdown;
mod regions;
mod safety;
mod skips;
mod tree;
mod width;

use core::fmt;
use std::path::Path;

use crate::outcome::Halt;
use crate::shell::Shell;
use tree::Tree;

/// One breach of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// From the root of the repository, with `/`.
    path: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.text
        )
    }
}

const RULES: [fn(&Tree) -> Vec<Finding>; 11] = [
    first_line::check,
    width::check,
    safety::check,
    atomics::check,
    layers::check,
    links::check,
    invariants::check,
    checked_by::check,
    skips::check,
    generated::check,
    banned::check,
];

/// Checks every file of the repository.
///
/// # Errors
///
/// When a rule is broken, or a file cannot be read; the findings are printed.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    println!("$ cargo xtask tidy");
    let tree = Tree::read(shell.root()).map_err(|error| Halt::failed(error.to_string()))?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Halt::failed(format!(
            "{count} findings in {} files",
            tree.len()
        ))),
    }
}

/// The names of the rules that a repository breaks, once for each breach.
///
/// # Errors
///
/// When a file cannot be read.
pub(crate) fn broken(root: &Path) -> Result<Vec<&'static str>, Halt> {
    let tree = Tree::read(root).map_err(|error| Halt::failed(error.to_string()))?;
    let findings = RULES.iter().flat_map(|rule| rule(&tree));
    Ok(findings.map(|finding| finding.rule).collect())
}

/// Writes what is generated of the sources: the table of skips.
///
/// # Errors
///
/// When a file cannot be read or written, or has no such table.
pub(crate) fn write(shell: &Shell) -> Result<(), Halt> {
    let tree = Tree::read(shell.root()).map_err(|error| Halt::failed(error.to_string()))?;
    let path = skips::PAGE;
    let text = generated::written(&tree)
        .ok_or_else(|| Halt::failed(format!("{path} has no table to write")))?;
    std::fs::write(shell.root().join(path), text)
        .map_err(|error| Halt::failed(format!("{path}: {error}")))?;
    run(shell)
}
