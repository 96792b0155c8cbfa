//! Functions wherever they are, attributes by whatever path, and names that C has another use for.

#[dtact::export_fiber]
pub(crate) fn full_path() {}

use dtact::export_async as _;

#[::dtact::export_async(crate = ::dtact)]
async fn r#match(r#type: u8, r#struct: u8, int: u8, class: u8, restrict: u8, and: u8) {}

#[dtact::export_fiber]
fn patterns(mut a: u32, _: u32, (b, c): Pair, d @ _: u8, ref e: u8) {}

#[repr(C)]
struct Pair {
    default: u32,
    asm: u32,
    r#fn: u32,
}

mod outer {
    //! Inside of it.

    pub mod inner {
        #[dtact::export_async]
        pub async fn deep() -> i8 {
            0
        }
    }

    fn body() {
        #[dtact::export_fiber]
        fn in_a_body() {}
    }
}

impl Pair {
    fn method(&self) {
        #[dtact::export_fiber]
        fn in_a_method() {}
    }
}

/// Of the same name, and not the same.
#[dtact::export_async]
async fn full_path_2() {}

#[dtact::export_async]
async fn full_path() {}
