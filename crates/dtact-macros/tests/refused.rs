//! What the macros refuse, and where their errors point.

#[test]
#[cfg_attr(
    any(
        dtact_asan,
        dtact_tsan,
        not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))
    ),
    ignore = "what the compiler says depends on neither target nor sanitizer: it runs here"
)]
fn what_is_refused_points_at_the_token_and_says_what_is_accepted() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
