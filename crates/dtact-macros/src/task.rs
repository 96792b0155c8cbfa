//! What `#[task]` becomes.
//!
//! ```text
//! #[task(stack = "64K")]            fn add(a: u32) -> TaskFuture<impl Future<Output = u32>, S> {
//! async fn add(a: u32) -> u32 {         static METADATA: TaskMetadata = …;
//!     body                    ====>     async fn add(a: u32) -> u32 { body }
//! }                                     TaskFuture::new(&METADATA, add(a))
//!                                   }
//!                                   mod dtact_metadata_add { … }
//! ```
//!
//! The body stays that of an `async fn`, so that its parameters are dropped in the order, and its
//! result inferred from the place, that one expects. Only a method, which cannot be inside of
//! another function, becomes an `async` block.

pub(crate) mod args;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericParam, ItemFn, Pat, ReturnType, Signature, parse_quote};

use args::Args;

/// The function that returns a task; or errors, and the function as it was.
pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let text = "`#[task]` goes on an `async fn`";
        let error = Error::new_spanned(item, text).into_compile_error();
        return quote!(#error #item);
    };
    let refused = check(&function.sig);
    let args = Args::read(args);
    match (refused, args) {
        (Ok(()), Ok(args)) => wrap(&function, &args),
        (refused, args) => {
            let errors = [refused.err(), args.err()].into_iter().flatten();
            let errors = errors.reduce(|mut all, error| {
                all.combine(error);
                all
            });
            // The function is compiled all the same, for its own errors and for the editor.
            let errors = errors.map(Error::into_compile_error);
            quote!(#errors #function)
        }
    }
}

/// Refuses what is no future, or that nobody could spawn.
fn check(signature: &Signature) -> Result<(), Error> {
    let refuse = |span: Span, text: &str| Err(Error::new(span, text));
    if signature.asyncness.is_none() {
        return refuse(
            signature.fn_token.span(),
            "`#[task]` goes on an `async fn`: a plain one is spawned by `spawn_with_stack`",
        );
    }
    if let Some(token) = &signature.unsafety {
        return refuse(
            token.span(),
            "nobody keeps the promise of an unsafe function when its future is polled",
        );
    }
    if let Some(token) = &signature.abi {
        return refuse(
            token.span(),
            "`#[task]` takes a Rust function, without `extern`",
        );
    }
    Ok(())
}

fn wrap(function: &ItemFn, args: &Args) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
    } = function;
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::dtact));
    let switcher = args
        .switcher
        .clone()
        .unwrap_or_else(|| format_ident!("CrossThreadFloat"));
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| sig.ident.to_string().replace("r#", ""));
    let stack = args.stack_literal();
    let asked = asked(args, &krate);
    let output: TokenStream = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => quote!(#output),
    };
    // In the macro's own edition, in which `impl` captures every lifetime of the parameters.
    let site = Span::mixed_site();
    let future = quote_spanned!(site=> impl ::core::future::Future<Output = #output>);
    let is_method = matches!(sig.inputs.first(), Some(FnArg::Receiver(_)));
    let (inputs, call) = if is_method {
        (sig.inputs.clone(), method_call(sig, block))
    } else {
        function_call(sig, block)
    };
    let (_, _, where_clause) = sig.generics.split_for_impl();
    let (ident, generics) = (&sig.ident, &sig.generics);
    let metadata = (!is_method).then(|| metadata(function, args, &krate, &name, &switcher));
    quote! {
        #(#attrs)*
        #vis fn #ident #generics (#inputs) -> #krate::TaskFuture<#future, #krate::#switcher>
        #where_clause
        {
            static METADATA: #krate::TaskMetadata = #krate::TaskMetadata::new(#name, #stack)#asked;
            #krate::TaskFuture::new(&METADATA, #call)
        }
        #metadata
    }
}

/// What the metadata says beside a name and a stack.
fn asked(args: &Args, krate: &syn::Path) -> TokenStream {
    let priority = args.priority.iter();
    let affinity = args.affinity.iter();
    let kind = args.kind.iter();
    quote! {
        #(.with_priority(#krate::Priority::#priority))*
        #(.with_affinity(#krate::Affinity::#affinity))*
        #(.with_kind(#krate::WorkloadKind::#kind))*
    }
}

type Inputs = syn::punctuated::Punctuated<FnArg, syn::Token![,]>;

/// The parameters under plain names, and the call of the function as it was written.
fn function_call(sig: &Signature, block: &syn::Block) -> (Inputs, TokenStream) {
    let mut inputs = Inputs::new();
    let mut names: Vec<Ident> = Vec::new();
    for (at, input) in sig.inputs.iter().enumerate() {
        let FnArg::Typed(typed) = input else { continue };
        let name = match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
            _ => Ident::new(&format!("argument_{at}"), Span::mixed_site()),
        };
        let (attrs, ty) = (&typed.attrs, &typed.ty);
        inputs.push(parse_quote!(#(#attrs)* #name: #ty));
        names.push(name);
    }
    // Parameters that the arguments do not tell. Those of `impl Trait` have no name, and need none.
    let told = sig.generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    });
    let told: Vec<_> = told.collect();
    let turbofish = (!told.is_empty()).then(|| quote!(::<#(#told),*>));
    let ident = &sig.ident;
    let call = quote! {{
        #[allow(clippy::unused_async, clippy::too_many_arguments)]
        #sig #block
        #ident #turbofish (#(#names),*)
    }};
    (inputs, call)
}

/// The body of a method as an `async` block that owns all of its parameters.
fn method_call(sig: &Signature, block: &syn::Block) -> TokenStream {
    let names = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pat) => Some(&pat.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let output: TokenStream = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => quote!(#output),
    };
    let hint = (!output.to_string().contains("impl "))
        .then(|| quote!(if false { return (|| -> #output { ::core::unreachable!() })(); }));
    quote! {
        async move {
            let _ = (&self, #(&#names),*);
            #hint
            #block
        }
    }
}

/// The module with what the arguments said.
fn metadata(
    function: &ItemFn,
    args: &Args,
    krate: &syn::Path,
    name: &str,
    switcher: &Ident,
) -> TokenStream {
    let vis = &function.vis;
    let cfgs = function
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"));
    let module = format_ident!("dtact_metadata_{}", name_of(&function.sig.ident));
    let text = format!("What `#[task]` says of `{}`.", function.sig.ident);
    let size_text = args
        .stack
        .as_ref()
        .map_or_else(String::new, |(_, text, _)| text.clone());
    let bytes = match &args.stack {
        Some(_) => {
            let bytes = args.stack_literal();
            quote!(::core::option::Option::Some(#bytes))
        }
        None => quote!(::core::option::Option::None),
    };
    let told = |variant: &Option<Ident>, default: &str| {
        variant
            .as_ref()
            .map_or_else(|| default.to_owned(), Ident::to_string)
    };
    let priority = told(&args.priority, "Normal");
    let affinity = told(&args.affinity, "Any");
    let kind = told(&args.kind, "Compute");
    quote! {
        #(#cfgs)*
        #[doc = #text]
        #[allow(dead_code)]
        #vis mod #module {
            /// The name of its fibers.
            pub const NAME: &str = #name;
            /// The least size of their stacks, as it was written.
            pub const STACK_SIZE: &str = #size_text;
            /// The same in bytes.
            pub const STACK_SIZE_BYTES: ::core::option::Option<usize> = #bytes;
            /// How urgent they are.
            pub const PRIORITY: &str = #priority;
            /// How far they may move.
            pub const AFFINITY: &str = #affinity;
            /// What they mostly do.
            pub const KIND: &str = #kind;
            /// Their switcher.
            pub type SWITCHER = #krate::#switcher;
        }
    }
}

fn name_of(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}
