//! What is not tested everywhere stands in one table of `docs/porting.md`, which is made of the
//! conditions in the sources, so that nothing is skipped in silence.
//!
//! | in the source | when | why |
//! | --- | --- | --- |
//! | `#[cfg_attr(miri, ignore = "why")]` | the condition | the reason of the attribute |
//! | `DTACT_EMULATED` asked for, or `emulated()` | under an emulator | `SKIPPED: why`, printed, or a comment right above that speaks of the emulator |
//! | `println!("SKIPPED: why")` | the test finds so | what it prints |
//!
//! A file of tests that is for some systems or architectures alone is named anywhere on the page.

use std::fmt::Write as _;

use super::Finding;
use super::tree::{File, Kind, Tree};

/// The page with the table.
pub(super) const PAGE: &str = "docs/porting.md";

/// The words in which a condition is about the target, not about a tool.
const OF_TARGETS: [&str; 4] = ["target_", "unix", "windows", "not(unix)"];

/// One condition under which a test is left out, or does less.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Skip {
    path: String,
    function: String,
    when: String,
    why: String,
}

/// Asks each condition for its reason, and for each file of few targets that the page names it.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in sources(tree) {
        findings.extend(skips(file).1);
        findings.extend(unnamed(tree, file));
    }
    findings
}

/// The table.
pub(super) fn table(tree: &Tree) -> String {
    let mut skips: Vec<Skip> = sources(tree).flat_map(|file| skips(file).0).collect();
    skips.sort();
    skips.dedup();
    let mut table = String::from("| test | when it is left out, or does less | why |\n");
    table += "| --- | --- | --- |\n";
    for skip in skips {
        let Skip {
            path,
            function,
            when,
            why,
        } = skip;
        let why = why.replace('|', "\\|");
        let _ = writeln!(table, "| `{path}::{function}` | {when} | {why} |");
    }
    table
}

fn sources(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.of(Kind::Rust)
        .filter(|file| file.path.starts_with("crates/") && !file.is_ui_case())
}

/// All conditions of a file, and those that have no reason.
fn skips(file: &File) -> (Vec<Skip>, Vec<Finding>) {
    let code = &file.split.code;
    let text: Vec<&str> = file.text.lines().collect();
    let mut skips = Vec::new();
    let mut findings = Vec::new();
    // Up to which line reasons are taken.
    let mut taken = 0;
    for (at, &line) in text.iter().enumerate() {
        let skip = |function: Option<&str>, when: &str, why: &str| Skip {
            path: file.path.clone(),
            function: function.unwrap_or("?").to_owned(),
            when: when.to_owned(),
            why: why.to_owned(),
        };
        if code[at].contains("ignore = \"\"") {
            let why = between(line, "ignore = \"", "\"").unwrap_or_default();
            let when = condition(&text, at);
            skips.push(skip(function_below(code, at), &when, why));
        } else if asks_for_emulator(&code[at], line) {
            let function = function_above(code, at);
            if function == Some("emulated") {
                continue;
            }
            let below =
                (at..text.len().min(at + 4)).find_map(|at| printed(text[at]).map(|why| (at, why)));
            let above = said_above(&text, at);
            if let Some(why) = above {
                skips.push(skip(function, "under an emulator", &why));
            } else if let Some((line, why)) = below {
                taken = line + 1;
                skips.push(skip(function, "under an emulator", why));
            } else {
                let text = "an emulator changes this: say why, in a comment above";
                findings.push(Finding::new(&file.path, at + 1, "skips", text));
            }
        } else if at >= taken
            && let Some(why) = printed(line)
        {
            let why = if why.starts_with('{') {
                "what the error says"
            } else {
                why
            };
            skips.push(skip(function_above(code, at), "the test finds so", why));
        }
    }
    (skips, findings)
}

/// The reason that a line prints, braces of values left out.
fn printed(line: &str) -> Option<&str> {
    let why = between(line, "\"SKIPPED: ", "\"")?;
    let end = why
        .find(": {")
        .or_else(|| why.find(" {}"))
        .unwrap_or(why.len());
    Some(&why[..end])
}

fn asks_for_emulator(code: &str, text: &str) -> bool {
    let is_asked = |name: &str| {
        let answer = [".is_some()", ".is_none()"];
        text.contains(name) && answer.iter().any(|answer| code.contains(answer))
    };
    is_asked("\"DTACT_EMULATED\"")
        || is_asked("\"DTACT_RUNNER\"")
        || (code.contains("emulated()") && !code.contains("fn emulated()"))
}

/// What a comment says that ends right above a line.
fn said_above(text: &[&str], at: usize) -> Option<String> {
    let is_comment = |line: &&&str| line.trim_start().starts_with("// ");
    let count = text[..at].iter().rev().take_while(is_comment).count();
    let comment = text[at - count..at].iter();
    let words: Vec<_> = comment
        .map(|line| line.trim_start().trim_start_matches("// "))
        .collect();
    let why = words.join(" ");
    let is_meant = why.contains("mulat");
    is_meant.then(|| why.trim_end_matches('.').to_owned())
}

/// The condition of the `cfg_attr` that a line is of.
fn condition(text: &[&str], at: usize) -> String {
    let start = (at.saturating_sub(6)..=at)
        .rev()
        .find(|line| text[*line].contains("cfg_attr("));
    let Some(start) = start else {
        return String::from("everywhere");
    };
    let attribute = text[start..=at]
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ");
    let condition = between(&attribute, "cfg_attr(", "ignore = ").unwrap_or_default();
    format!("`{}`", condition.trim().trim_end_matches(','))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

fn function_below(code: &[String], at: usize) -> Option<&str> {
    code[at..].iter().find_map(|line| function(line))
}

/// The function that a line is in: the last one above that is not closed before it.
fn function_above(code: &[String], at: usize) -> Option<&str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    code[..=at]
        .iter()
        .enumerate()
        .rev()
        .find_map(|(from, line)| {
            let name = function(line)?;
            let end = format!("{}}}", " ".repeat(indent(line)));
            let is_closed = code[from..at].contains(&end);
            (!is_closed).then_some(name)
        })
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let is_word = before.is_empty() || before.ends_with([' ', '"']);
    let (name, _) = rest.split_once(['(', '<'])?;
    let is_name = !name.is_empty() && name.chars().all(|it| it.is_alphanumeric() || it == '_');
    (is_word && is_name).then_some(name)
}

/// A file of tests for few targets that the page does not name.
fn unnamed(tree: &Tree, file: &File) -> Option<Finding> {
    let (_, rest) = file.path.split_once("/tests/")?;
    let text = &file.text;
    let start = text.find("#![cfg(")?;
    let condition = text[start..].split_once(")]")?.0;
    let is_of_targets = OF_TARGETS.iter().any(|word| condition.contains(word));
    let page = tree.file(PAGE)?;
    let is_named = page.text.contains(&format!("`{}`", file.path));
    if rest.contains('/') || !is_of_targets || is_named {
        return None;
    }
    let line = text[..start].lines().count() + 1;
    let text = format!("not compiled for every target, and {PAGE} does not say so");
    Some(Finding::new(&file.path, line, "skips", text))
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::*;

    const PATH: &str = "crates/x/tests/a.rs";

    fn rows(text: &str) -> Vec<String> {
        let table = table(&Tree::of_files(&[(PATH, text)]));
        table.lines().skip(2).map(str::to_owned).collect()
    }

    #[test]
    fn an_ignored_test_is_a_row_with_its_condition_and_reason() {
        let one = "#[cfg_attr(miri, ignore = \"starts | a process\")]\n#[test]\nfn t() {}\n";
        assert_eq!(
            rows(one),
            ["| `crates/x/tests/a.rs::t` | `miri` | starts \\| a process |"]
        );
        let several = "#[test]\n#[cfg_attr(\n    any(dtact_asan, miri),\n    \
                       ignore = \"why\"\n)]\nfn t() {}\n";
        assert_eq!(
            rows(several),
            ["| `crates/x/tests/a.rs::t` | `any(dtact_asan, miri)` | why |"]
        );
    }

    #[test]
    fn a_condition_on_the_emulator_is_a_row_and_says_why() {
        let printed = "fn t() {\n    if env::var_os(\"DTACT_EMULATED\").is_some() {\n        \
                       println!(\"SKIPPED: why: {x}\");\n    }\n    \
                       println!(\"SKIPPED: other\");\n}\n";
        assert_eq!(
            rows(printed),
            [
                "| `crates/x/tests/a.rs::t` | the test finds so | other |",
                "| `crates/x/tests/a.rs::t` | under an emulator | why |"
            ]
        );
        let said = "fn t() {\n    // An emulator is\n    // slow.\n    \
                    let n = if emulated() { 1 } else { 2 };\n}\n";
        assert_eq!(
            rows(said),
            ["| `crates/x/tests/a.rs::t` | under an emulator | An emulator is slow |"]
        );
    }

    #[test]
    fn a_function_in_a_function_is_not_the_one_after_it() {
        let nested = "fn t() {\n    fn u() {\n        x();\n    }\n    \
                      println!(\"SKIPPED: why\");\n}\n";
        assert_eq!(
            rows(nested),
            ["| `crates/x/tests/a.rs::t` | the test finds so | why |"]
        );
    }

    #[test]
    fn a_condition_without_a_reason_is_found() {
        let silent = "fn t() {\n    if emulated() { return; }\n}\n";
        assert_eq!(found(check, &[(PATH, silent)]), ["crates/x/tests/a.rs:2"]);
        let asked = "fn emulated() -> bool {\n    env::var_os(\"DTACT_EMULATED\").is_some()\n}\n";
        assert!(found(check, &[(PATH, asked)]).is_empty());
        let runner = "fn t() {\n    let r = env::var(\"DTACT_RUNNER\").unwrap_or_default();\n}\n";
        assert!(found(check, &[(PATH, runner)]).is_empty());
    }

    #[test]
    fn a_file_for_few_targets_is_named_on_the_page() {
        let file = (PATH, "//! A.\n#![cfg(all(unix, not(miri)))]\n");
        let tools = ("crates/x/tests/b.rs", "//! B.\n#![cfg(not(miri))]\n");
        let silent = (PAGE, "# Porting\n");
        assert_eq!(
            found(check, &[file, tools, silent]),
            ["crates/x/tests/a.rs:2"]
        );
        let named = (PAGE, "`crates/x/tests/a.rs`\n");
        assert!(found(check, &[file, tools, named]).is_empty());
    }
}
