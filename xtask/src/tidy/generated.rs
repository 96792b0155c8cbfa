//! What is generated from something else in the repository is what would be generated now.

use super::tree::Tree;
use super::{Finding, skips};
use crate::cross_test;

const BEGIN: &str = "<!-- written by `cargo xtask tidy --write`: begin -->\n";
const END: &str = "<!-- written by `cargo xtask tidy --write`: end -->";

/// Compares the tables of skips with the sources, and the table of targets with what
/// `cargo xtask cross-test` runs.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(page) = tree.file(skips::PAGE) {
        match written(tree) {
            Some(text) if text == page.text => {}
            Some(text) => {
                let line = first_difference(&page.text, &text);
                let text = "differs from the sources; run `cargo xtask tidy --write`";
                findings.push(Finding::new(skips::PAGE, line, "generated", text));
            }
            None => {
                let text = format!("has no table that opens with {BEGIN}");
                findings.push(Finding::new(skips::PAGE, 1, "generated", text.trim_end()));
            }
        }
    }
    if let Some(text) = tree
        .file("README.md")
        .and_then(|page| cross_test::stale_table(&page.text))
    {
        findings.push(Finding::new("README.md", 1, "generated", text));
    }
    findings
}

/// The page with the table of skips, and that of crates that a place leaves out, as they are to be.
pub(super) fn written(tree: &Tree) -> Option<String> {
    let page = &tree.file(skips::PAGE)?.text;
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let tests = skips::table(tree);
    let crates = cross_test::left_out();
    Some(format!("{before}{BEGIN}{tests}\n{crates}{END}{after}"))
}

/// The first line, from 1, in which two texts differ.
fn first_difference(a: &str, b: &str) -> usize {
    a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count() + 1
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::*;

    const SOURCE: (&str, &str) = (
        "crates/x/tests/a.rs",
        "#[cfg_attr(miri, ignore = \"why\")]\nfn t() {}\n",
    );

    #[test]
    fn a_table_of_skips_is_made_of_the_sources() {
        let old = format!("# A\n{BEGIN}{END}\n");
        let files = [SOURCE, (skips::PAGE, old.as_str())];
        assert_eq!(found(check, &files), ["docs/porting.md:3"]);
        let new = written(&Tree::of_files(&files)).expect("it has a table");
        assert!(found(check, &[SOURCE, (skips::PAGE, &new)]).is_empty());
        let changed = new.replace("`miri`", "`loom`");
        assert_eq!(
            found(check, &[SOURCE, (skips::PAGE, &changed)]),
            ["docs/porting.md:5"]
        );
    }

    #[test]
    fn a_page_without_the_table_is_found() {
        assert_eq!(
            found(check, &[SOURCE, (skips::PAGE, "# A\n")]),
            ["docs/porting.md:1"]
        );
    }
}
