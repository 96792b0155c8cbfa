//! Whole numbers that the compiler would compute: lengths of arrays, values of enumerators.
//!
//! They are written into the header as numbers, so that no names of constants get into C.

use syn::{BinOp, Expr, Lit, UnOp};

/// The value of an expression of numbers and constants; none for what is more than that. A constant
/// is looked up by its name.
pub(crate) fn value<'a>(
    expr: &Expr,
    constant: &mut impl FnMut(&str) -> Option<&'a Expr>,
) -> Option<i128> {
    /// Longer chains of constants are circles.
    const DEPTH_MAX: u32 = 64;
    value_at(expr, constant, DEPTH_MAX)
}

fn value_at<'a>(
    expr: &Expr,
    constant: &mut impl FnMut(&str) -> Option<&'a Expr>,
    depth: u32,
) -> Option<i128> {
    let depth = depth.checked_sub(1)?;
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            Lit::Byte(byte) => Some(byte.value().into()),
            _ => None,
        },
        Expr::Paren(inner) => value_at(&inner.expr, constant, depth),
        Expr::Group(inner) => value_at(&inner.expr, constant, depth),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            value_at(&unary.expr, constant, depth)?.checked_neg()
        }
        Expr::Binary(binary) => {
            let left = value_at(&binary.left, constant, depth)?;
            let right = value_at(&binary.right, constant, depth)?;
            match binary.op {
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                BinOp::Mul(_) => left.checked_mul(right),
                BinOp::Div(_) => left.checked_div(right),
                BinOp::Shl(_) => left.checked_shl(u32::try_from(right).ok()?),
                _ => None,
            }
        }
        Expr::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            value_at(constant(&name)?, constant, depth)
        }
        _ => None,
    }
}
