//! What the compiler refuses, and where its errors point.

#[test]
fn a_type_that_c_cannot_have_is_refused_where_it_is_written() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
