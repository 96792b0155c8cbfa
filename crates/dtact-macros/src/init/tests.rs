//! Expansions, token by token.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand;

fn assert_expands(args: &TokenStream, item: &TokenStream, expected: &TokenStream) {
    let expansion = expand(args.clone(), item);
    assert_eq!(expansion.to_string(), expected.to_string());
    let file: Result<syn::File, _> = syn::parse2(expansion);
    assert!(file.is_ok(), "the expansion is no Rust");
}

#[test]
fn an_async_main_becomes_a_future_on_the_runtime() {
    assert_expands(
        &quote!(),
        &quote! { async fn main() { work().await } },
        &quote! {
            fn main() {
                #[allow(dead_code)]
                async fn main() { work().await }
                ::dtact::__private::run_async(::dtact::Builder::new(), main())
            }
        },
    );
}

#[test]
fn a_sync_main_keeps_its_attributes_visibility_and_result() {
    assert_expands(
        &quote!(workers = "2", stack = "256K", capacity = 1_024),
        &quote! {
            /// Documented.
            #[inline]
            pub fn main() -> Result<(), Error> { Ok(()) }
        },
        &quote! {
            /// Documented.
            #[inline]
            pub fn main() -> Result<(), Error> {
                #[allow(dead_code)]
                fn main() -> Result<(), Error> { Ok(()) }
                ::dtact::__private::run_sync(
                    ::dtact::Builder::new()
                        .workers(2usize)
                        .fibers(1024u32)
                        .stack_bytes(262144usize),
                    main
                )
            }
        },
    );
}

#[test]
fn a_promise_becomes_one_unsafe_call_on_a_renamed_crate() {
    assert_expands(
        &quote!(crate = fibers::dtact, unsafe(stackful), workers = 1),
        &quote! { fn main() {} },
        &quote! {
            fn main() {
                #[allow(dead_code)]
                fn main() {}
                fibers::dtact::__private::run_sync(
                    {
                        let builder = fibers::dtact::Builder::new().workers(1usize);
                        #[allow(unsafe_code)]
                        let builder = unsafe { builder.enable_stackful() };
                        builder
                    },
                    main
                )
            }
        },
    );
}

#[test]
fn a_wrong_argument_leaves_the_function_in_place() {
    let text = expand(
        quote!(workers = 0),
        &quote!(
            async fn main() -> u8 {
                1
            }
        ),
    )
    .to_string();
    assert!(text.contains("compile_error"), "{text}");
    assert!(text.contains("async fn main () -> u8 { 1 }"), "{text}");
    assert!(text.contains("unreachable"), "{text}");
}

#[test]
fn what_cannot_be_run_is_refused() {
    for (item, reason) in [
        (
            quote!(
                async fn main(n: u8) {}
            ),
            "without parameters",
        ),
        (
            quote!(
                fn main(&self) {}
            ),
            "without parameters",
        ),
        (
            quote!(
                fn main<T>() {}
            ),
            "without generics",
        ),
        (
            quote!(
                fn main()
                where
                    u8: Copy,
                {
                }
            ),
            "without a where clause",
        ),
        (
            quote!(
                unsafe fn main() {}
            ),
            "unsafe function",
        ),
        (
            quote!(
                const fn main() {}
            ),
            "not const",
        ),
        (
            quote!(
                extern "C" fn main() {}
            ),
            "without `extern`",
        ),
        (
            quote!(
                struct Main;
            ),
            "goes on a function",
        ),
        (
            quote!(
                fn main();
            ),
            "goes on a function",
        ),
    ] {
        let text = expand(quote!(), &item).to_string();
        assert!(
            text.contains("compile_error") && text.contains(reason),
            "{item}: {text}"
        );
    }
}
