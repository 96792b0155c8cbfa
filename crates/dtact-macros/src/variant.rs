//! One of a few names, as a path or as a string: `High` or `"High"`.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit};

/// The name that `value` says, at its place.
///
/// # Errors
///
/// Points at `value` and lists what `argument` accepts.
pub(crate) fn one_of(argument: &str, value: &Expr, accepted: &[&str]) -> Result<Ident, Error> {
    name(value)
        .filter(|name| accepted.contains(&name.to_string().as_str()))
        .ok_or_else(|| {
            let text = format!("`{argument}` is one of `{}`", accepted.join("`, `"));
            Error::new(value.span(), text)
        })
}

fn name(value: &Expr) -> Option<Ident> {
    match value {
        Expr::Path(path) => path.path.get_ident().cloned(),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => text.parse().ok(),
        Expr::Group(group) => name(&group.expr),
        _ => None,
    }
}
