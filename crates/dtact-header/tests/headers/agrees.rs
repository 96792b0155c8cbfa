//! The header agrees with what is there: the entry points that the macros write, and the headers
//! that are committed.

use std::path::{Path, PathBuf};

use dtact_header::Header;
use quote::ToTokens as _;
use syn::{ForeignItem, Signature, visit::Visit};

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// The functions that a file declares by hand.
#[derive(Default)]
struct Declared(Vec<Signature>);

impl Visit<'_> for Declared {
    fn visit_foreign_item(&mut self, item: &ForeignItem) {
        // Without what is before it: some of that is no part of a signature.
        let tokens = item.to_token_stream().to_string();
        let at = tokens.find("fn dtact_export_").expect("an entry point");
        let signature = syn::parse_str(tokens[at..].trim_end_matches([' ', ';']));
        self.0.push(signature.expect("a signature"));
    }
}

/// `crates/dtact/tests/export.rs` calls entry points by their symbols, which the macros have made
/// then: where a name differs, it is not linked.
#[test]
fn entry_points_have_the_names_and_parameters_that_the_macros_give_them() {
    let path = workspace("crates/dtact/tests/export.rs");
    let source = std::fs::read_to_string(&path).expect("the test of the macros");
    let mut declared = Declared::default();
    declared.visit_file(&syn::parse_file(&source).expect("it compiles"));
    let text = Header::new("x.h").source(&path).text();
    let text = text.unwrap_or_else(|error| panic!("{error}"));
    assert!(declared.0.len() > 5);
    for signature in declared.0 {
        let (name, params) = (signature.ident.to_string(), signature.inputs.len());
        let (_, rest) = text
            .split_once(&format!("\ndtact_handle_t {name}("))
            .unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        let list = rest.split_once(");").expect("its end").0;
        let count = if list == "void" {
            0
        } else {
            list.split(',').count()
        };
        assert_eq!(count, params, "{name}({list})");
    }
}

/// Where it fails: `cargo run -p dtact-header -- --out HEADER SOURCE`, as it says.
#[test]
fn the_headers_of_the_programs_of_dtact_ffi_are_those_of_their_sources() {
    for (header, source) in [
        ("examples/qsort/weights.h", "examples/qsort/weights.rs"),
        ("tests/c/exports.h", "tests/c/exports.rs"),
    ] {
        let (header, source) = (
            format!("crates/dtact-ffi/{header}"),
            format!("crates/dtact-ffi/{source}"),
        );
        let to_be = Header::new(workspace(&header)).source(workspace(&source));
        if let Err(error) = to_be.check() {
            panic!("{error}\ncargo run -p dtact-header -- --out {header} {source}");
        }
    }
}
