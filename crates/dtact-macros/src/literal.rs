//! Counts and sizes as literals of either form: `2` or `"2"`, `262144` or `"256K"`.

use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit};

/// Units of a size, with the shift that each stands for.
const UNITS: [(char, u32); 3] = [('K', 10), ('M', 20), ('G', 30)];

/// The count that `value` says: from 1 to `max`.
///
/// # Errors
///
/// Points at `value` and says what `name` accepts.
pub(crate) fn count(name: &str, value: &Expr, max: u64) -> Result<u64, Error> {
    number(name, value, 1, max)
}

/// The number that `value` says: from `min` to `max`.
///
/// # Errors
///
/// Points at `value` and says what `name` accepts.
pub(crate) fn number(name: &str, value: &Expr, min: u64, max: u64) -> Result<u64, Error> {
    let accepted = format!("`{name}` takes a whole number from {min} to {max}: `{name} = 2`");
    let number = match literal(value) {
        Some(Lit::Int(number)) if number.suffix().is_empty() => number.base10_parse().ok(),
        Some(Lit::Str(text)) => digits(&text.value()),
        _ => None,
    };
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| Error::new(value.span(), accepted))
}

/// The number of bytes that `value` says: at least 1.
///
/// # Errors
///
/// Points at `value` and says what `name` accepts.
pub(crate) fn bytes(name: &str, value: &Expr) -> Result<u64, Error> {
    let accepted = format!(
        "`{name}` takes bytes, at least 1, or a string with a unit K, M or G: `{name} = 262144` \
         or `{name} = \"256K\"`"
    );
    let number = match literal(value) {
        Some(Lit::Int(number)) if number.suffix().is_empty() => number.base10_parse().ok(),
        Some(Lit::Str(text)) => size(&text.value()),
        _ => None,
    };
    // Half the address space and more cannot be one stack on any target.
    number
        .filter(|number| (1..=i64::MAX.unsigned_abs()).contains(number))
        .ok_or_else(|| Error::new(value.span(), accepted))
}

/// The literal that an expression is; macros hand on literals in invisible groups.
fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

fn size(text: &str) -> Option<u64> {
    for (unit, shift) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return digits(number)?.checked_mul(1 << shift);
        }
    }
    digits(text)
}

/// Plain decimal digits: `str::parse` alone would let a sign through.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Expr {
        syn::parse_str(text).expect("an expression")
    }

    fn counted(text: &str) -> Option<u64> {
        count("workers", &expression(text), 100).ok()
    }

    fn sized(text: &str) -> Option<u64> {
        bytes("stack", &expression(text)).ok()
    }

    #[test]
    fn a_count_is_a_number_or_a_string_of_digits() {
        assert_eq!(counted("1"), Some(1));
        assert_eq!(counted("\"7\""), Some(7));
        assert_eq!(counted("1_00"), Some(100));
        assert_eq!(counted("0x10"), Some(16));
    }

    #[test]
    fn a_count_has_bounds() {
        for text in [
            "0",
            "\"0\"",
            "101",
            "\"101\"",
            "-1",
            "99999999999999999999999",
        ] {
            assert_eq!(counted(text), None, "{text}");
        }
    }

    #[test]
    fn a_count_is_nothing_else() {
        for text in [
            "1.0", "\"\"", "\"+1\"", "\" 1\"", "\"1K\"", "2u8", "true", "N", "1 + 1",
        ] {
            assert_eq!(counted(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_has_binary_units() {
        assert_eq!(sized("262144"), Some(262_144));
        assert_eq!(sized("\"262144\""), Some(262_144));
        assert_eq!(sized("\"256K\""), Some(256 << 10));
        assert_eq!(sized("\"2M\""), Some(2 << 20));
        assert_eq!(sized("\"1G\""), Some(1 << 30));
    }

    #[test]
    fn a_size_is_neither_nothing_nor_more_than_memory_can_be() {
        for text in [
            "0",
            "\"0K\"",
            "\"17179869184G\"",
            "\"8589934592G\"",
            "\"99999999999999999999\"",
        ] {
            assert_eq!(sized(text), None, "{text}");
        }
        assert_eq!(sized("\"8589934591G\""), Some(8_589_934_591 << 30));
    }

    #[test]
    fn a_size_knows_no_other_units() {
        for text in [
            "\"2MB\"", "\"2 M\"", "\"M\"", "\"2m\"", "2M", "\"1.5M\"", "\"-2M\"", "'2'",
        ] {
            assert_eq!(sized(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        let error = bytes("stack", &expression("\"2MB\"")).expect_err("a wrong unit");
        assert!(error.to_string().contains("`stack = \"256K\"`"), "{error}");
        let error = count("workers", &expression("0"), 100).expect_err("zero");
        assert!(error.to_string().contains("from 1 to 100"), "{error}");
    }
}
