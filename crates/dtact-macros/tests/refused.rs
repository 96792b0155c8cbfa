//! What the macros refuse, and where their errors point.

#[test]
fn what_is_refused_points_at_the_token_and_says_what_is_accepted() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
