//! Lines of code fit in 100 columns: two files side by side, on any screen.

use super::Finding;
use super::tree::{Kind, Tree};

const COLUMNS: usize = 100;

/// Measures the lines of Rust and TOML files.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.of(Kind::Rust).chain(tree.of(Kind::Toml)) {
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            if columns > COLUMNS && !is_table_row(line) {
                let text = format!("{columns} columns, more than {COLUMNS}");
                findings.push(Finding::new(&file.path, number, "width", text));
            }
        }
    }
    findings
}

/// A row of a table in a doc comment: it cannot be wrapped.
fn is_table_row(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//! |") || line.starts_with("/// |")
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::check;

    #[test]
    fn a_line_of_code_has_at_most_100_columns() {
        let fits = "é".repeat(100);
        let wide = format!("{fits}\n{fits}x\n");
        let row = format!("/// | {fits} |\n    //! | {fits} |\n");
        let files = [
            ("row.rs", row.as_str()),
            ("a.rs", fits.as_str()),
            ("b.rs", wide.as_str()),
            ("c.toml", &wide),
            ("d.md", &wide),
        ];
        assert_eq!(found(check, &files), ["b.rs:2", "c.toml:2"]);
    }
}
