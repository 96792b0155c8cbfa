//! Sets the code of a Rust file apart from its comments, line by line.
//!
//! ```text
//! let a = "x // y"; // why      code:    let a = "";
//!                               comment: // why
//! ```
//!
//! The insides of strings and characters belong to neither: no rule is about them.

/// The lines of a file; both lists have one entry for each line.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// What the compiler reads, strings emptied.
    pub(super) code: Vec<String>,
    /// Comments with their marks, such as `/// text`.
    pub(super) comments: Vec<String>,
}

impl Split {
    /// The code in one piece; line `n` of it is line `n` of the file.
    pub(super) fn joined(&self) -> String {
        self.code.join("\n")
    }
}

/// Reads a file. What is no Rust is read as far as it makes sense.
pub(super) fn split(text: &str) -> Split {
    let mut lexer = Lexer {
        rest: text,
        split: Split::default(),
    };
    lexer.line();
    while let Some(letter) = lexer.rest.chars().next() {
        lexer.token(letter);
    }
    lexer.split
}

struct Lexer<'a> {
    rest: &'a str,
    split: Split,
}

impl Lexer<'_> {
    fn line(&mut self) {
        self.split.code.push(String::new());
        self.split.comments.push(String::new());
    }

    /// Takes `bytes` of the input, handing each letter on to where it belongs.
    fn take(&mut self, bytes: usize, belongs: Belongs) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for letter in taken.chars() {
            if letter == '\n' {
                self.line();
                continue;
            }
            let lines = match belongs {
                Belongs::Code => &mut self.split.code,
                Belongs::Comment => &mut self.split.comments,
                Belongs::Nowhere => continue,
            };
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
        }
    }

    fn token(&mut self, letter: char) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end, Belongs::Comment);
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest), Belongs::Comment);
        } else if letter == '"' {
            self.quoted(1, string_body(&self.rest[1..]), 1);
        } else if letter == '\'' {
            match character_body(&self.rest[1..]) {
                Some(body) => self.quoted(1, body, 1),
                None => self.take(1, Belongs::Code),
            }
        } else if letter.is_alphabetic() || letter == '_' {
            let word = self
                .rest
                .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .unwrap_or(self.rest.len());
            let raw = matches!(&self.rest[..word], "r" | "br" | "cr");
            match raw.then(|| raw_string(&self.rest[word..])).flatten() {
                Some((mark, body)) => self.quoted(word + mark, body, mark),
                None => self.take(word, Belongs::Code),
            }
        } else {
            self.take(letter.len_utf8(), Belongs::Code);
        }
    }

    fn quoted(&mut self, open: usize, body: usize, close: usize) {
        self.take(open, Belongs::Code);
        self.take(body, Belongs::Nowhere);
        self.take(close.min(self.rest.len()), Belongs::Code);
    }
}

#[derive(Clone, Copy)]
enum Belongs {
    Code,
    Comment,
    Nowhere,
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of what stands before the closing quote.
fn string_body(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The same for a character, or nothing where the quote began a lifetime.
fn character_body(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if first == '\\' {
        // An escape is at least one letter, which may be a quote.
        let escape = 1 + text[1..].chars().next()?.len_utf8();
        return text[escape..].find('\'').map(|at| escape + at);
    }
    text[first.len_utf8()..]
        .starts_with('\'')
        .then_some(first.len_utf8())
}

/// The lengths of the opening mark and of the body of a raw string.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let hashes = text.bytes().take_while(|byte| *byte == b'#').count();
    let body = text[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some((hashes + 1, body.find(&close).unwrap_or(body.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        split(text).joined()
    }

    fn comments(text: &str) -> String {
        split(text).comments.join("\n")
    }

    #[test]
    fn a_comment_is_no_code() {
        assert_eq!(code("a // b\nc"), "a \nc");
        assert_eq!(comments("a // b\nc"), "// b\n");
        assert_eq!(code("a /* b /* c */ d */ e"), "a  e");
        assert_eq!(comments("/* a\nb */ c"), "/* a\nb */");
        assert_eq!(comments("/// a\nfn f() {}"), "/// a\n");
    }

    #[test]
    fn the_inside_of_a_string_is_neither() {
        assert_eq!(code(r#"f("a // \" b", 'c', "d")"#), r#"f("", '', "")"#);
        assert_eq!(code("r#\"a \" // b\"# c"), "r#\"\"# c");
        assert_eq!(code("br\"a\\\" c"), "br\"\" c");
        assert_eq!(code("\"a\nb\" c"), "\"\n\" c");
        assert_eq!(comments("\"// a\""), "");
    }

    #[test]
    fn a_lifetime_is_no_character() {
        assert_eq!(
            code("fn f<'a>(x: &'a str, y: 'b') {}"),
            "fn f<'a>(x: &'a str, y: '') {}"
        );
        assert_eq!(
            code(r"['\'', '\\', '\u{1F600}', 'é'] 'a"),
            "['', '', '', ''] 'a"
        );
        assert_eq!(
            code("'outer: loop { break 'outer }"),
            "'outer: loop { break 'outer }"
        );
    }

    #[test]
    fn a_raw_identifier_is_code() {
        assert_eq!(code("r#type + r#\"type\"#"), "r#type + r#\"\"#");
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        assert_eq!(code("a \"b"), "a \"");
        assert_eq!(code("a /* b"), "a ");
        assert_eq!(code("a '"), "a '");
        assert_eq!(code(r"a '\"), r"a '\");
        assert_eq!(code("r#\"a"), "r#\"");
        assert_eq!(code(""), "");
    }
}
