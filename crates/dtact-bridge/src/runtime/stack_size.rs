//! Sizes of stacks, as users write them.

use crate::error::ParseStackSizeError;

/// What can be meant as the size of a stack: bytes, or a text such as `"256K"` or `"2M"`.
///
/// The suffixes K, M and G (of either case) are powers of 1,024.
///
/// # Examples
///
/// ```
/// use dtact_bridge::IntoStackSize;
///
/// assert_eq!("256K".into_stack_size(), Ok(262_144));
/// assert_eq!(65_536.into_stack_size(), Ok(65_536));
/// assert!("a lot".into_stack_size().is_err());
/// ```
pub trait IntoStackSize {
    /// The size in bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn into_stack_size(self) -> Result<usize, ParseStackSizeError>;
}

impl IntoStackSize for usize {
    fn into_stack_size(self) -> Result<usize, ParseStackSizeError> {
        if self == 0 {
            Err(ParseStackSizeError::Zero)
        } else {
            Ok(self)
        }
    }
}

impl IntoStackSize for &str {
    fn into_stack_size(self) -> Result<usize, ParseStackSizeError> {
        let (digits, shift) = match self.as_bytes().last() {
            Some(b'k' | b'K') => (&self[..self.len() - 1], 10),
            Some(b'm' | b'M') => (&self[..self.len() - 1], 20),
            Some(b'g' | b'G') => (&self[..self.len() - 1], 30),
            _ => (self, 0),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseStackSizeError::NotANumber);
        }
        let number: usize = digits.parse().map_err(|_| ParseStackSizeError::TooLarge)?;
        number
            .checked_mul(1 << shift)
            .ok_or(ParseStackSizeError::TooLarge)?
            .into_stack_size()
    }
}

#[cfg(test)]
mod tests {
    use super::{IntoStackSize, ParseStackSizeError as E};

    #[test]
    fn sizes_are_read_with_and_without_suffix() {
        for (text, bytes) in [("1", 1), ("64k", 65_536), ("2M", 2 << 20), ("1G", 1 << 30)] {
            assert_eq!(text.into_stack_size(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "K", "-1", "1.5M", "2MB", " 2M", "0x10"] {
            assert_eq!(text.into_stack_size(), Err(E::NotANumber), "{text}");
        }
        assert_eq!("0K".into_stack_size(), Err(E::Zero));
        assert_eq!("99999999999999999999".into_stack_size(), Err(E::TooLarge));
        assert_eq!("18446744073709551615G".into_stack_size(), Err(E::TooLarge));
    }
}
