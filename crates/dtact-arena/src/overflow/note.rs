//! Text put together without an allocation, a lock or a panic: what a signal handler may do.

/// The bytes of a note; what is beyond is cut off.
const NOTE_BYTES: usize = 768;

/// The bytes of a name that are shown.
const NAME_BYTES: usize = 64;

/// A text of limited length.
///
/// ```
/// use dtact_arena::overflow::{Occupant, OccupantKind};
///
/// static KIND: OccupantKind = {
///     let kind = OccupantKind::new("task", "`Pool::stack_bytes`");
///     // SAFETY: a note is made for signal handlers, and this does nothing else.
///     unsafe { kind.with_id(|id, note| note.push_hexadecimal(id)) }
/// };
/// # let _ = Occupant::new(&KIND);
/// ```
#[derive(Debug)]
pub struct Note {
    bytes: [u8; NOTE_BYTES],
    len: usize,
}

impl Note {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; NOTE_BYTES],
            len: 0,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Adds a text, as far as there is room for it.
    pub fn push_str(&mut self, text: &str) {
        for byte in text.bytes() {
            self.push(byte);
        }
    }

    /// Adds a number.
    pub fn push_decimal(&mut self, number: u64) {
        self.push_digits(number, 10);
    }

    /// Adds a number with the prefix `0x`.
    pub fn push_hexadecimal(&mut self, number: u64) {
        self.push_str("0x");
        self.push_digits(number, 16);
    }

    /// Adds a name in quotes: its first 64 bytes at most, whole characters, with `?` for those that
    /// would move the cursor.
    pub fn push_name(&mut self, name: &str) {
        let end = (0..=NAME_BYTES.min(name.len()))
            .rev()
            .find(|&end| name.is_char_boundary(end));
        let shown = end.and_then(|end| name.get(..end)).unwrap_or("");
        self.push(b'"');
        for character in shown.chars() {
            let shown = if character.is_control() {
                '?'
            } else {
                character
            };
            self.push_str(shown.encode_utf8(&mut [0; 4]));
        }
        self.push_str(if shown.len() < name.len() {
            "\"..."
        } else {
            "\""
        });
    }

    fn push_digits(&mut self, mut number: u64, base: u64) {
        // 20 digits are the most of 64 bits.
        let mut digits = [0_u8; 20];
        let mut count = 0;
        for place in &mut digits {
            let digit = u8::try_from(number % base).unwrap_or(0);
            *place = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
            number /= base;
            count += 1;
            if number == 0 {
                break;
            }
        }
        for &digit in digits.iter().take(count).rev() {
            self.push(digit);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Note)) -> String {
        let mut note = Note::new();
        write(&mut note);
        String::from_utf8(note.as_bytes().to_vec()).expect("notes are text")
    }

    #[test]
    fn numbers_have_all_their_digits() {
        assert_eq!(text(|note| note.push_decimal(0)), "0");
        assert_eq!(
            text(|note| note.push_decimal(u64::MAX)),
            u64::MAX.to_string()
        );
        assert_eq!(text(|note| note.push_hexadecimal(0xab09)), "0xab09");
        assert_eq!(
            text(|note| note.push_hexadecimal(u64::MAX)),
            format!("{:#x}", u64::MAX)
        );
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_cannot_move_the_cursor() {
        assert_eq!(text(|note| note.push_name("a\x1b[2J\nb")), "\"a?[2J?b\"");
        assert_eq!(text(|note| note.push_name("")), "\"\"");
        let exact = "x".repeat(NAME_BYTES);
        assert_eq!(text(|note| note.push_name(&exact)), format!("\"{exact}\""));
        // Three bytes each: 21 of them fit into 64.
        let long = "\u{20ac}".repeat(100);
        let shown = format!("\"{}\"...", "\u{20ac}".repeat(21));
        assert_eq!(text(|note| note.push_name(&long)), shown);
    }

    #[test]
    fn a_full_note_takes_no_more() {
        let much = "y".repeat(2 * NOTE_BYTES);
        assert_eq!(text(|note| note.push_str(&much)).len(), NOTE_BYTES);
    }
}
