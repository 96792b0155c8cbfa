//! What is there under conditions.

mod always;
#[cfg(unix)]
mod of_unix;
#[cfg(test)]
mod tests;
mod inner;
#[cfg(test)]
#[path = "elsewhere.rs"]
mod of_tests;

#[cfg(all(test, unix))]
mod more_tests {
    #[dtact::export_fiber]
    fn not_of_the_library(text: String) {}
}

#[cfg(test)]
impl Kind {
    fn method() {
        #[dtact::export_fiber]
        fn not_of_the_library(text: String) {}
    }
}

#[cfg(feature = "slow")]
mod slow {
    #[cfg(not(unix))]
    #[dtact::export_async]
    async fn far(number: super::Number) {}
}

#[cfg(unix)]
type Number = u32;
#[cfg(not(unix))]
type Number = u64;

#[dtact::export_fiber]
fn either(number: Number) {}

#[repr(u8)]
#[derive(Clone, Copy)]
enum Kind {
    Always,
    #[cfg(any(unix, feature = "slow"))]
    AtTimes,
}

#[dtact::export_fiber]
fn kind() -> Kind {
    Kind::Always
}
