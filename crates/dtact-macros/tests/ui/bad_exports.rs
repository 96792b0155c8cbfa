use dtact_macros::{export_async, export_fiber};

mod unknown {
    #[super::export_async(prio = "High", name = 7)]
    async fn task() {}
}

mod values {
    #[super::export_fiber(stack = "9M", switcher = OtherThread, kind = Io)]
    fn task() {}
}

mod plain {
    #[super::export_async]
    fn task() {}
}

mod future {
    #[super::export_fiber]
    async fn task() {}
}

mod generic {
    #[super::export_fiber]
    fn task<T>(_value: T) {}
}

mod opaque {
    #[super::export_fiber]
    fn task(_value: impl Copy) {}
}

mod foreign {
    #[super::export_fiber]
    extern "C" fn task() {}
}

mod thing {
    #[super::export_fiber]
    struct Task;
}

struct Method;

impl Method {
    #[export_fiber]
    fn task(&self) {}
}

fn main() {}
