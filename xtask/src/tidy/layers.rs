//! The layers: which crate of the workspace may depend on which.
//!
//! ```text
//!     fuzz
//!       |
//!   dtact-ffi   benches ─ ─ ─ ┐   xtask   dtact-header
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
const LAYERS: [(&str, &[&str]); 11] = [
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
    ("dtact-header", &[]),
    (
        "benches",
        &["dtact", "dtact-arena", "dtact-mesh", "dtact-switch"],
    ),
    ("fuzz", &["dtact", "dtact-arena", "dtact-ffi", "dtact-mesh"]),
    ("xtask", &[]),
];

/// The edges that are no layers: behind a feature that is off unless somebody asks for it, so that
/// the crate stands alone without.
const BEHIND_A_FEATURE: [(&str, &str); 1] = [("dtact-arena", "dtact-switch")];

/// The page that tells people of the layers, in a table with a row for each crate.
const PAGE: &str = "docs/architecture.md";
const HEADING: &str = "## Layers";

/// Compares the manifests with the table, both ways, and the page with it.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = tree.file(PAGE).map(told).unwrap_or_default();
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
        let mut edges = edges(file);
        edges.retain(|edge| {
            !(edge.is_optional && BEHIND_A_FEATURE.contains(&(name, edge.to)) && is_off(file))
        });
        for edge in &edges {
            if !allowed.contains(&edge.to) {
                let text = format!("`{name}` may not depend on `{}`", edge.to);
                findings.push(Finding::new(&file.path, edge.line, "layers", text));
            }
        }
        for missing in allowed
            .iter()
            .filter(|it| !edges.iter().any(|edge| edge.to == **it))
        {
            let text = format!("the table has `{name}` depend on `{missing}`, and it does not");
            findings.push(Finding::new(&file.path, 1, "layers", text));
        }
    }
    findings
}

/// What the page says otherwise than the table here.
fn told(page: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_here = false;
    let mut told = Vec::new();
    for (number, line) in page.lines() {
        if line.starts_with('#') {
            is_here = line == HEADING;
        }
        // The names in backticks: first the crate, then those that it may depend on.
        let mut names = line.split('`').skip(1).step_by(2);
        let Some(name) = names.next().filter(|_| is_here && line.starts_with("| `")) else {
            continue;
        };
        told.push(name);
        let edges: Vec<_> = names.collect();
        let is_right = LAYERS.contains(&(name, &edges));
        if !is_right {
            let text = format!("says of `{name}` what `{}` does not", file!());
            findings.push(Finding::new(PAGE, number, "layers", text));
        }
    }
    for (name, _) in LAYERS.iter().filter(|(name, _)| !told.contains(name)) {
        let text = format!("has no row for `{name}` under \"{HEADING}\"");
        findings.push(Finding::new(PAGE, 1, "layers", text));
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

/// One crate of the table that a manifest depends on.
struct Edge {
    line: usize,
    to: &'static str,
    /// Whether it says so itself, on its one line.
    is_optional: bool,
}

/// Whether nothing that a manifest has on by default can switch an optional edge on.
fn is_off(file: &File) -> bool {
    !file
        .text
        .lines()
        .any(|line| key_and_value(line).is_some_and(|(key, _)| key == "default"))
}

/// The crates of the table that a manifest depends on in any way.
fn edges(file: &File) -> Vec<Edge> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    let edge = |line, to, is_optional| Edge {
        line,
        to,
        is_optional,
    };
    for (number, line) in file.lines() {
        if let Some(name) = section_name(line) {
            // `[dependencies]` lists crates, and `[dependencies.name]` is about one.
            let (before, last) = name.rsplit_once('.').unwrap_or(("", name));
            in_dependencies = last.ends_with("dependencies");
            if before.ends_with("dependencies") {
                found.extend(known(last).map(|known| edge(number, known, false)));
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
            let is_optional = value.contains("optional = true");
            let to = known(renamed.unwrap_or(whole));
            found.extend(to.map(|known| edge(number, known, is_optional)));
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
    use super::*;

    fn page(change: impl Fn(String) -> String) -> Vec<String> {
        let rows = LAYERS.iter().map(|(name, edges)| {
            let edges: Vec<_> = edges.iter().map(|edge| format!("`{edge}`")).collect();
            format!("| `{name}` | {} |\n", edges.join(", "))
        });
        let text = format!(
            "# A\n| `b` | `c` |\n{HEADING}\n{}",
            rows.collect::<String>()
        );
        found(check, &[(PAGE, &change(text))])
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        assert!(page(|text| text).is_empty());
        let other = "| `xtask` | `dtact` |";
        assert_eq!(page(|text| text.replace("| `xtask` |  |", other)).len(), 1);
        assert_eq!(page(|text| text.replace("| `fuzz`", "| fuzz")).len(), 1);
        assert_eq!(page(|text| text + "| `new` | – |\n").len(), 1);
    }

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
    fn an_edge_behind_a_feature_is_right_where_it_is_named_optional_and_off() {
        let edge = |options| format!("dtact-switch = {{ workspace = true{options} }}\n");
        let (optional, plain) = (edge(", optional = true"), edge(""));
        let section = "[dependencies]\n";
        assert!(lines("dtact-arena", &format!("{section}{optional}")).is_empty());
        assert_eq!(lines("dtact-arena", &format!("{section}{plain}")).len(), 1);
        assert_eq!(
            lines("dtact-mesh", &format!("{section}{optional}")).len(),
            1
        );
        let on = format!("[features]\ndefault = [\"switch\"]\n{section}{optional}");
        assert_eq!(lines("dtact-arena", &on).len(), 1);
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
