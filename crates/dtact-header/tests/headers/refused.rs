//! What C cannot have is refused, with the place and with what to do.

use std::fs;

use crate::common::{one, text};
use dtact_header::{Header, HeaderError};

/// Sources with one thing wrong, the line where it is, and a part of what is said of it.
const REFUSED: [(&str, usize, &str); 33] = [
    // Types of parameters and of results.
    (
        "#[export_fiber]\nfn f(\na: String) {}",
        3,
        "parameter `a` of `f` is `String`",
    ),
    (
        "#[export_async] async fn f() -> Vec<u8> {}",
        1,
        "the result of `f` is `Vec<u8>`",
    ),
    (
        "#[export_fiber] fn f(a: &'static u8) {}",
        1,
        "`&'static u8`",
    ),
    ("#[export_fiber] fn f(a: &mut [u8]) {}", 1, "`&mut [u8]`"),
    ("#[export_fiber] fn f(a: (u8, u8)) {}", 1, "`(u8, u8)`"),
    ("#[export_fiber] fn f(a: [u8; 3]) {}", 1, "`[u8; 3]`"),
    (
        "type T = [u8; 3]; #[export_fiber] fn f(a: T) {}",
        1,
        "`[u8; 3]`",
    ),
    ("#[export_fiber] fn f(a: i128) {}", 1, "`i128`"),
    ("#[export_fiber] fn f(a: char) {}", 1, "`char`"),
    ("#[export_fiber] fn f(a: Option<u8>) {}", 1, "`Option<u8>`"),
    ("#[export_fiber] fn f(a: c_void) {}", 1, "`c_void`"),
    (
        "#[export_fiber] fn f(a: NonNull<u8>) {}",
        1,
        "`NonNull<u8>`",
    ),
    (
        "#[repr(C)] struct S { x: u8,\ny: [u8; 0] }\n#[export_fiber] fn f(s: S) {}",
        2,
        "`0`, a length",
    ),
    ("#[export_fiber] fn f(a: impl Copy) {}", 1, "`impl Copy`"),
    (
        "#[export_fiber] fn f(a: *const Elsewhere) {}",
        1,
        "`Elsewhere`",
    ),
    (
        "#[export_fiber] fn f(a: *const Vec<u8>) {}",
        1,
        "a pointer to `c_void`",
    ),
    // Definitions.
    (
        "struct S { x: u8 }\n#[export_fiber] fn f(s: S) {}",
        1,
        "`S`, in parameter `s` of `f`, is not laid out as in C",
    ),
    (
        "struct S { x: u8 }\n#[export_fiber] fn f(a: *mut S, b: S) {}",
        1,
        "not laid out",
    ),
    (
        "struct S { x: u8 }\ntype T = S; #[export_fiber] fn f(a: *mut T, b: T) {}",
        1,
        "not laid out",
    ),
    (
        "#[repr(C, packed)] struct S { x: u8 }\n#[export_fiber] fn f(s: S) {}",
        1,
        "`#[repr(C)]` on it, alone",
    ),
    (
        "#[repr(C)] struct S; #[export_fiber] fn f(s: S) {}",
        1,
        "let it have fields",
    ),
    (
        "#[repr(C)] struct S<T> { x: T }\n#[export_fiber] fn f(s: *mut S) {}",
        1,
        "is generic",
    ),
    (
        "#[repr(C)] struct S {\nx: u8,\ny: String }\n#[export_fiber] fn f(s: *mut S) {}",
        3,
        "field `y` of `S` is `String`",
    ),
    (
        "#[repr(C)] struct S(u8,\nfn());\n#[export_fiber] fn f(s: *mut S) {}",
        2,
        "field `1` of `S` is `fn()`",
    ),
    (
        "#[repr(C)] struct S {\nx: [u8; size()] }\n#[export_fiber] fn f(s: *mut S) {}",
        2,
        "`size()`, a length in field `x` of `S`",
    ),
    (
        "#[repr(C)] struct S {\n#[cfg(unix)] x: u8, y: u8 }\n#[export_fiber] fn f(s: S) {}",
        2,
        "field `x` of `S` is there at times",
    ),
    (
        "#[repr(u8)] enum E { A,\nB(u8) }\n#[export_fiber] fn f(e: E) {}",
        2,
        "`B` of `E` has fields",
    ),
    (
        "#[repr(u8)] enum E {\nA = value() }\n#[export_fiber] fn f(e: E) {}",
        2,
        "`A` of `E` has a value",
    ),
    // Functions.
    ("#[export_fiber]\nfn f<T>() {}", 2, "C has no generics"),
    (
        "struct S; impl S {\n#[export_fiber] fn f(&self) {} }",
        2,
        "C has no methods",
    ),
    (
        "#[cfg_attr(unix, dtact::export_fiber)]\nfn f() {}",
        1,
        "`cfg_attr`",
    ),
    (
        "#[cfg(unix)]\n#[export_fiber] fn f() {}",
        2,
        "`--define 'unix=NAME'`",
    ),
    (
        "#[export_fiber] fn f(s: S) {}\n#[cfg(any(unix, windows))] type S = u8;",
        2,
        "under `unix` alone",
    ),
];

#[test]
fn what_c_cannot_have_is_refused_where_it_is_and_says_what_to_do() {
    for (source, line, part) in REFUSED {
        let error = text(source).expect_err(source);
        let HeaderError::Refused { place, text } = &error else {
            panic!("{source}: {error}")
        };
        assert_eq!(place.line, line, "{source}: {error}");
        assert!(text.contains(part), "{source}: {error}");
        let shown = format!("lib.rs:{line}: ");
        assert!(error.to_string().contains(&shown), "{error}");
    }
}

#[test]
fn what_c_has_is_not_refused() {
    for source in [
        "#[repr(C)] struct S { a: Option<extern \"C\" fn()>, b: Option<NonNull<S>>, c: *mut () } \
         #[export_fiber] fn f(s: S) {}",
        "#[repr(C)] struct S { a: Cell<u8>, b: [MaybeUninit<u16>; 2], c: NonNull<u8> } \
         #[export_fiber] fn f(s: *mut S) {}",
        "#[repr(C)] union U { a: ManuallyDrop<T>, b: [[f32; 2]; 3] } #[repr(C)] struct T(u8, u8); \
         #[export_fiber] fn f(u: *mut *const U) {}",
        "#[repr(C)] struct P(u8); fn g() { #[repr(C)] struct P(u16); } \
         #[export_fiber] fn f(p: P) {}",
        "#[repr(i8)] enum E { A = -1, B } #[export_fiber] fn f() -> E {}",
        "#[repr(C)] struct S { next: *const S } #[export_fiber] fn f(s: S) -> *mut S {}",
        "#[repr(C)] struct S { _marker: PhantomData<u8> } #[export_fiber] fn f(s: *mut S) {}",
        "#[repr(C, packed)] struct S { x: u8 } #[export_fiber] fn f(s: *mut S) {}",
        "type A = B; type B = *const C; struct C; #[export_fiber] fn f(a: A) -> B {}",
        "type A = unsafe extern \"C\" fn(u8) -> size_t; #[repr(C)] struct S { a: A, b: *mut A } \
         #[export_fiber] fn f(s: S) {}",
        "type A = [u8; 4]; #[export_fiber] fn f(a: *mut A, b: *mut [A; 2], c: *mut r#type) {} \
         struct r#type;",
        "/// cbindgen:ignore\n#[repr(C)] struct S { x: u8 } #[export_fiber] fn f(s: S) {}",
        "mod a { #![cfg(any(test, all(test, unix)))] } #[export_fiber] fn f(a: libc::c_long) {}",
    ] {
        text(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    }
}

#[test]
fn a_circle_of_constants_or_of_types_is_refused_and_comes_to_an_end() {
    let source = "const A: usize = B; const B: usize = A; #[repr(C)] struct S { x: [u8; A] } \
                  #[export_fiber] fn f(s: S) {}";
    let error = text(source).expect_err("the length has no value");
    assert!(error.to_string().contains("`A`, a length"), "{error}");
}

#[test]
fn a_type_by_its_path_is_not_taken_for_one_of_the_same_file() {
    let user = one("#[repr(C)] struct P(u8); #[export_fiber] fn f(p: other::P) {}");
    let other = one("#[repr(C)] pub struct P(u16);");
    let header = Header::new("x.h")
        .source(&user.source)
        .source(&other.source);
    let error = header.text().expect_err("there are two");
    assert!(matches!(error, HeaderError::Twice { .. }), "{error}");
}

#[test]
fn a_name_that_is_there_twice_is_refused_with_both_places() {
    for (source, name) in [
        (
            "mod a { #[export_fiber] fn f() {} }\nmod b { #[export_fiber] fn f() {} }",
            "dtact_export_fiber_f",
        ),
        (
            "#[export_async] async fn f() -> u8 {}\n#[export_async] async fn f_result_t() {}",
            "dtact_export_f_result_t",
        ),
        (
            "mod a { #[repr(C)] struct S(u8); }\nmod b { #[repr(C)] struct S(u16); }\n\
             #[export_fiber] fn f(s: *mut S) {}",
            "S",
        ),
        (
            "#[repr(C)] struct S(u8);\n#[cfg(unix)] #[repr(C)] struct S(u16); \
             #[export_fiber] fn f(s: *mut S) {}",
            "S",
        ),
        (
            "#[export_fiber] fn f() {}\n#[cfg(unix)] #[export_fiber] fn f() {}",
            "dtact_export_fiber_f",
        ),
        (
            "#[export_fiber] fn f() {} #[repr(C)] struct S(dtact_export_fiber_f);\n\
             type dtact_export_fiber_f = u8; #[export_fiber] fn g(s: S) {}",
            "dtact_export_fiber_f",
        ),
    ] {
        let error = text(source).expect_err(source);
        let HeaderError::Twice {
            name: found,
            first,
            second,
        } = &error
        else {
            panic!("{source}: {error}")
        };
        assert_eq!(found, name, "{source}: {error}");
        assert_eq!(first.line + second.line, 3, "{source}: {error}");
    }
}

#[test]
fn sources_without_an_export_are_refused() {
    for source in [
        "",
        "fn f() {}",
        "#[export] fn f() {}",
        "#[cfg(test)] mod tests { #[export_fiber] fn f() {} }",
    ] {
        let error = text(source).expect_err(source);
        assert!(
            matches!(error, HeaderError::NothingExported { .. }),
            "{source}: {error}"
        );
    }
    let error = Header::new("x.h").text().expect_err("there is no source");
    assert!(error.to_string().contains("nothing is exported"), "{error}");
}

#[test]
fn what_is_not_rust_or_not_there_is_refused() {
    let error = text("fn f() {}\nfn g( {}").expect_err("it is not Rust");
    let HeaderError::Parse { place, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(place.line, 2, "{error}");

    let one = one("#[export_fiber] fn f() {}");
    let missing = one.source.with_file_name("missing.rs");
    let error = Header::new("x.h").source(&missing).text();
    let error = error.expect_err("it is not there");
    assert!(error.to_string().contains("missing.rs"), "{error}");
    assert!(std::error::Error::source(&error).is_some());

    let nowhere = one.source.with_file_name("nowhere").join("x.h");
    let error = dtact_header::generate(&nowhere, [&one.source]).expect_err("no folder");
    assert!(matches!(error, HeaderError::Write { .. }), "{error}");

    fs::write(&one.source, b"\xff").expect("it can be written");
    let error = one.to_be().text().expect_err("it is no text");
    assert!(matches!(error, HeaderError::Read { .. }), "{error}");
}

#[test]
fn a_define_is_one_condition_and_a_name() {
    let one = one("#[export_fiber] fn f() {}");
    for (condition, name) in [
        ("any(unix, windows)", "X"),
        ("feature = slow", "X"),
        ("", "X"),
        ("unix", ""),
        ("unix", "1X"),
        ("unix", "X Y"),
    ] {
        let error = one.to_be().define(condition, name).text();
        let error = error.expect_err(condition);
        assert!(matches!(error, HeaderError::Condition { .. }), "{error}");
        assert!(error.to_string().contains(condition), "{error}");
    }
}
