//! Expansions, token by token.

use quote::quote;

use super::{Form, expand};

#[test]
fn a_function_stays_and_gets_an_entry_point_for_c() {
    let function = quote! {
        /// Documented.
        #[cfg(unix)]
        pub(crate) fn add(mut a: u32, _: i8) -> u32 {
            a
        }
    };
    let text = expand(
        Form::Fiber,
        quote!(
            name = "adder",
            stack = "64K",
            priority = High,
            switcher = SameThreadFloat
        ),
        &function,
    )
    .to_string();
    assert!(text.starts_with(&function.to_string()), "{text}");
    for part in [
        quote!(
            pub extern "C" fn dtact_export_fiber_add(a: u32, argument_1: i8)
                -> ::dtact::dtact_handle_t
        ),
        quote!(let a = ::dtact::__private::argument::<u32>(a);),
        quote! {
            ::dtact::__private::export_fiber::<u32, _, _>(
                ::dtact::spawn_with()
                    .name("adder")
                    .stack(65536usize)
                    .priority(::dtact::Priority::High)
                    .switcher::< ::dtact::SameThreadFloat>(),
                move || add(a.get(), argument_1.get())
            )
        },
    ] {
        assert!(text.contains(&part.to_string()), "{part}\nin {text}");
    }
    assert_eq!(text.matches("cfg").count(), 2, "{text}");
}

#[test]
fn a_future_that_holds_pointers_is_made_where_it_stays() {
    let of = |item| expand(Form::Async, quote!(crate = other), &item).to_string();
    let plain = of(quote!(
        async fn f(n: u32) {}
    ));
    assert!(
        plain.contains("other :: __private :: export_async"),
        "{plain}"
    );
    for item in [
        quote!(
            async fn f(p: *const u8) {}
        ),
        quote!(
            async fn f(n: u32, p: Option<(u8, *mut u8)>) {}
        ),
    ] {
        assert!(of(item).contains("export_local"));
    }
}

#[test]
fn an_unsafe_function_has_an_unsafe_entry_point() {
    let item = quote!(
        unsafe fn read(p: *const u32) -> u32 {
            0
        }
    );
    let text = expand(Form::Fiber, quote!(), &item).to_string();
    assert!(text.contains("pub unsafe extern \"C\" fn"), "{text}");
    assert!(text.contains("unsafe { read (p . get ()) }"), "{text}");
    assert!(text.contains("# Safety"), "{text}");
}

#[test]
fn what_c_cannot_have_is_refused_and_kept() {
    for (form, item) in [
        (
            Form::Async,
            quote!(
                fn plain() {}
            ),
        ),
        (
            Form::Fiber,
            quote!(
                async fn future() {}
            ),
        ),
        (
            Form::Fiber,
            quote!(
                fn generic<T>(value: T) {}
            ),
        ),
        (
            Form::Fiber,
            quote!(
                fn method(&self) {}
            ),
        ),
        (
            Form::Fiber,
            quote!(
                fn opaque(value: impl Copy) {}
            ),
        ),
        (
            Form::Fiber,
            quote!(
                extern "C" fn foreign() {}
            ),
        ),
        (
            Form::Fiber,
            quote!(
                struct NoFunction;
            ),
        ),
    ] {
        let text = expand(form, quote!(), &item).to_string();
        assert!(text.contains("compile_error"), "{text}");
        assert!(text.contains(&item.to_string()), "{text}");
    }
}
