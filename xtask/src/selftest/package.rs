//! A package full of mistakes, made in the target folder: one for each tool that looks at code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Halt;
use crate::shell::Shell;

/// Its name, and that of its library.
pub(super) const NAME: &str = "planted";

const MANIFEST: &str = r#"[package]
name = "planted"
version = "0.0.0"
edition = "2024"
license = "LicenseRef-Nobody-Has-This"

[workspace]
"#;

/// No test of it is sound; each tool is told which to run.
const LIBRARY: &str = r#"//! Mistakes, for tools to find: [`nothing_is_called_so`].
pub fn badly_laid_out( )->u8 { return 1; }

#[cfg(test)]
mod tests {
    #[test]
    fn passes() {}

    #[test]
    fn fails() { assert_eq!(super::badly_laid_out(), 2) }

    #[test]
    #[ignore]
    fn is_left_out_without_a_reason() {}

    #[test]
    fn says_that_it_skips() { println!("SKIPPED: the reason") }

    #[test]
    fn reads_beyond_its_array() {
        let array = [1_u8; 4];
        let end = array.as_ptr().wrapping_add(std::hint::black_box(5));
        std::hint::black_box(unsafe { end.read() });
    }

    #[test]
    #[allow(invalid_value)]
    fn makes_references_of_nothing() {
        std::hint::black_box(unsafe { std::mem::zeroed::<[&u8; 2]>() });
    }
}
"#;

/// A program of tests that does not come to its result.
const DIES: &str = "#[test]\nfn dies() { std::process::abort() }\n";

/// Files that each break one rule of `tidy`, and the rule.
const UNTIDY: &[(&str, &str, &str)] = &[
    ("first-line", "crates/a/src/a.rs", "fn f() {}\n"),
    ("safety", "crates/a/src/b.rs", "//! B.\nunsafe fn f() {}\n"),
    (
        "skips",
        "crates/a/tests/c.rs",
        "//! C.\nfn t() {\n    if emulated() {}\n}\n",
    ),
    ("links", "README.md", "[a](nowhere.md)\n"),
    (
        "invariants",
        "crates/a/src/d.rs",
        "//! D.\n// SAFETY: [nobody.S1].\n",
    ),
    (
        "checked-by",
        "crates/a/src/h.rs",
        "//! H.\n/// - [nobody.S2] holds.\nstruct H;\n",
    ),
    // Beside it: without the page nothing is compared with it.
    (
        "links",
        "docs/soundness.md",
        "# Soundness\n\n[a](nowhere.md)\n",
    ),
    ("generated", "docs/porting.md", "# Porting\n"),
    (
        "banned",
        "crates/a/src/e.rs",
        "//! E.\n#[ignore]\nfn f() {}\n",
    ),
    (
        "layers",
        "crates/a/Cargo.toml",
        "[package]\nname = \"stranger\"\n",
    ),
];

/// The rules that a file breaks.
pub(super) fn untidy_rules() -> impl Iterator<Item = &'static str> {
    UNTIDY
        .iter()
        .map(|(rule, ..)| *rule)
        .chain(["width", "atomics"])
}

/// Writes the package, and gives its folder.
pub(super) fn write(shell: &Shell) -> Result<PathBuf, Halt> {
    let root = shell.target().join("selftest").join(NAME);
    put(&root, "Cargo.toml", MANIFEST)?;
    put(&root, "src/lib.rs", LIBRARY)?;
    put(&root, "tests/dies.rs", DIES)?;
    let rules = shell.root().join("deny.toml");
    let rules = fs::read_to_string(&rules)
        .map_err(|error| Halt::failed(format!("{}: {error}", rules.display())))?;
    // Packages that nobody publishes are let be.
    put(&root, "deny.toml", &rules)?;
    Ok(root)
}

/// Writes a repository that breaks every rule of the house, and gives its folder.
pub(super) fn write_untidy(shell: &Shell) -> Result<PathBuf, Halt> {
    let root = shell.target().join("selftest").join("untidy");
    for (_, path, text) in UNTIDY {
        put(&root, path, text)?;
    }
    let wide = format!("//! F.\n// {}\n", "wide ".repeat(30));
    put(&root, "crates/a/src/f.rs", &wide)?;
    let atomics = "//! G.\nuse core::sync::atomic::AtomicU8;\n";
    put(&root, "crates/dtact-mesh/src/g.rs", atomics)?;
    Ok(root)
}

fn put(root: &Path, path: &str, text: &str) -> Result<(), Halt> {
    let path = root.join(path);
    let failed = |error: std::io::Error| Halt::failed(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(&path, text).map_err(failed)
}
