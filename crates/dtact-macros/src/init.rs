//! What `#[dtact_init]` becomes.
//!
//! ```text
//! #[dtact_init(workers = 2)]        fn main() -> R {
//! async fn main() -> R { body }         async fn main() -> R { body }
//!                            ====>      ::dtact::__private::run_async(
//!                                           ::dtact::Builder::new().workers(2usize),
//!                                           main(),
//!                                       )
//!                                   }
//! ```
//!
//! The body becomes a function and not a closure or an `async` block, so that its return type is
//! written down where `?` and coercions need it, and may be `impl Trait`.

mod args;
#[cfg(test)]
mod tests;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Signature, parse_quote};

use args::Args;

/// The function that runs `item` as `args` say; or errors, and a function that stands in for it.
pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let text = "`#[dtact_init]` goes on a function: `fn main` or `async fn main`";
        let error = Error::new_spanned(item, text).into_compile_error();
        return quote!(#error #item);
    };
    let refused = check(&function.sig);
    let args = Args::read(args);
    match (refused, args) {
        (Ok(()), Ok(args)) => {
            let call = call(&args, function.sig.asyncness.is_some(), &function.sig);
            wrap(&function, &call)
        }
        (Ok(()), Err(error)) => {
            // The body is compiled all the same, for its own errors and for the editor.
            let stand_in = wrap(&function, &quote!(::core::unreachable!()));
            let errors = error.into_compile_error();
            quote!(#errors #stand_in)
        }
        (Err(mut error), args) => {
            if let Err(more) = args {
                error.combine(more);
            }
            let errors = error.into_compile_error();
            let name = &function.sig.ident;
            quote!(#errors fn #name() {})
        }
    }
}

/// Refuses what cannot be run without arguments to hand it.
fn check(signature: &Signature) -> Result<(), Error> {
    let refuse = |span: Span, text: &str| Err(Error::new(span, text));
    if let Some(token) = &signature.constness {
        return refuse(
            token.span(),
            "`#[dtact_init]` starts a runtime: the function is not const",
        );
    }
    if let Some(token) = &signature.unsafety {
        return refuse(
            token.span(),
            "nobody keeps the promise of an unsafe function here",
        );
    }
    if let Some(token) = &signature.abi {
        return refuse(
            token.span(),
            "`#[dtact_init]` takes a Rust function, without `extern`",
        );
    }
    if let Some(param) = signature.inputs.first() {
        return refuse(
            param.span(),
            "`#[dtact_init]` takes a function without parameters",
        );
    }
    if let Some(param) = signature.generics.params.first() {
        return refuse(
            param.span(),
            "`#[dtact_init]` takes a function without generics",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        return refuse(
            clause.span(),
            "`#[dtact_init]` takes a function without a where clause",
        );
    }
    Ok(())
}

/// The function around the one that was written: same attributes, visibility, name and result.
fn wrap(function: &ItemFn, call: &TokenStream) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
    } = function;
    let Signature {
        asyncness,
        ident,
        output,
        ..
    } = sig;
    quote! {
        #(#attrs)*
        #vis fn #ident() #output {
            #[allow(dead_code)]
            #asyncness fn #ident() #output #block
            #call
        }
    }
}

/// The call that starts the runtime and runs the inner function on it.
fn call(args: &Args, is_async: bool, signature: &Signature) -> TokenStream {
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::dtact));
    let name = &signature.ident;
    let builder = builder(args, &krate);
    if is_async {
        quote!(#krate::__private::run_async(#builder, #name()))
    } else {
        quote!(#krate::__private::run_sync(#builder, #name))
    }
}

/// The expression that makes the builder.
fn builder(args: &Args, krate: &syn::Path) -> TokenStream {
    let mut builder = quote!(#krate::Builder::new());
    // The spans of the arguments: an error of the setter's type points at what was written.
    if let Some((workers, span)) = args.workers {
        let value = literal(format_args!("{workers}usize"), span);
        builder.extend(quote_spanned!(span=> .workers(#value)));
    }
    if let Some((capacity, span)) = args.capacity {
        let value = literal(format_args!("{capacity}u32"), span);
        builder.extend(quote_spanned!(span=> .fibers(#value)));
    }
    if let Some((bytes, span)) = args.stack {
        let value = literal(format_args!("{bytes}usize"), span);
        builder.extend(quote_spanned!(span=> .stack_bytes(#value)));
    }
    if let Some(mode) = &args.topology {
        builder.extend(quote!(.topology_mode(#krate::TopologyMode::#mode)));
    }
    if let Some(level) = &args.safety {
        builder.extend(quote!(.safety(#krate::SafetyLevel::#level)));
    }
    if let Some((node, span)) = args.numa {
        let value = literal(format_args!("{node}u32"), span);
        builder.extend(quote_spanned!(span=> .numa_node(#value)));
    }
    if args.safety0 {
        builder = quote! {{
            let builder = #builder;
            #[allow(unsafe_code)]
            let promise = unsafe { #krate::Unguarded::promise() };
            builder.safety(#krate::SafetyLevel::Safety0(promise))
        }};
    }
    if args.stackful {
        builder = quote! {{
            let builder = #builder;
            #[allow(unsafe_code)]
            let builder = unsafe { builder.enable_stackful() };
            builder
        }};
    }
    builder
}

/// An integer literal with its type; the type is the target's, so no Rust integer here has it.
fn literal(text: core::fmt::Arguments<'_>, span: Span) -> Literal {
    let mut literal = text
        .to_string()
        .parse()
        .unwrap_or_else(|_| Literal::usize_unsuffixed(0));
    literal.set_span(span);
    literal
}
