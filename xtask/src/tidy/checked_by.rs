//! An invariant has a line in the table of `docs/soundness.md`, which says where it is stated and
//! what checks it.

use super::Finding;
use super::invariants::{identifiers, statements};
use super::tree::{Kind, Tree};

const PAGE: &str = "docs/soundness.md";

/// A line of the table.
struct Row<'a> {
    line: usize,
    ids: Vec<&'a str>,
    stated_at: &'a str,
    checked_by: &'a str,
}

/// Compares statements and table, both ways.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.file(PAGE) else {
        return Vec::new();
    };
    let rows: Vec<Row<'_>> = page
        .lines()
        .filter_map(|(line, text)| row(line, text))
        .collect();
    let mut findings = Vec::new();
    for file in tree.of(Kind::Rust) {
        for (line, id) in statements(file) {
            let text = match rows.iter().find(|row| row.ids.contains(&id)) {
                None => format!("[{id}] is not in the table of {PAGE}: say there what checks it"),
                Some(row) if is_at(&file.path, row.stated_at) => continue,
                Some(row) => format!(
                    "[{id}] is stated here, and {PAGE}:{} says otherwise",
                    row.line
                ),
            };
            findings.push(Finding::new(&file.path, line, "checked-by", text));
        }
    }
    let unchecked = rows.iter().filter(|row| row.checked_by.is_empty());
    findings.extend(unchecked.map(|row| {
        let text = format!("nothing checks {}", row.ids.join(", "));
        Finding::new(PAGE, row.line, "checked-by", text)
    }));
    findings
}

/// A line that begins with the names of invariants.
fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let rest = text.strip_prefix("| [")?;
    let mut cells = rest.strip_suffix('|').unwrap_or(rest).split(" | ");
    // The bracket that was taken off goes with the first name.
    let first = cells.next()?;
    let ids = identifiers(&text[2..2 + 1 + first.len()]);
    let stated_at = cells.nth(1)?.trim_matches(['`', ' ']);
    let checked_by = cells.next().unwrap_or_default().trim();
    Some(Row {
        line,
        ids,
        stated_at,
        checked_by,
    })
}

/// Whether a file is this one, or in this folder.
fn is_at(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::*;

    const STATED: (&str, &str) = ("x/a.rs", "//! A.\n/// - [a.I1] holds.\nstruct A;\n");

    fn lines(row: &str) -> Vec<String> {
        let page = format!("# A\n\n| id | in short | stated at | checked by |\n{row}\n");
        found(check, &[STATED, (PAGE, &page)])
    }

    #[test]
    fn a_stated_invariant_is_in_the_table() {
        assert!(lines("| [a.I1] | holds | `x/a.rs` | loom |").is_empty());
        assert!(lines("| [b.I1], [a.I1] | hold | `x` | its tests |").is_empty());
        assert_eq!(lines("| [a.I2] | holds | `x/a.rs` | loom |"), ["x/a.rs:2"]);
        assert!(found(check, &[STATED]).is_empty());
    }

    #[test]
    fn the_table_says_where_it_is_stated_and_what_checks_it() {
        assert_eq!(lines("| [a.I1] | holds | `x/b.rs` | loom |"), ["x/a.rs:2"]);
        assert_eq!(
            lines("| [a.I1] | holds | `x/a.rs` |  |"),
            ["docs/soundness.md:4"]
        );
    }
}
