//! A Rust file opens with what it is about: with `//!`, or `#!` where an attribute must be first.

use super::Finding;
use super::tree::{Kind, Tree};

/// Looks at the first line of each Rust file; cases of compile-fail tests are left alone.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.of(Kind::Rust)
        .filter(|file| !file.is_ui_case())
        .filter(|file| !file.text.starts_with("//!") && !file.text.starts_with("#!"))
        .map(|file| Finding::new(&file.path, 1, "first-line", "opens without a `//!` line"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::check;

    #[test]
    fn a_file_opens_with_its_documentation() {
        let files = [
            ("a.rs", "//! What it is.\n"),
            ("b.rs", "#![no_std]\n"),
            ("c.rs", "use core::fmt;\n"),
            ("d.rs", "// A comment.\n//! Too late.\n"),
            ("e.rs", ""),
            ("x/tests/ui/f.rs", "fn main() {}\n"),
            ("g.toml", "[package]\n"),
        ];
        assert_eq!(found(check, &files), ["c.rs:1", "d.rs:1", "e.rs:1"]);
    }
}
