//! Expansions, token by token.

use quote::quote;

use super::expand;

#[test]
fn a_function_returns_a_task_and_keeps_what_it_had() {
    let expansion = expand(
        quote!(stack = "64K"),
        &quote! {
            /// Documented.
            #[inline]
            pub(crate) async fn add<'a, T: Copy>(text: &'a str, mut n: T, (x, _): (u8, u8)) -> T
            where
                T: Send,
            {
                n
            }
        },
    );
    let expected = quote! {
        /// Documented.
        #[inline]
        pub(crate) fn add<'a, T: Copy>(
            text: &'a str,
            n: T,
            argument_2: (u8, u8)
        ) -> ::dtact::TaskFuture<
            impl ::core::future::Future<Output = T>,
            ::dtact::CrossThreadFloat
        >
        where
            T: Send,
        {
            static METADATA: ::dtact::TaskMetadata = ::dtact::TaskMetadata::new("add", 65536usize);
            ::dtact::TaskFuture::new(&METADATA, {
                #[allow(clippy::unused_async, clippy::too_many_arguments)]
                async fn add<'a, T: Copy>(text: &'a str, mut n: T, (x, _): (u8, u8)) -> T
                where
                    T: Send,
                {
                    n
                }
                add::<T>(text, n, argument_2)
            })
        }
    };
    let text = expansion.to_string();
    assert!(text.starts_with(&expected.to_string()), "{text}");
    assert!(text.contains("mod dtact_metadata_add"), "{text}");
    let file: Result<syn::File, _> = syn::parse2(expansion);
    assert!(file.is_ok(), "the expansion is no Rust");
}

#[test]
fn what_cannot_be_a_task_is_refused_and_kept() {
    for item in [
        quote!(
            fn plain() {}
        ),
        quote!(
            async unsafe fn promised() {}
        ),
        quote!(
            async extern "C" fn foreign() {}
        ),
        quote!(
            struct NoFunction;
        ),
    ] {
        let text = expand(quote!(), &item).to_string();
        assert!(text.contains("compile_error"), "{text}");
    }
}
