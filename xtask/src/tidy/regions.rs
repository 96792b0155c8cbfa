//! Which lines of a file, and which files, are compiled for tests alone.

use super::tree::{File, Kind, Tree};

/// The lines that stand under a `cfg` for tests, and the modules in files of their own that do.
#[derive(Debug, Default)]
pub(super) struct Regions {
    lines: Vec<core::ops::RangeInclusive<usize>>,
    modules: Vec<String>,
}

impl Regions {
    /// Finds them in one file.
    pub(super) fn of(file: &File) -> Self {
        let code = file.split.joined();
        let mut regions = Self::default();
        for (start, attribute) in code.match_indices("#[cfg(") {
            let Some(length) = attribute_length(&code[start..]) else {
                continue;
            };
            if !is_for_tests(&code[start + attribute.len()..start + length]) {
                continue;
            }
            let item = &code[start + length..];
            let end = start + length + item_length(item);
            regions
                .lines
                .push(line_of(&code, start)..=line_of(&code, end));
            regions
                .modules
                .extend(module_in_file(&code[start + length..end]));
        }
        regions
    }

    /// Whether a line, from 1, is for tests alone.
    pub(super) fn has(&self, line: usize) -> bool {
        self.lines.iter().any(|lines| lines.contains(&line))
    }
}

/// The paths, without `.rs`, of the modules that are files and are for tests alone.
pub(super) fn test_modules(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    for file in tree.of(Kind::Rust) {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let stem = name.trim_end_matches(".rs");
        let is_root = matches!(stem, "lib" | "main" | "mod");
        for module in Regions::of(file).modules {
            paths.push(if is_root {
                format!("{folder}/{module}")
            } else {
                format!("{folder}/{stem}/{module}")
            });
        }
    }
    paths
}

/// Whether a `cfg` holds only where tests are compiled.
fn is_for_tests(condition: &str) -> bool {
    let mut words = condition.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.any(|word| word == "test") && !condition.contains("not(test")
}

/// The length of an attribute, up to the bracket that closes it.
fn attribute_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(at + 1),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The length of an item: up to its semicolon, or the brace that closes it.
fn item_length(text: &str) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' if braces <= 1 => return at,
            '}' => braces -= 1,
            ';' if braces == 0 && brackets == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// The name in `mod name;`, if the item is that.
fn module_in_file(item: &str) -> Option<String> {
    let name = item.trim_end().rsplit_once("mod ")?.1.trim();
    let is_name = name
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_');
    is_name.then(|| name.to_owned())
}

/// The line, from 1, on which a byte is.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let tree = Tree::of_files(&[("a.rs", text)]);
        let file = tree.file("a.rs").expect("it is there");
        let regions = Regions::of(file);
        (1..=text.lines().count())
            .filter(|line| regions.has(*line))
            .collect()
    }

    #[test]
    fn a_test_module_is_a_region_to_its_last_brace() {
        let text = "a();\n#[cfg(test)]\nmod tests {\n    fn f() { g() }\n}\nb();\n";
        assert_eq!(lines(text), [2, 3, 4, 5]);
    }

    #[test]
    fn conditions_of_more_than_tests_count_too() {
        let text = "#[cfg(all(test, not(dtact_loom)))]\nfn f(a: [u8; 2]) {\n}\nb();\n";
        assert_eq!(lines(text), [1, 2, 3]);
        assert_eq!(lines("#[cfg(test)]\nuse a::{b, c};\nd();\n"), [1, 2]);
    }

    #[test]
    fn the_opposite_of_tests_is_no_region() {
        assert!(lines("#[cfg(not(test))]\nfn f() {}\n").is_empty());
        assert!(lines("#[cfg(feature = \"test\")]\nfn f() {}\n").is_empty());
        assert!(lines("#[cfg(unix)]\nfn f() {}\n").is_empty());
    }

    #[test]
    fn modules_in_files_are_found_beside_their_parents() {
        let tree = Tree::of_files(&[
            ("src/lib.rs", "#[cfg(test)]\nmod tests;\nmod queue;\n"),
            ("src/queue.rs", "#[cfg(all(test, dtact_loom))]\nmod loom;\n"),
        ]);
        assert_eq!(test_modules(&tree), ["src/tests", "src/queue/loom"]);
    }
}
