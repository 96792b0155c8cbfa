//! Conditions of Rust, `#[cfg(…)]`, and what C has in place of them.
//!
//! Rust decides a condition when a crate is compiled; the header may be used by programs beside
//! crates of several kinds. So each condition becomes a macro of the preprocessor, which those who
//! include the header define as the crate was built.

use std::collections::BTreeMap;

use syn::{Attribute, Meta, Token, parse::Parser as _, punctuated::Punctuated};

use crate::{HeaderError, Place};

/// What is asked for by the attributes of something and of what it is in: all of it has to hold.
pub(crate) type Conditions = Vec<Meta>;

/// The conditions among these attributes.
pub(crate) fn of(attrs: &[Attribute]) -> impl Iterator<Item = Meta> + '_ {
    let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    // What is no condition is for the compiler to say.
    cfgs.filter_map(|attr| attr.parse_args().ok())
}

/// Whether it holds in tests alone: what is there then is in no library.
pub(crate) fn is_of_tests(condition: &Meta) -> bool {
    condition.path().is_ident("test")
        || (condition.path().is_ident("all") && parts(condition).iter().any(is_of_tests))
}

/// The conditions inside of `all(…)`, `any(…)` or `not(…)`.
fn parts(condition: &Meta) -> Vec<Meta> {
    let Meta::List(list) = condition else {
        return Vec::new();
    };
    let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
    let parts = parse.parse2(list.tokens.clone());
    parts.map_or_else(|_| Vec::new(), |parts| parts.into_iter().collect())
}

/// A single condition as cbindgen writes it: `unix`, or `feature = slow`.
fn key(condition: &Meta) -> Option<String> {
    match condition {
        Meta::Path(path) => path.get_ident().map(ToString::to_string),
        Meta::NameValue(pair) => {
            let syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(value),
                ..
            }) = &pair.value
            else {
                return None;
            };
            Some(format!("{} = {}", pair.path.get_ident()?, value.value()))
        }
        Meta::List(_) => None,
    }
}

/// What C has in place of single conditions.
#[derive(Debug)]
pub(crate) struct Defines(pub(crate) BTreeMap<String, String>);

impl Defines {
    /// Reads what the user said.
    pub(crate) fn read(given: &[(String, String)]) -> Result<Self, HeaderError> {
        let mut defines = BTreeMap::new();
        for (condition, name) in given {
            let refuse = |text: &str| HeaderError::Condition {
                condition: condition.clone(),
                text: text.to_owned(),
            };
            let meta: Option<Meta> = syn::parse_str(condition).ok();
            let key = meta.as_ref().and_then(key).ok_or_else(|| {
                refuse("give one condition as in `#[cfg]`: unix, or feature = \"slow\"")
            })?;
            if !is_name(name) {
                return Err(refuse("the macro needs a name in C: letters, digits, `_`"));
            }
            defines.insert(key, name.clone());
        }
        Ok(Self(defines))
    }

    /// Makes sure that C has something for all that a condition asks.
    pub(crate) fn cover(&self, condition: &Meta, place: &Place) -> Result<(), HeaderError> {
        if matches!(condition, Meta::List(_)) {
            let mut parts = parts(condition).into_iter();
            return parts.try_for_each(|part| self.cover(&part, place));
        }
        match key(condition) {
            Some(key) if self.0.contains_key(&key) => Ok(()),
            _ => Err(HeaderError::Refused {
                place: place.clone(),
                text: format!(
                    "this is there under `{0}` alone: say what C has in place of that, by \
                     `--define '{0}=NAME'` or `Header::define`",
                    quote::quote!(#condition),
                ),
            }),
        }
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
