//! Each crate by itself: none leans on what another one happens to switch on.

use crate::outcome::Halt;
use crate::shell::Shell;

/// The crates that know nothing of the others, so that each is useful alone.
const LEAVES: [&str; 3] = ["dtact-arena", "dtact-mesh", "dtact-switch"];

/// Builds each of `crates/*` alone, and looks for neighbours in the trees of the leaves.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    let crates = crates(shell)?;
    for name in &crates {
        shell.run(&["cargo", "build", "--locked", "-p", name])?;
    }
    for leaf in LEAVES {
        let line = [
            "cargo", "tree", "--locked", "-p", leaf, "-e", "normal", "--prefix", "none",
        ];
        let tree = shell.read(&line)?;
        if let Some(other) = neighbour(&tree, leaf, &crates) {
            return Err(Halt::failed(format!(
                "{leaf} depends on {other}: a leaf stands alone"
            )));
        }
    }
    Ok(())
}

/// The names of the folders in `crates`, which are the names of the crates, in order.
fn crates(shell: &Shell) -> Result<Vec<String>, Halt> {
    let mut names = Vec::new();
    let entries = std::fs::read_dir(shell.root().join("crates"))
        .map_err(|error| Halt::failed(format!("crates: {error}")))?;
    for entry in entries.flatten() {
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The first crate of the workspace, other than itself, that a leaf's tree names.
fn neighbour<'a>(tree: &'a str, leaf: &str, crates: &[String]) -> Option<&'a str> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|name| *name != leaf && crates.iter().any(|other| other == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_may_not_have_a_neighbour_in_its_tree() {
        let crates = ["dtact-arena", "dtact-mesh"].map(String::from);
        let tree = "dtact-arena v0.1.0 (crates/dtact-arena)\nrustix v1.1.6\n";
        assert_eq!(neighbour(tree, "dtact-arena", &crates), None);
        let tree = format!("{tree}dtact-mesh v0.1.0 (crates/dtact-mesh)\n");
        assert_eq!(neighbour(&tree, "dtact-arena", &crates), Some("dtact-mesh"));
    }
}
