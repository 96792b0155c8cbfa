use dtact_macros::task;

mod unknown {
    #[super::task(prio = "High", name = 7)]
    async fn task() {}
}

mod values {
    #[super::task(stack = "9M", switcher = OtherThread)]
    async fn task() {}
}

mod variants {
    #[super::task(priority = "Urgent", affinity = SameSocket, kind = 1)]
    async fn task() {}
}

mod plain {
    #[super::task]
    fn task() {}
}

mod twice {
    #[super::task(name = "a", name = "b")]
    async fn task() {}
}

fn main() {}
