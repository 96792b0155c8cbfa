//! The arguments of `#[dtact_init]`: `name = value`, and `unsafe(stackful)`.

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, Path, Token, parenthesized};

use crate::{literal, variant::one_of};

const ACCEPTED: &str = "the arguments are `workers`, `capacity`, `stack`, `topology`, `safety`, \
                        `numa`, `unsafe(stackful)`, `unsafe(safety0)` and `crate`";
const TOPOLOGIES: [&str; 3] = ["P2PMesh", "Global", "Pinned"];
const LEVELS: [&str; 3] = ["Safety0", "Safety1", "Safety2"];
const TWO_LEVELS: &str = "the level of safety is given twice: keep one";
const SAFETY0: &str = "`Safety0` is a promise that no stack overflows: write `unsafe(safety0)`";
const STACKFUL: &str = "`stackful` is a promise to keep what `Builder::enable_stackful` asks: \
                        write `unsafe(stackful)`";

/// What was asked for; nothing where nothing was said.
#[derive(Default)]
pub(crate) struct Args {
    /// Worker threads, and where that was written.
    pub(crate) workers: Option<(u64, Span)>,
    /// Fibers at once, which fits in 32 bits, and where that was written.
    pub(crate) capacity: Option<(u64, Span)>,
    /// Bytes of a stack, and where that was written.
    pub(crate) stack: Option<(u64, Span)>,
    /// A variant of `TopologyMode`.
    pub(crate) topology: Option<Ident>,
    /// A variant of `SafetyLevel` that takes no promise.
    pub(crate) safety: Option<Ident>,
    /// Whether no stack overflows.
    pub(crate) safety0: bool,
    /// A NUMA node, and where that was written.
    pub(crate) numa: Option<(u64, Span)>,
    /// Whether fibers may suspend at any call depth.
    pub(crate) stackful: bool,
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
                Err(Error::new(
                    arg.name.span(),
                    format!("`{name}` is given twice: keep one"),
                ))
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
        match (name.as_str(), &arg.value) {
            ("workers", Value::Is(value)) => {
                // The bound of the argument itself: the builder knows better ones, and tells them.
                let count = literal::count(&name, value, u64::from(u32::MAX))?;
                self.workers = Some((count, value.span()));
            }
            ("capacity", Value::Is(value)) => {
                let count = literal::count(&name, value, u64::from(u32::MAX))?;
                self.capacity = Some((count, value.span()));
            }
            ("stack", Value::Is(value)) => {
                self.stack = Some((literal::bytes(&name, value)?, value.span()));
            }
            ("crate", Value::Is(Expr::Path(path)))
                if path.qself.is_none() && path.attrs.is_empty() =>
            {
                self.krate = Some(path.path.clone());
            }
            ("crate", Value::Is(value)) => {
                let text = "`crate` takes the path of the dtact crate: `crate = my_dtact`";
                return Err(Error::new(value.span(), text));
            }
            ("topology", Value::Is(value)) => {
                self.topology = Some(one_of(&name, value, &TOPOLOGIES)?);
            }
            ("safety", Value::Is(_)) if self.safety0 => {
                return Err(Error::new(arg.name.span(), TWO_LEVELS));
            }
            ("safety", Value::Is(value)) => match one_of(&name, value, &LEVELS)? {
                level if level == "Safety0" => return Err(Error::new(value.span(), SAFETY0)),
                level => self.safety = Some(level),
            },
            ("safety0", Value::Unsafe) if self.safety.is_some() => {
                return Err(Error::new(arg.name.span(), TWO_LEVELS));
            }
            ("safety0", Value::Unsafe) => self.safety0 = true,
            ("safety0", _) => return Err(Error::new(arg.name.span(), SAFETY0)),
            ("numa", Value::Is(value)) => {
                let node = literal::number(&name, value, 0, u64::from(u32::MAX))?;
                self.numa = Some((node, value.span()));
            }
            ("stackful", Value::Unsafe) => self.stackful = true,
            ("stackful", _) => return Err(Error::new(arg.name.span(), STACKFUL)),
            (
                "workers" | "capacity" | "stack" | "topology" | "safety" | "numa" | "crate",
                Value::Nothing,
            ) => {
                let text = format!("`{name}` takes a value: `{name} = …`");
                return Err(Error::new(arg.name.span(), text));
            }
            (_, Value::Unsafe) => {
                let text = format!(
                    "`unsafe({name})` is no argument: only `stackful` and `safety0` are unsafe"
                );
                return Err(Error::new(arg.name.span(), text));
            }
            _ => {
                let text = format!("unknown argument `{name}`: {ACCEPTED}");
                return Err(Error::new(arg.name.span(), text));
            }
        }
        Ok(())
    }
}

/// One argument as written.
struct Arg {
    name: Ident,
    value: Value,
}

enum Value {
    /// `name`
    Nothing,
    /// `name = value`
    Is(Expr),
    /// `unsafe(name)`
    Unsafe,
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(syn::Ident::peek_any) {
            return Err(input.error(format!("expected an argument: {ACCEPTED}")));
        }
        let name = Ident::parse_any(input)?;
        if name == "unsafe" {
            if !input.peek(syn::token::Paren) {
                return Err(Error::new(
                    name.span(),
                    "`unsafe` takes what it promises: \
                    `unsafe(stackful)`",
                ));
            }
            let inside;
            parenthesized!(inside in input);
            let name = Ident::parse_any(&inside)?;
            if !inside.is_empty() {
                return Err(inside.error("`unsafe` takes one name: `unsafe(stackful)`"));
            }
            return Ok(Self {
                name,
                value: Value::Unsafe,
            });
        }
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Ok(Self {
                name,
                value: Value::Is(input.parse()?),
            });
        }
        Ok(Self {
            name,
            value: Value::Nothing,
        })
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
    fn no_arguments_ask_for_nothing() {
        let args = read("").expect("nothing");
        assert!(args.workers.is_none() && args.capacity.is_none() && args.stack.is_none());
        assert!(!args.stackful && args.krate.is_none());
    }

    #[test]
    fn every_argument_is_read_in_any_order_with_a_last_comma() {
        let text = "unsafe(stackful), stack = \"2M\", crate = a::b, capacity = \"9\", workers = 3,";
        let args = read(text).expect("all of them");
        assert_eq!(args.workers.map(|(count, _)| count), Some(3));
        assert_eq!(args.capacity.map(|(count, _)| count), Some(9));
        assert_eq!(args.stack.map(|(bytes, _)| bytes), Some(2 << 20));
        assert!(args.stackful);
        assert_eq!(args.krate.map(|path| path.segments.len()), Some(2));
    }

    #[test]
    fn topology_safety_and_node_are_read_in_either_form() {
        let args = read("topology = \"Global\", safety = Safety2, numa = 0").expect("all of them");
        assert!(args.topology.is_some_and(|it| it == "Global"));
        assert!(args.safety.is_some_and(|it| it == "Safety2"));
        assert_eq!(args.numa.map(|(node, _)| node), Some(0));
        assert!(read("unsafe(safety0)").expect("a promise").safety0);
        assert!(refusal("topology = \"Mesh\"").contains("`P2PMesh`"));
        assert!(refusal("safety = 3").contains("`Safety1`"));
        assert!(refusal("numa = \"x\"").contains("from 0 to"));
        for text in ["safety = Safety0", "safety0", "safety0 = 1"] {
            assert!(refusal(text).contains("write `unsafe(safety0)`"), "{text}");
        }
        for text in [
            "safety = Safety2, unsafe(safety0)",
            "unsafe(safety0), safety = Safety1",
        ] {
            assert!(refusal(text).contains("given twice"), "{text}");
        }
    }

    #[test]
    fn the_largest_capacity_is_the_largest_32_bit_number() {
        assert!(read("capacity = 4294967295").is_ok());
        assert!(refusal("capacity = 4294967296").contains("from 1 to 4294967295"));
    }

    #[test]
    fn an_unknown_argument_is_told_the_known_ones() {
        let text = refusal("threads = 2");
        assert!(
            text.contains("unknown argument `threads`") && text.contains("`workers`"),
            "{text}"
        );
    }

    #[test]
    fn a_repeated_argument_is_refused() {
        assert!(refusal("workers = 1, workers = 1").contains("given twice"));
        assert!(refusal("unsafe(stackful), unsafe(stackful)").contains("given twice"));
    }

    #[test]
    fn stackful_is_only_had_by_a_promise() {
        for text in ["stackful", "stackful = true"] {
            assert!(refusal(text).contains("write `unsafe(stackful)`"), "{text}");
        }
        assert!(refusal("unsafe(workers)").contains("only `stackful` and `safety0`"));
        assert!(refusal("unsafe").contains("`unsafe(stackful)`"));
        assert!(refusal("unsafe(stackful, more)").contains("one name"));
    }

    #[test]
    fn a_value_that_is_missing_or_of_the_wrong_kind_is_refused() {
        assert!(refusal("workers").contains("takes a value"));
        assert!(refusal("crate = \"dtact\"").contains("takes the path"));
        assert!(refusal("2").contains("expected an argument"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = refusal("workers = 0, threads = 2, stack = 0");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
