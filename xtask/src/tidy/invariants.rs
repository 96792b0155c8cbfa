//! An invariant that code leans on is stated, and stated once.
//!
//! It is stated by an item of a list in the documentation of the type that keeps it, which opens
//! with the identifier: `- [crate.Xn]`, where `X` is a letter and `n` a number, in backticks or
//! not. Everywhere else in comments and pages the same identifier cites it; so it does under a
//! heading `# Safety`, where a list says what the caller owes and not what the type keeps.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{File, Kind, Tree};

/// Matches statements with citations over the whole repository.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut stated: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let mut cited: Vec<(&str, &str, usize)> = Vec::new();
    let mut findings = Vec::new();
    for file in tree.of(Kind::Rust) {
        let statements = statements(file);
        for &(line, id) in &statements {
            if let Some((path, first)) = stated.get(id) {
                let text = format!("[{id}] is stated before, at {path}:{first}");
                findings.push(Finding::new(&file.path, line, "invariants", text));
            } else {
                stated.insert(id, (&file.path, line));
            }
        }
        for (line, comment) in (1..).zip(&file.split.comments) {
            let is_statement = statements.iter().any(|(at, _)| *at == line);
            let others = identifiers(comment)
                .into_iter()
                .skip(usize::from(is_statement));
            cited.extend(others.map(|id| (id, file.path.as_str(), line)));
        }
    }
    for file in tree.of(Kind::Markdown) {
        for (line, text) in file.lines() {
            cited.extend(
                identifiers(text)
                    .into_iter()
                    .map(|id| (id, file.path.as_str(), line)),
            );
        }
    }
    for (id, path, line) in cited {
        if !stated.contains_key(id) {
            let text = format!("[{id}] is stated nowhere: state it as `- [{id}]` at the type");
            findings.push(Finding::new(path, line, "invariants", text));
        }
    }
    findings
}

/// The identifier that a comment states, if it opens an item of a documentation list.
fn statement(comment: &str) -> Option<&str> {
    let text = documentation(comment)?;
    let item = text
        .strip_prefix("- ")
        .or_else(|| text.strip_prefix("* "))?;
    let item = item.trim_start_matches(['`', '*']).strip_prefix('[')?;
    item.split_once(']')
        .map(|(id, _)| id)
        .filter(|id| is_identifier(id))
}

/// All statements of a file, with their lines from 1.
pub(super) fn statements(file: &File) -> Vec<(usize, &str)> {
    let mut under_safety = false;
    let mut found = Vec::new();
    for (line, comment) in (1..).zip(&file.split.comments) {
        match heading(comment) {
            Some(heading) => under_safety = heading == "Safety",
            None if comment.is_empty() => under_safety = false,
            None => {}
        }
        found.extend(
            statement(comment)
                .filter(|_| !under_safety)
                .map(|id| (line, id)),
        );
    }
    found
}

/// The heading that a comment is.
fn heading(comment: &str) -> Option<&str> {
    documentation(comment)?
        .strip_prefix('#')
        .map(|text| text.trim_matches(['#', ' ']))
}

/// The text of a documentation comment.
fn documentation(comment: &str) -> Option<&str> {
    let comment = comment.trim_start();
    let text = comment
        .strip_prefix("///")
        .or_else(|| comment.strip_prefix("//!"))?;
    Some(text.trim_start())
}

/// All identifiers of a line, in order.
pub(super) fn identifiers(text: &str) -> Vec<&str> {
    let opens = text.match_indices('[').map(|(at, _)| &text[at + 1..]);
    opens
        .filter_map(|rest| rest.split_once(']'))
        .map(|(id, _)| id)
        .filter(|id| is_identifier(id))
        .collect()
}

fn is_identifier(text: &str) -> bool {
    let Some((area, name)) = text.split_once('.') else {
        return false;
    };
    let number = name.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
    !area.is_empty()
        && area
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-')
        && number.len() < name.len()
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::{check, is_identifier};

    #[test]
    fn identifiers_have_an_area_letters_and_a_number() {
        for text in ["mesh.I1", "arena.SP12", "dtact-ffi.H3"] {
            assert!(is_identifier(text), "{text}");
        }
        for text in [
            "mesh", "mesh.1", "mesh.I", "Mesh.I1", ".I1", "mesh.i1", "mesh.I1a", "a.b.I1",
        ] {
            assert!(!is_identifier(text), "{text}");
        }
    }

    #[test]
    fn what_is_cited_is_stated() {
        let stated = "/// # Invariants\n///\n/// - [mesh.I1] One thread pops.\nstruct Queue;\n";
        let cites = "// As [mesh.I1] has it, and \"[mesh.I2]\".\n";
        let files = [
            ("a.rs", stated),
            ("b.rs", cites),
            ("c.md", "See [mesh.I1], [mesh.I3].\n"),
        ];
        assert_eq!(found(check, &files), ["b.rs:1", "c.md:1"]);
        assert!(found(check, &[("a.rs", "let a = \"[mesh.I9]\"; b[c.d];\n")]).is_empty());
    }

    #[test]
    fn what_is_stated_is_stated_once() {
        let stated =
            "//! - [mesh.I1] One thread pops, unlike in [mesh.I2].\n//! - [mesh.I2] None.\n";
        assert!(found(check, &[("a.rs", stated)]).is_empty());
        assert_eq!(
            found(check, &[("a.rs", stated), ("b.rs", stated)]),
            ["b.rs:1", "b.rs:2"]
        );
    }

    #[test]
    fn a_comment_that_is_no_documentation_states_nothing() {
        assert_eq!(
            found(check, &[("a.rs", "// - [mesh.I1] One.\n")]),
            ["a.rs:1"]
        );
    }

    #[test]
    fn a_statement_may_be_set_as_code_and_in_any_list() {
        let text = "//! * `[mesh.I1]` One.\n//! - **[mesh.I2]** Two.\n// [mesh.I1] [mesh.I2]\n";
        assert_eq!(found(check, &[("a.rs", text)]), Vec::<String>::new());
    }

    #[test]
    fn what_a_caller_owes_is_a_citation() {
        let owed = "/// # Safety\n///\n/// - [mesh.I1] holds.\nunsafe fn f() {}\n";
        assert_eq!(found(check, &[("a.rs", owed)]), ["a.rs:3"]);
        let after = "/// # Safety\nfn f() {}\n/// - [mesh.I1] One.\nstruct A;\n";
        assert!(found(check, &[("a.rs", after)]).is_empty());
        let other = "/// # Safety\n/// # Invariants\n/// - [mesh.I1] One.\nstruct A;\n";
        assert!(found(check, &[("a.rs", other)]).is_empty());
    }
}
