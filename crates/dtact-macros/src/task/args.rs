//! The arguments of `#[task]` and of the exports: `name = value`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit, Path, Token};

use crate::{literal, variant::one_of};

const ACCEPTED: &str = "the arguments are `name`, `stack`, `switcher`, `priority`, `affinity`, \
                        `kind` and `crate`";
const PRIORITIES: [&str; 4] = ["Low", "Normal", "High", "Critical"];
const AFFINITIES: [&str; 4] = ["SameCore", "SameCCX", "SameNUMA", "Any"];
const KINDS: [&str; 4] = ["Compute", "IO", "Memory", "System"];
const SWITCHERS: [&str; 4] = [
    "CrossThreadFloat",
    "CrossThreadNoFloat",
    "SameThreadFloat",
    "SameThreadNoFloat",
];
/// The largest stack there is.
const STACK_MAX: u64 = 8 << 20;

/// What was asked for; nothing where nothing was said.
#[derive(Default)]
pub(crate) struct Args {
    /// What to call the fibers.
    pub(crate) name: Option<String>,
    /// Bytes of stack, as they were written, and where.
    pub(crate) stack: Option<(u64, String, Span)>,
    /// One of the four switchers.
    pub(crate) switcher: Option<Ident>,
    /// Variants of `Priority`, `Affinity` and `WorkloadKind`.
    pub(crate) priority: Option<Ident>,
    pub(crate) affinity: Option<Ident>,
    pub(crate) kind: Option<Ident>,
    /// Where `dtact` is.
    pub(crate) krate: Option<Path>,
}

impl Args {
    /// Reads the tokens between the parentheses.
    ///
    /// # Errors
    ///
    /// All that is wrong, each at its place.
    pub(crate) fn read(tokens: TokenStream) -> Result<Self, Error> {
        let list = Punctuated::<Arg, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut args = Self::default();
        let mut seen: Vec<String> = Vec::new();
        let mut errors: Option<Error> = None;
        for arg in list {
            let name = arg.name.to_string();
            let result = if seen.contains(&name) {
                let text = format!("`{name}` is given twice: keep one");
                Err(Error::new(arg.name.span(), text))
            } else {
                seen.push(name);
                args.take(&arg)
            };
            if let Err(error) = result {
                match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                }
            }
        }
        errors.map_or(Ok(args), Err)
    }

    fn take(&mut self, arg: &Arg) -> Result<(), Error> {
        let name = arg.name.to_string();
        let known = [
            "name", "stack", "switcher", "priority", "affinity", "kind", "crate",
        ];
        if !known.contains(&name.as_str()) {
            let text = format!("unknown argument `{name}`: {ACCEPTED}");
            return Err(Error::new(arg.name.span(), text));
        }
        let Some(value) = &arg.value else {
            let text = format!("`{name}` takes a value: `{name} = …`");
            return Err(Error::new(arg.name.span(), text));
        };
        let refuse = |text: &str| Err(Error::new(value.span(), text));
        match name.as_str() {
            "name" => match string(value) {
                Some(name) => self.name = Some(name),
                None => return refuse("`name` takes a string: `name = \"reader\"`"),
            },
            "stack" => {
                let bytes = literal::bytes(&name, value)?;
                if bytes > STACK_MAX {
                    return refuse("a stack has at most 8 MiB: `stack = \"8M\"`");
                }
                let text = string(value).unwrap_or_else(|| bytes.to_string());
                self.stack = Some((bytes, text, value.span()));
            }
            "switcher" => self.switcher = Some(one_of(&name, value, &SWITCHERS)?),
            "priority" => self.priority = Some(one_of(&name, value, &PRIORITIES)?),
            "affinity" => self.affinity = Some(one_of(&name, value, &AFFINITIES)?),
            "kind" => self.kind = Some(one_of(&name, value, &KINDS)?),
            _ => match value {
                Expr::Path(path) if path.qself.is_none() && path.attrs.is_empty() => {
                    self.krate = Some(path.path.clone());
                }
                _ => {
                    return refuse("`crate` takes the path of the dtact crate: `crate = my_dtact`");
                }
            },
        }
        Ok(())
    }

    /// The bytes of stack as a literal, 0 for none.
    pub(crate) fn stack_literal(&self) -> Literal {
        let (bytes, span) = match &self.stack {
            Some((bytes, _, span)) => (*bytes, *span),
            None => (0, Span::call_site()),
        };
        // At most 8 MiB, which fits everywhere.
        let mut literal = Literal::usize_suffixed(usize::try_from(bytes).unwrap_or(0));
        literal.set_span(span);
        literal
    }
}

fn string(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        Expr::Group(group) => string(&group.expr),
        _ => None,
    }
}

/// One argument as written.
struct Arg {
    name: Ident,
    value: Option<Expr>,
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(syn::Ident::peek_any) {
            return Err(input.error(format!("expected an argument: {ACCEPTED}")));
        }
        let name = Ident::parse_any(input)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Args, String> {
        let tokens = text.parse().expect("tokens");
        Args::read(tokens).map_err(|error| {
            let all: Vec<String> = error.into_iter().map(|error| error.to_string()).collect();
            all.join("\n")
        })
    }

    fn refusal(text: &str) -> String {
        read(text).map(|_| ()).expect_err("refused")
    }

    #[test]
    fn every_argument_is_read_in_either_form() {
        let args = read("name = \"n\", stack = \"64K\", switcher = SameThreadFloat, crate = a::b");
        let args = args.expect("all of them");
        assert_eq!(args.name.as_deref(), Some("n"));
        assert_eq!(
            args.stack.map(|(bytes, text, _)| (bytes, text)),
            Some((65_536, "64K".into()))
        );
        assert_eq!(
            args.switcher.map(|name| name.to_string()).as_deref(),
            Some("SameThreadFloat")
        );
        assert!(args.krate.is_some());
        let args = read("switcher = \"CrossThreadNoFloat\", stack = 4096,").expect("both");
        assert!(args.switcher.is_some() && args.name.is_none());
        let args = read("priority = \"High\", affinity = SameCCX, kind = \"IO\"").expect("all");
        assert!(args.priority.is_some_and(|it| it == "High"));
        assert!(args.affinity.is_some_and(|it| it == "SameCCX"));
        assert!(args.kind.is_some_and(|it| it == "IO"));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        assert!(refusal("priority = \"Urgent\"").contains("`Critical`"));
        assert!(refusal("affinity = 1").contains("`SameCCX`"));
        assert!(refusal("kind = Io").contains("`kind` is one of `Compute`, `IO`"));
        assert!(refusal("prio = 1").contains("unknown argument `prio`"));
        assert!(refusal("name = 1").contains("`name = \"reader\"`"));
        assert!(refusal("switcher = Other").contains("`SameThreadNoFloat`"));
        assert!(refusal("stack = \"9M\"").contains("at most 8 MiB"));
        assert!(refusal("stack").contains("takes a value"));
        assert!(refusal("stack = 1, stack = 1").contains("given twice"));
        assert!(refusal("crate = 1").contains("takes the path"));
        assert!(refusal("2").contains("expected an argument"));
        assert_eq!(refusal("a = 1, b = 2, stack = 0").lines().count(), 3);
    }
}
