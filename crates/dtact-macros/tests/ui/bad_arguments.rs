use dtact_macros::dtact_init;

mod unknown {
    #[super::dtact_init(threads = 2)]
    fn main() {}
}

mod repeated {
    #[super::dtact_init(workers = 1, workers = 2)]
    fn main() {}
}

mod safe_stackful {
    #[super::dtact_init(stackful)]
    fn main() {}
}

mod unsafe_workers {
    #[super::dtact_init(unsafe(workers))]
    fn main() {}
}

mod no_value {
    #[super::dtact_init(capacity)]
    fn main() {}
}

mod no_path {
    #[super::dtact_init(crate = "dtact")]
    fn main() {}
}

mod variants {
    #[super::dtact_init(topology = "Mesh", safety = Safety3, numa = "one")]
    fn main() {}
}

mod safe_safety0 {
    #[super::dtact_init(safety = "Safety0")]
    fn main() {}
}

mod two_levels {
    #[super::dtact_init(safety = Safety2, unsafe(safety0))]
    fn main() {}
}

mod no_name {
    #[super::dtact_init(4)]
    fn main() {}
}

fn main() {}
