//! Expands the attribute macros with arguments that are nearly right.
//!
//! The bytes of an input choose words of the arguments, or are text themselves. What has to hold:
//! an expansion never panics, and is Rust; what is refused is refused by a `compile_error!`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;

/// The macros themselves: a crate of macros exports nothing else.
#[path = "../../../crates/dtact-macros/src"]
#[allow(dead_code, reason = "their entry points are not compiled")]
mod macros {
    pub mod init;
    pub mod literal;
    pub mod task;
    pub mod variant;
}
use macros::{init, literal, task, variant};

const WORDS: [&str; 64] = [
    "workers",
    "capacity",
    "stack",
    "topology",
    "safety",
    "numa",
    "unsafe",
    "safety0",
    "stackful",
    "crate",
    "priority",
    "affinity",
    "kind",
    "switcher",
    "name",
    "size",
    "=",
    "=",
    "=",
    "=",
    ",",
    ",",
    ",",
    "(safety0)",
    "(stackful)",
    "(safety0, stackful)",
    "()",
    "(",
    ")",
    "0",
    "1",
    "4",
    "1024",
    "-1",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
    "1.5",
    "0x10",
    "1_000",
    "4usize",
    "\"\"",
    "\"4\"",
    "\"256K\"",
    "\"1M\"",
    "\"16G\"",
    "\"17179869184G\"",
    "\"K\"",
    "\"-1\"",
    "\"0\"",
    "\" 4 \"",
    "\"Pinned\"",
    "\"Safety0\"",
    "\"Safety2\"",
    "Pinned",
    "TopologyMode::Pinned",
    "path::to::krate",
    "'a'",
    "b\"4\"",
    "true",
    "\"\\u{663}\"",
    "!",
    "#",
];

const ITEMS: [&str; 8] = [
    "fn main() {}",
    "async fn main() -> Result<(), String> { Ok(()) }",
    "async fn f(a: u8, (b, c): (u8, u8)) -> impl Sized { a + b + c }",
    "pub(crate) async fn g<'a, T: 'a>(t: &'a T) -> &'a T where T: Sized { t }",
    "async fn m(&self, mut n: usize) { n += 1; }",
    "const unsafe extern \"C\" fn h(_: u8, ...) {}",
    "struct S;",
    "async fn r#match(self: Pin<&mut Self>, _: u8) {}",
];

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else {
        return;
    };
    let text = if choice & 1 == 0 {
        let words: Vec<_> = rest
            .iter()
            .map(|byte| WORDS[usize::from(byte % 64)])
            .collect();
        words.join(" ")
    } else {
        String::from_utf8_lossy(rest).into_owned()
    };
    let Ok(args) = text.parse::<TokenStream>() else {
        return;
    };
    let item = ITEMS[usize::from(choice >> 1) % ITEMS.len()];
    let item: TokenStream = item.parse().expect("these are tokens");
    for expand in [init::expand, task::expand] {
        let expansion = expand(args.clone(), &item);
        let text = expansion.to_string();
        // What is no function is handed through beside the error.
        let is_rust = syn::parse2::<syn::File>(expansion).is_ok();
        assert!(is_rust || text.contains("compile_error"), "{text}");
    }
});
