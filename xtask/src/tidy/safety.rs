//! Every `unsafe fn` and `unsafe trait` states what it asks, also a private one.
//!
//! Clippy asks this of public items alone. A method of an `impl Trait for Type` is left out: the
//! trait states it. So are tests, whose unsafe functions have one caller, a few lines away.

use super::Finding;
use super::regions::Regions;
use super::tree::{File, Kind, Tree};

/// Looks for a `# Safety` section above each declaration.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree
        .of(Kind::Rust)
        .filter(|file| !file.path.contains("/tests/"))
    {
        let tests = Regions::of(file);
        for (line, what) in declarations(&file.split.joined()) {
            if !tests.has(line) && !is_documented(file, line) {
                let text = format!("`unsafe {what}` without a `# Safety` section above it");
                findings.push(Finding::new(&file.path, line, "safety", text));
            }
        }
    }
    findings
}

/// The lines, from 1, of unsafe functions and traits, with what each is.
fn declarations(code: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    // For each open brace, whether it belongs to an `impl Trait for Type`.
    let mut blocks: Vec<bool> = Vec::new();
    // The code since the last brace or semicolon: what a brace that opens now belongs to.
    let mut header = String::new();
    let mut brackets = 0_usize;
    let mut line = 1;
    for (at, letter) in code.char_indices() {
        match letter {
            '\n' => line += 1,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        match letter {
            '{' => {
                blocks.push(is_trait_impl(&header));
                header.clear();
            }
            '}' => {
                blocks.pop();
                header.clear();
            }
            // A semicolon between brackets is that of an array type.
            ';' if brackets == 0 => header.clear(),
            _ => header.push(letter),
        }
        let starts = code[at..].starts_with("unsafe") && !code[..at].ends_with(is_word);
        // Between brackets it is an argument of a macro.
        if starts && brackets == 0 && blocks.last() != Some(&true) {
            found.extend(declared(&code[at + "unsafe".len()..]).map(|what| (line, what)));
        }
    }
    found
}

/// What `unsafe` declares, from the code behind it; a function pointer declares nothing.
fn declared(after: &str) -> Option<&'static str> {
    let mut rest = after.trim_start();
    if let Some(linked) = word(rest, "extern") {
        // The lexer has emptied the name of the ABI.
        rest = linked.trim_start();
        rest = rest.strip_prefix("\"\"").unwrap_or(rest).trim_start();
    }
    for what in ["fn", "trait"] {
        if let Some(name) = word(rest, what)
            && name.trim_start().starts_with(is_word)
        {
            return Some(what);
        }
    }
    None
}

/// What follows `text` if it begins with this whole word.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word)
        .filter(|rest| !rest.starts_with(is_word))
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn is_trait_impl(header: &str) -> bool {
    let mut words = header
        .split(|letter: char| !is_word(letter) && !"<'!:&*".contains(letter))
        .filter(|word| !word.is_empty());
    words.any(|word| word == "impl" || word.starts_with("impl<")) && words.any(|word| word == "for")
}

/// Whether the comments right above `line` have the section.
fn is_documented(file: &File, line: usize) -> bool {
    let above = (0..line - 1)
        .rev()
        .map(|at| (&file.split.code[at], &file.split.comments[at]));
    for (code, comment) in above {
        let code = code.trim();
        if code.is_empty() && comment.is_empty() || code.ends_with([';', '{', '}']) {
            return false;
        }
        if comment
            .trim_start_matches(['/', '*', '!', ' '])
            .starts_with("# Safety")
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::tree::found;
    use super::check;

    fn lines(text: &str) -> Vec<String> {
        found(check, &[("a.rs", text)])
    }

    #[test]
    fn an_unsafe_function_states_what_it_asks() {
        assert_eq!(lines("/// Does.\nunsafe fn f() {}\n"), ["a.rs:2"]);
        assert_eq!(lines("pub(crate) const unsafe fn f() {}"), ["a.rs:1"]);
        assert_eq!(lines("unsafe extern \"C\" fn f() {}"), ["a.rs:1"]);
        let stated =
            "/// Does.\n///\n/// # Safety\n///\n/// - [x] y\n#[inline]\nunsafe fn f() {}\n";
        assert!(lines(stated).is_empty());
    }

    #[test]
    fn the_section_of_another_item_does_not_count() {
        let text = "/// # Safety\n/// Mind.\nunsafe fn f() {}\nunsafe fn g() {}\n";
        assert_eq!(lines(text), ["a.rs:4"]);
        assert_eq!(lines("/// # Safety\n\nunsafe fn f() {}\n"), ["a.rs:3"]);
    }

    #[test]
    fn an_unsafe_trait_states_what_it_asks_and_its_impls_need_not() {
        let text = "unsafe trait T {\n    unsafe fn f();\n}\n";
        assert_eq!(lines(text), ["a.rs:1", "a.rs:2"]);
        assert!(lines("unsafe impl<T> Send for [T; 4] {\n    unsafe fn f() {}\n}\n").is_empty());
        assert!(lines("impl<T> A<T> for B<T> {\n    unsafe fn f() { g(); }\n}\n").is_empty());
        assert_eq!(
            lines("impl<T> A<T> {\n    unsafe fn f() {}\n}\n"),
            ["a.rs:2"]
        );
    }

    #[test]
    fn a_pointer_a_block_and_a_comment_declare_nothing() {
        assert!(lines("type F = unsafe fn(u8);\n").is_empty());
        assert!(lines("type F = unsafe extern \"C\" fn(u8);\n").is_empty());
        assert!(lines("fn f() { unsafe { g() } }\n// unsafe fn h()\n").is_empty());
        assert!(lines("#[unsafe(no_mangle)]\nfn f() {}\n").is_empty());
        assert!(lines("quote!(unsafe fn f() {});\n").is_empty());
    }

    #[test]
    fn tests_are_left_out() {
        let text = "unsafe fn f() {}\n";
        assert!(found(check, &[("x/tests/a.rs", text)]).is_empty());
        assert!(lines("#[cfg(test)]\nmod tests {\n    unsafe fn f() {}\n}\n").is_empty());
    }
}
