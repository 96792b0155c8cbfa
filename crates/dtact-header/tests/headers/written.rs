//! What is written: whole headers beside their sources, and what is compared with them.

use std::{fs, path::Path};

use crate::common::{one, text};
use dtact_header::{Header, HeaderError};

fn golden(name: &str, source: &str) -> Header {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    Header::new(folder.join(name)).source(folder.join(source))
}

/// After a change that is meant: `cargo run -p dtact-header -- --out NAME.h NAME.rs` there, and
/// read what `git diff` says.
fn is_as_committed(header: &Header) {
    if let Err(error) = header.check() {
        panic!("{error}");
    }
}

#[test]
fn numbers_pointers_and_types_become_those_of_c() {
    is_as_committed(&golden("values.h", "values.rs"));
}

#[test]
fn functions_are_found_wherever_they_are_and_have_names_that_c_can_have() {
    is_as_committed(&golden("names.h", "names.rs"));
}

#[test]
fn what_is_there_under_a_condition_is_declared_under_one_and_tests_are_left_out() {
    let header = golden("conditions.h", "conditions");
    is_as_committed(
        &header
            .define("unix", "IS_UNIX")
            .define("feature = \"slow\"", "HAS_SLOW"),
    );
}

#[test]
fn files_come_in_the_order_in_which_they_are_named_and_each_once() {
    let [a, b] = ["a", "b"].map(|name| one(&format!("#[export_fiber] fn {name}() {{}}")));
    let order = |paths: [&Path; 3]| {
        let header = paths.into_iter().fold(Header::new("x.h"), Header::source);
        let text = header.text().expect("a header");
        let at = |name: &str| text.find(name).expect("it is declared");
        at("dtact_export_fiber_a(") < at("dtact_export_fiber_b(")
    };
    assert!(order([&a.source, &b.source, &a.source]));
    assert!(!order([&b.source, &a.source, &b.source]));
}

#[test]
fn the_same_sources_give_the_same_header() {
    let source = "#[repr(C)] struct A { x: u8 } #[repr(C)] struct B { x: u8 } type C = u8; \
                  #[export_fiber] fn f(a: A, b: *const B, c: C) -> B {}";
    let first = text(source).expect("a header");
    for _ in 0..20 {
        assert_eq!(text(source).expect("a header"), first);
    }
}

#[test]
fn a_bare_name_is_that_of_its_own_file() {
    let user = one("#[repr(C)] struct P { here: u8 } #[export_fiber] fn f(p: P) {}");
    let other = one("#[repr(C)] struct P { elsewhere: u8 }");
    let header = Header::new("x.h")
        .source(&other.source)
        .source(&user.source);
    let text = header.text().expect("a header");
    assert!(
        text.contains("here;") && !text.contains("elsewhere;"),
        "{text}"
    );
}

#[test]
fn lengths_are_computed() {
    for (length, number) in [
        ("4usize", 4),
        ("(A)", 6),
        ("self::A + B", 9),
        ("A - B", 3),
        ("A * B", 18),
        ("A / B", 2),
        ("B << 2", 12),
        ("b'\\n' - -1", 11),
        ("0x_1f", 31),
    ] {
        let text = text(&format!(
            "const A: usize = B + 3; const B: usize = 3; #[repr(C)] struct S {{ x: [u8; {length}] \
             }} #[export_fiber] fn f(s: S) {{}}"
        ));
        let text = text.expect(length);
        assert!(text.contains(&format!("x[{number}];")), "{length}: {text}");
    }
}

#[test]
fn a_name_may_have_a_definition_for_each_condition_in_files_of_their_own() {
    let user = one("#[export_fiber] fn f(p: P) {}");
    let [here, there] = ["unix", "not(unix)"].map(|condition| {
        one(&format!(
            "#![cfg({condition})]\n#[repr(C)] struct P {{ x: u8 }}"
        ))
    });
    let header = [&user, &here, &there]
        .into_iter()
        .fold(Header::new("x.h"), |header, one| header.source(&one.source));
    let text = header.define("unix", "IS_UNIX").text();
    let text = text.expect("a header");
    assert_eq!(text.matches("} P;").count(), 2, "{text}");
    assert!(text.contains("#if !defined(IS_UNIX)\n"), "{text}");
}

#[test]
fn types_of_several_files_meet_in_one_header() {
    let user = one("#[export_fiber] fn f(p: *const other::P) -> Q {}");
    let other = one("#[repr(C)] pub struct P { x: Q } pub type Q = u16;");
    let header = Header::new("x.h")
        .source(&user.source)
        .source(&other.source);
    let text = header.text().expect("a header");
    assert!(text.contains("typedef uint16_t Q;"), "{text}");
    assert!(text.contains("Q x;"), "{text}");
}

#[test]
fn two_headers_have_two_include_guards() {
    let one = one("#[export_fiber] fn f() {}");
    for (name, guard) in [
        ("some/my-own.h", "DTACT_EXPORTS_MY_OWN_H"),
        ("dtact.h", "DTACT_EXPORTS_DTACT_H"),
    ] {
        let text = Header::new(name).source(&one.source).text();
        let text = text.expect("a header");
        assert!(text.contains(&format!("#define {guard}\n")), "{text}");
    }
}

#[test]
fn a_header_that_is_as_it_should_be_is_not_written_again() {
    let one = one("#[export_fiber] fn f() {}");
    one.to_be().write().expect("it is written");
    let modified = || {
        let metadata = fs::metadata(&one.header).expect("it is there");
        metadata.modified().expect("the system knows")
    };
    let file = fs::File::options().write(true).open(&one.header);
    let long_ago = std::time::UNIX_EPOCH;
    file.expect("it is there")
        .set_modified(long_ago)
        .expect("the time can be set");
    one.to_be().write().expect("there is nothing to do");
    assert_eq!(modified(), long_ago);
    fs::write(&one.header, "old").expect("it can be written");
    one.to_be().write().expect("it is written");
    one.to_be().check().expect("it is as it should be");
}

#[test]
fn a_header_that_differs_is_told_by_its_first_line_that_does() {
    let one = one("#[export_fiber] fn f() {}");
    let text = one.to_be().text().expect("a header");
    let differs = |old: &str| {
        fs::write(&one.header, old).expect("it can be written");
        let error = one.to_be().check().expect_err("it differs");
        let HeaderError::Differs {
            place,
            is,
            should_be,
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(place.path, one.header);
        (place.line, is, should_be)
    };
    let last = text.lines().count();
    let (line, is, should_be) = differs(&text.replace("fiber_f(void)", "fiber_f(int n)"));
    assert!(is.contains("int n") && should_be.contains("void"));
    assert_eq!(text.lines().nth(line - 1), Some(&*should_be));
    assert_eq!(differs(&format!("{text}more\n")).0, last + 1);
    let (line, is, _) = differs(text.trim_end());
    assert_eq!((line, &*is), (1, "other ends of lines"));
    assert_eq!(differs("").0, 1);
    fs::remove_file(&one.header).expect("it is there");
    let error = one.to_be().check().expect_err("there is none");
    assert!(error.to_string().contains("exports.h:1: "), "{error}");
}
