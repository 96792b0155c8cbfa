//! Text that belongs nowhere: notes to oneself, leftovers of debugging, paths of one machine.

use super::Finding;
use super::tree::{Kind, Tree};

/// Text that no file may have, in two halves: this file is checked too.
const WORDS: [(&str, &str, &str); 2] = [
    (
        "FIX",
        "ME",
        "do it, or say what is missing where users read it",
    ),
    (
        "XX",
        "X",
        "do it, or say what is missing where users read it",
    ),
];
const PATHS: [(&str, &str, &str); 2] = [
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
];

/// Code that no Rust file may have, with the reason.
const CODE: [(&str, &str); 3] = [
    ("dbg!", "a leftover of debugging"),
    ("static mut", "use an atomic, or a cell with a stated owner"),
    ("#[ignore]", "say why: `#[ignore = \"reason\"]`"),
];

/// Looks through all text, and through the code of Rust files.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        let mut find = |line, text: &str, why: &str| {
            let text = format!("`{text}`: {why}");
            findings.push(Finding::new(&file.path, line, "banned", text));
        };
        for (number, line) in file.lines() {
            for (head, tail, why) in WORDS.into_iter().chain(PATHS) {
                let text = format!("{head}{tail}");
                if has(line, &text) {
                    find(number, &text, why);
                }
            }
        }
        if file.kind == Kind::Rust {
            for (number, line) in (1..).zip(&file.split.code) {
                for (text, why) in CODE {
                    if has(line, text) {
                        find(number, text, why);
                    }
                }
            }
        }
    }
    findings
}

/// Whether a line has this text, and not as a part of a longer word or path.
fn has(line: &str, text: &str) -> bool {
    let joins = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '\'');
    let is_word = text.ends_with(char::is_alphanumeric);
    line.match_indices(text).any(|(at, _)| {
        let after = &line[at + text.len()..];
        let starts = text.starts_with('#') || !line[..at].ends_with(joins);
        starts && !(is_word && after.starts_with(|letter: char| joins(letter) && letter != '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::check;

    #[test]
    fn notes_to_oneself_and_paths_of_one_machine_are_found_in_any_text() {
        let note = concat!("a\n// FIX", "ME: later\n// XX", "X.\n");
        assert_eq!(found(check, &[("a.rs", note)]), ["a.rs:2", "a.rs:3"]);
        let path = concat!("cd /wo", "rk/main\nls /ro", "ot/.x\n");
        assert_eq!(found(check, &[("b.md", path), ("c.sh", path)]).len(), 4);
        let longer = concat!("MAXX", "XL docs/wo", "rk/a FIX", "MES ../ro", "ot/b");
        assert!(found(check, &[("a.md", longer)]).is_empty());
    }

    #[test]
    fn leftovers_are_found_in_code_alone() {
        let code = "fn f() { dbg!(1); }\nstatic mut A: u8 = 0;\n#[ignore]\nfn g() {}\n";
        assert_eq!(
            found(check, &[("a.rs", code)]),
            ["a.rs:1", "a.rs:2", "a.rs:3"]
        );
        let fine =
            "// `static mut` and dbg!\n\"#[ignore]\";\n#[ignore = \"why\"]\n&'static mut T;\n";
        assert_eq!(found(check, &[("a.rs", fine)]), Vec::<String>::new());
        assert!(found(check, &[("a.md", code)]).is_empty());
    }
}
