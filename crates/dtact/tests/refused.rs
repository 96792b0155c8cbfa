//! What the compiler refuses, and where its errors point.

#[test]
#[cfg_attr(
    any(
        dtact_asan,
        dtact_tsan,
        not(all(target_os = "linux", target_arch = "x86_64"))
    ),
    ignore = "what the compiler says depends on neither target nor sanitizer: it runs here"
)]
fn a_type_that_c_cannot_have_is_refused_where_it_is_written() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
