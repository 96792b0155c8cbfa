//! What `#[export_async]` and `#[export_fiber]` become.
//!
//! ```text
//! #[export_fiber(stack = "64K")]        fn add(a: u32, b: u32) -> u32 { body }
//! fn add(a: u32, b: u32) -> u32 {
//!     body                       ====>  #[unsafe(no_mangle)]
//! }                                     pub extern "C" fn dtact_export_fiber_add(
//!                                           a: u32, b: u32
//!                                       ) -> dtact_handle_t {
//!                                           let a = argument::<u32>(a);
//!                                           let b = argument::<u32>(b);
//!                                           export_fiber::<u32, _, _>(
//!                                               spawn_with().name("add").stack(65536),
//!                                               move || add(a.get(), b.get()),
//!                                           )
//!                                       }
//! ```
//!
//! The function stays as it is. The types of the arguments and of the result are written again
//! where they have to be values that C can have, so that the compiler's error points at them.

#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Pat, ReturnType, Signature, Type, parse_quote};

use crate::task::args::Args;

/// Which of the two attributes it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Async,
    Fiber,
}

impl Form {
    const fn attribute(self) -> &'static str {
        match self {
            Self::Async => "export_async",
            Self::Fiber => "export_fiber",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Async => "dtact_export",
            Self::Fiber => "dtact_export_fiber",
        }
    }
}

/// The function and its entry point; or errors, and the function as it was.
pub(crate) fn expand(form: Form, args: TokenStream, item: &TokenStream) -> TokenStream {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let text = format!("`#[{}]` goes on a function", form.attribute());
        let error = Error::new_spanned(item, text).into_compile_error();
        return quote!(#error #item);
    };
    let refused = check(form, &function.sig);
    let args = Args::read(args);
    let entry = match (refused, args) {
        (Ok(()), Ok(args)) => entry(form, &function, &args),
        (refused, args) => {
            let errors = [refused.err(), args.err()].into_iter().flatten();
            let errors = errors.reduce(|mut all, error| {
                all.combine(error);
                all
            });
            errors.map_or_else(TokenStream::new, Error::into_compile_error)
        }
    };
    quote!(#function #entry)
}

/// Refuses what has no counterpart in C.
fn check(form: Form, signature: &Signature) -> Result<(), Error> {
    let refuse = |span: Span, text: &str| Err(Error::new(span, text));
    match (form, &signature.asyncness) {
        (Form::Async, None) => {
            return refuse(
                signature.fn_token.span(),
                "`#[export_async]` goes on an `async fn`: a plain one is `#[export_fiber]`",
            );
        }
        (Form::Fiber, Some(token)) => {
            return refuse(
                token.span(),
                "`#[export_fiber]` goes on a plain `fn`: an `async` one is `#[export_async]`",
            );
        }
        _ => {}
    }
    if let Some(token) = &signature.abi {
        let text = "the entry point is `extern \"C\"`, and the function one of Rust";
        return refuse(token.span(), text);
    }
    if let Some(param) = signature.generics.params.first() {
        return refuse(param.span(), "C has no generics: export a function without");
    }
    if let Some(clause) = &signature.generics.where_clause {
        return refuse(
            clause.span(),
            "C has no generics: export a function without",
        );
    }
    if let Some(variadic) = &signature.variadic {
        return refuse(
            variadic.span(),
            "an entry point has a fixed number of parameters",
        );
    }
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let text = "C has no methods: export a function without `self`";
                return refuse(receiver.span(), text);
            }
            FnArg::Typed(typed) => {
                if let Type::ImplTrait(ty) = &*typed.ty {
                    return refuse(ty.span(), "C has no generics: name a type");
                }
            }
        }
    }
    Ok(())
}

/// The function that C calls.
fn entry(form: Form, function: &ItemFn, args: &Args) -> TokenStream {
    let sig = &function.sig;
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::dtact));
    let plain_name = sig.ident.to_string().trim_start_matches("r#").to_owned();
    let entry = Ident::new(&format!("{}_{plain_name}", form.prefix()), sig.ident.span());
    let builder = builder(args, &krate, &plain_name);
    let cfgs = function
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"));
    let (mut params, mut wrapped, mut passed) = (Vec::new(), Vec::new(), Vec::new());
    let mut has_pointers = false;
    for (at, input) in sig.inputs.iter().enumerate() {
        let FnArg::Typed(typed) = input else { continue };
        // Local to the entry point, so that none hides the function.
        let mut name = match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
            _ => format_ident!("argument_{at}"),
        };
        name.set_span(Span::mixed_site());
        let ty = &typed.ty;
        has_pointers |= is_with_pointer(quote!(#ty));
        params.push(quote!(#name: #ty));
        wrapped.push(quote!(let #name = #krate::__private::argument::<#ty>(#name);));
        passed.push(quote!(#name.get()));
    }
    let ident = &sig.ident;
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    let mut call = quote_spanned!(ident.span()=> #ident(#(#passed),*));
    let unsafety = &sig.unsafety;
    if unsafety.is_some() {
        // The promise is that of whoever calls the entry point, which is as unsafe.
        call = quote!(unsafe { #call });
    }
    let spawned = match form {
        Form::Fiber => {
            quote!(#krate::__private::export_fiber::<#output, _, _>(#builder, move || #call))
        }
        // A future that has pointers is not `Send`, and is made where it stays.
        Form::Async if has_pointers => {
            quote!(#krate::__private::export_local::<#output, _, _, _>(#builder, move || #call))
        }
        Form::Async => {
            quote!(#krate::__private::export_async::<#output, _, _>(#builder, #call))
        }
    };
    let first = format!("Spawns a fiber that runs [`{plain_name}`], for C, and gives its handle.");
    let rest = "0 where it cannot be spawned. Whoever calls this joins the fiber, by which it has \
                the result, or detaches it: else what the fiber leaves stays.";
    let safety = unsafety.map(|_| {
        let text = format!("As [`{plain_name}`] asks.");
        quote!(#[doc = ""] #[doc = "# Safety"] #[doc = ""] #[doc = #text])
    });
    quote! {
        #(#cfgs)*
        #[doc = #first]
        #[doc = ""]
        #[doc = #rest]
        #safety
        #[unsafe(no_mangle)]
        #[allow(
            unsafe_code,
            unreachable_pub,
            improper_ctypes_definitions,
            clippy::missing_safety_doc,
            clippy::undocumented_unsafe_blocks,
            rustdoc::private_intra_doc_links
        )]
        pub #unsafety extern "C" fn #entry(#(#params),*) -> #krate::dtact_handle_t {
            #(#wrapped)*
            #spawned
        }
    }
}

/// The builder of the fiber.
fn builder(args: &Args, krate: &syn::Path, name: &str) -> TokenStream {
    let name = args.name.as_deref().unwrap_or(name);
    let mut builder = quote!(#krate::spawn_with().name(#name));
    if args.stack.is_some() {
        let bytes = args.stack_literal();
        builder.extend(quote!(.stack(#bytes)));
    }
    if let Some(priority) = &args.priority {
        builder.extend(quote!(.priority(#krate::Priority::#priority)));
    }
    if let Some(affinity) = &args.affinity {
        builder.extend(quote!(.affinity(#krate::Affinity::#affinity)));
    }
    if let Some(kind) = &args.kind {
        builder.extend(quote!(.kind(#krate::WorkloadKind::#kind)));
    }
    if let Some(switcher) = &args.switcher {
        builder.extend(quote!(.switcher::<#krate::#switcher>()));
    }
    builder
}

/// Whether a type is written with a raw pointer somewhere.
fn is_with_pointer(ty: TokenStream) -> bool {
    let mut is_after_star = false;
    for token in ty {
        match token {
            TokenTree::Ident(word) if is_after_star && (word == "const" || word == "mut") => {
                return true;
            }
            TokenTree::Group(group) if is_with_pointer(group.stream()) => return true,
            TokenTree::Punct(punct) => {
                is_after_star = punct.as_char() == '*';
                continue;
            }
            _ => {}
        }
        is_after_star = false;
    }
    false
}
