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
//! | `banned.rs` | some text belongs nowhere |
//!
//! The rules read the text of the files, not a syntax tree: `lexer.rs` sets code and comments
//! apart, which is all that they need.

mod atomics;
mod banned;
mod first_line;
mod invariants;
mod layers;
mod lexer;
mod links;
mod markdown;
mod regions;
mod safety;
mod tree;
mod width;

use core::fmt;

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

const RULES: [fn(&Tree) -> Vec<Finding>; 8] = [
    first_line::check,
    width::check,
    safety::check,
    atomics::check,
    layers::check,
    links::check,
    invariants::check,
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
