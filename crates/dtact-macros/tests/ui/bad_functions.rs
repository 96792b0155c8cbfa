use dtact_macros::dtact_init;

mod parameters {
    #[super::dtact_init]
    async fn main(count: u32) {}
}

mod generics {
    #[super::dtact_init]
    fn main<T>() {}
}

mod unsafe_function {
    #[super::dtact_init]
    unsafe fn main() {}
}

mod structure {
    #[super::dtact_init]
    struct Main;
}

fn main() {}
