//! The files that the rules read: all text of the repository, no build output.

use std::fs;
use std::io;
use std::path::Path;

use super::lexer::{self, Split};

/// Folders that hold no text of the repository, wherever they are.
const SKIPPED: [&str; 4] = [".git", "target", "shared", "node_modules"];

/// What a file is to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rust,
    Toml,
    Markdown,
    /// C, C++, assembly and shell: the rules for any text.
    Other,
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Code and comments apart; empty where `kind` is not Rust.
    pub(super) split: Split,
}

impl File {
    fn new(path: &str, kind: Kind, text: String) -> Self {
        let split = if kind == Kind::Rust {
            lexer::split(&text)
        } else {
            Split::default()
        };
        Self {
            path: path.to_owned(),
            kind,
            text,
            split,
        }
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Whether it is a case of a compile-fail test, whose shape is what is tested.
    pub(super) fn is_ui_case(&self) -> bool {
        self.path.contains("/tests/ui/")
    }
}

/// All files, and which paths exist.
#[derive(Debug)]
pub(super) struct Tree {
    files: Vec<File>,
    /// Files of any kind and folders, from the root, sorted.
    paths: Vec<String>,
}

impl Tree {
    /// Reads the files under `root`.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be read.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self {
            files: Vec::new(),
            paths: Vec::new(),
        };
        tree.walk(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree.paths.sort();
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, folder: &str) -> io::Result<()> {
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                // Cargo marks its build outputs, also where somebody named the folder otherwise.
                let is_output = entry.path().join("CACHEDIR.TAG").exists();
                if !is_output && !SKIPPED.contains(&name.as_str()) {
                    self.walk(root, &path)?;
                    self.paths.push(path);
                }
            } else if kind.is_file() {
                if let Some(kind) = kind_of(&path) {
                    let text = fs::read_to_string(entry.path()).map_err(|error| {
                        io::Error::new(error.kind(), format!("{path}: {error}"))
                    })?;
                    self.files.push(File::new(&path, kind, text));
                }
                self.paths.push(path);
            }
        }
        Ok(())
    }

    /// How many files there are to check.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// All files, by path.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The files of one kind, by path.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &File> {
        self.files().filter(move |file| file.kind == kind)
    }

    /// The file at a path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }

    /// Whether a file or a folder is there; the root is.
    pub(super) fn has(&self, path: &str) -> bool {
        path.is_empty()
            || self
                .paths
                .binary_search_by(|known| known.as_str().cmp(path))
                .is_ok()
    }
}

fn kind_of(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next()?;
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "rs" => Some(Kind::Rust),
        "toml" => Some(Kind::Toml),
        "md" => Some(Kind::Markdown),
        "c" | "cpp" | "h" | "hpp" | "S" | "sh" | "yml" => Some(Kind::Other),
        _ if path == ".ci/run" => Some(Kind::Other),
        _ => None,
    }
}

#[cfg(test)]
impl Tree {
    /// A tree of these files, for the tests of the rules.
    pub(super) fn of_files(files: &[(&str, &str)]) -> Self {
        let mut tree = Self {
            files: Vec::new(),
            paths: Vec::new(),
        };
        for (path, text) in files {
            if let Some(kind) = kind_of(path) {
                tree.files.push(File::new(path, kind, (*text).to_owned()));
            }
            let folders = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
            tree.paths.extend(folders);
            tree.paths.push((*path).to_owned());
        }
        tree.paths.sort();
        tree.paths.dedup();
        tree
    }
}

/// The findings of one rule over these files, each as `path:line`.
#[cfg(test)]
pub(super) fn found(rule: fn(&Tree) -> Vec<super::Finding>, files: &[(&str, &str)]) -> Vec<String> {
    let findings = rule(&Tree::of_files(files));
    findings
        .iter()
        .map(|finding| format!("{}:{}", finding.path, finding.line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_name() {
        assert_eq!(kind_of("a/b.rs"), Some(Kind::Rust));
        assert_eq!(kind_of("Cargo.toml"), Some(Kind::Toml));
        assert_eq!(kind_of("README.md"), Some(Kind::Markdown));
        assert_eq!(kind_of(".ci/run"), Some(Kind::Other));
        assert_eq!(kind_of("Cargo.lock"), None);
        assert_eq!(kind_of("tests/ui/a.stderr"), None);
    }

    #[test]
    fn a_tree_knows_its_files_and_folders() {
        let tree = Tree::of_files(&[("docs/a.md", ""), ("x/y/z.bin", "")]);
        assert_eq!(tree.len(), 1);
        for path in ["", "docs", "docs/a.md", "x", "x/y", "x/y/z.bin"] {
            assert!(tree.has(path), "{path}");
        }
        assert!(!tree.has("doc") && !tree.has("docs/b.md"));
        assert!(tree.file("docs/a.md").is_some());
    }

    #[test]
    fn the_repository_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let tree = Tree::read(&root).expect("the repository");
        assert!(tree.has("xtask/src/tidy/tree.rs"));
        assert!(!tree.has("target"));
    }
}
