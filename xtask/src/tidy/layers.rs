//! The layers: which crate of the workspace may depend on which.
//!
//! ```text
//!   dtact-ffi   benches ─ ─ ─ ┐   xtask
//!        \      /             ╎
//!         dtact
//!        /     \
//! dtact-bridge  dtact-macros
//!    /    |    \
//! dtact-  dtact-  dtact-
//! arena   mesh    switch ◄ ─ ─┘
//! ```

use super::Finding;
use super::tree::{File, Kind, Tree};

/// Each crate with exactly the crates of the workspace that it depends on, tests included.
const LAYERS: [(&str, &[&str]); 9] = [
    ("dtact-arena", &[]),
    ("dtact-mesh", &[]),
    ("dtact-switch", &[]),
    ("dtact-macros", &[]),
    (
        "dtact-bridge",
        &["dtact-arena", "dtact-mesh", "dtact-switch"],
    ),
    ("dtact", &["dtact-bridge", "dtact-macros"]),
    ("dtact-ffi", &["dtact"]),
    ("benches", &["dtact", "dtact-switch"]),
    ("xtask", &[]),
];

/// Compares the manifests with the table, both ways.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree
        .of(Kind::Toml)
        .filter(|file| file.path.ends_with("/Cargo.toml"))
    {
        let Some(name) = package(file) else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(known, _)| *known == name) else {
            let text = format!("`{name}` is not in the table of layers");
            findings.push(Finding::new(&file.path, 1, "layers", text));
            continue;
        };
        let edges = edges(file);
        for (line, other) in &edges {
            if !allowed.contains(other) {
                let text = format!("`{name}` may not depend on `{other}`");
                findings.push(Finding::new(&file.path, *line, "layers", text));
            }
        }
        for missing in allowed
            .iter()
            .filter(|it| !edges.iter().any(|(_, edge)| edge == *it))
        {
            let text = format!("the table has `{name}` depend on `{missing}`, and it does not");
            findings.push(Finding::new(&file.path, 1, "layers", text));
        }
    }
    findings
}

/// The name of the package of a manifest.
fn package(file: &File) -> Option<&str> {
    let mut section = "";
    for line in file.text.lines() {
        if let Some(name) = section_name(line) {
            section = name;
        } else if section == "package"
            && let Some(("name", value)) = key_and_value(line)
        {
            return Some(value.trim_matches('"'));
        }
    }
    None
}

/// The crates of the table that a manifest depends on in any way, with their lines.
fn edges(file: &File) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for (number, line) in file.lines() {
        if let Some(name) = section_name(line) {
            // `[dependencies]` lists crates, and `[dependencies.name]` is about one.
            let (before, last) = name.rsplit_once('.').unwrap_or(("", name));
            in_dependencies = last.ends_with("dependencies");
            if before.ends_with("dependencies") {
                found.extend(known(last).map(|known| (number, known)));
                in_dependencies = true;
            }
        } else if in_dependencies && let Some((key, value)) = key_and_value(line) {
            let name = key.split('.').next().unwrap_or(key);
            let renamed = value
                .split_once("package")
                .and_then(|(_, rest)| rest.split('"').nth(1));
            let whole = if key == "package" {
                value.trim_matches('"')
            } else {
                name
            };
            found.extend(known(renamed.unwrap_or(whole)).map(|known| (number, known)));
        }
    }
    found
}

fn known(name: &str) -> Option<&'static str> {
    LAYERS
        .iter()
        .map(|(known, _)| *known)
        .find(|known| *known == name.trim_matches('"'))
}

fn section_name(line: &str) -> Option<&str> {
    line.trim()
        .strip_prefix('[')
        .map(|rest| rest.trim_end_matches(']'))
}

fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let line = line.split('#').next()?;
    line.split_once('=')
        .map(|(key, value)| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::check;

    fn lines(name: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        found(check, &[("c/Cargo.toml", &text)])
    }

    #[test]
    fn the_edges_of_the_table_are_right() {
        assert!(lines("dtact-mesh", "[dependencies]\nloom = \"1\"\n").is_empty());
        assert!(lines("dtact-ffi", "[dependencies]\ndtact.workspace = true\n").is_empty());
    }

    #[test]
    fn an_edge_outside_the_table_is_found_in_every_spelling() {
        for edge in [
            "[dependencies]\ndtact-arena.workspace = true\n",
            "[dev-dependencies]\ndtact-arena = { path = \"../dtact-arena\" }\n",
            "[target.\"cfg(unix)\".dependencies]\ndtact-arena = \"1\"\n",
            "[build-dependencies]\narena = { package = \"dtact-arena\", version = \"1\" }\n",
            "[features]\n[dependencies.dtact-arena]\nworkspace = true\n",
        ] {
            assert_eq!(lines("dtact-mesh", edge).len(), 1, "{edge}");
        }
        assert!(lines("dtact-mesh", "[features]\ndtact-arena = []\n").is_empty());
    }

    #[test]
    fn an_edge_that_only_the_table_has_is_found() {
        assert_eq!(lines("dtact-ffi", "[dependencies]\n"), ["c/Cargo.toml:1"]);
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_found() {
        assert_eq!(lines("dtact-new", ""), ["c/Cargo.toml:1"]);
        assert!(found(check, &[("c/Cargo.toml", "[workspace]\n")]).is_empty());
    }
}
