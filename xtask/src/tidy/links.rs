//! What a page links to is there, and so is each path of the repository that it names.

use super::Finding;
use super::markdown::{self, Reference};
use super::tree::{File, Kind, Tree};

/// Text between backticks that begins so names a path from the root of the repository.
const FOLDERS: [&str; 7] = [
    ".cargo/", ".ci/", "benches/", "crates/", "docs/", "fuzz/", "xtask/",
];

/// Letters that make a pattern or a command of what would be a path.
const NO_PATH: [char; 9] = ['…', '*', '<', '>', '{', '}', '$', ' ', '|'];

/// Follows the links and paths of all pages.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.of(Kind::Markdown) {
        for (line, reference) in markdown::references(&file.text) {
            let wrong = match reference {
                Reference::Link(target) => wrong_link(tree, file, target),
                Reference::Code(text) => wrong_path(tree, text),
            };
            findings.extend(wrong.map(|text| Finding::new(&file.path, line, "links", text)));
        }
    }
    findings
}

fn wrong_link(tree: &Tree, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() {
        file.path.clone()
    } else {
        resolve(&file.path, path)
    };
    if !tree.has(&path) {
        return Some(format!("links to `{target}`, which is not there"));
    }
    let page = tree
        .file(&path)
        .filter(|page| page.kind == Kind::Markdown)?;
    let is_there = anchor.is_empty() || markdown::anchors(&page.text).iter().any(|it| it == anchor);
    (!is_there).then(|| format!("links to `{target}`, and the page has no such heading"))
}

fn wrong_path(tree: &Tree, text: &str) -> Option<String> {
    if !FOLDERS.iter().any(|folder| text.starts_with(folder)) || text.contains(NO_PATH) {
        return None;
    }
    let path = text
        .split([':', '#'])
        .next()
        .unwrap_or(text)
        .trim_end_matches('/');
    if !tree.has(path) {
        return Some(format!("names `{text}`, which is not there"));
    }
    // A test or another function of that file, as pages cite them.
    let (_, name) = text.split_once("::")?;
    let name = name.trim_end_matches("()");
    let text_of_file = &tree.file(path)?.text;
    let is_there = ['(', '<'].iter().any(|after| {
        let definition = format!("fn {name}{after}");
        text_of_file.contains(&definition)
    });
    (!is_there).then(|| format!("names `{text}`, and the file has no `fn {name}`"))
}

/// A link from a page, as a path from the root; one that leaves the repository is as written.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from = if target.starts_with('/') {
        ""
    } else {
        page.rsplit_once('/').unwrap_or_default().0
    };
    for part in from.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.is_empty() => return target.to_owned(),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::check;

    fn lines(text: &str) -> Vec<String> {
        let files = [
            ("docs/a.md", text),
            ("docs/b.md", "# A heading\n"),
            ("README.md", ""),
            ("crates/x/src/lib.rs", "fn a_test() {}"),
        ];
        found(check, &files)
    }

    #[test]
    fn a_link_leads_somewhere() {
        assert!(lines("[b](b.md) [r](../README.md) [x](../crates/x) [s](/docs/b.md)").is_empty());
        assert!(lines("[w](https://example.org/a) [m](mailto:a@example.org)").is_empty());
        assert_eq!(lines("ok\n[c](c.md)"), ["docs/a.md:2"]);
        assert_eq!(lines("[r](README.md)"), ["docs/a.md:1"]);
        assert_eq!(lines("[out](../../elsewhere.md)"), ["docs/a.md:1"]);
    }

    #[test]
    fn an_anchor_is_a_heading() {
        assert!(lines("# Here\n[b](b.md#a-heading) [h](#here)").is_empty());
        assert_eq!(
            lines("# Here\n[b](b.md#no-heading) [h](#there)"),
            ["docs/a.md:2"; 2]
        );
    }

    #[test]
    fn a_named_path_is_there() {
        assert!(lines("`crates/x/src/lib.rs`, `docs/`, `crates/x/src/lib.rs:3`").is_empty());
        assert!(lines("`crates/*/src`, `crates/…`, `docs/<page>.md`, `src/lib.rs`").is_empty());
        assert_eq!(lines("`crates/y/src/lib.rs`"), ["docs/a.md:1"]);
    }

    #[test]
    fn a_cited_function_is_in_its_file() {
        assert!(lines("`crates/x/src/lib.rs::a_test`").is_empty());
        assert_eq!(lines("`crates/x/src/lib.rs::no_test`"), ["docs/a.md:1"]);
    }
}
