use dtact_macros::dtact_init;

mod zero {
    #[super::dtact_init(workers = 0, capacity = "0", stack = 0)]
    fn main() {}
}

mod too_many {
    #[super::dtact_init(capacity = 4294967296, stack = "17179869184G")]
    fn main() {}
}

mod wrong_type {
    #[super::dtact_init(workers = 1.5, capacity = true, stack = 'M')]
    fn main() {}
}

mod negative {
    #[super::dtact_init(workers = -1)]
    fn main() {}
}

mod wrong_unit {
    #[super::dtact_init(stack = "2MB")]
    fn main() {}
}

mod unquoted_unit {
    #[super::dtact_init(stack = 2M)]
    fn main() {}
}

mod no_literal {
    const WORKERS: usize = 2;

    #[super::dtact_init(workers = WORKERS)]
    fn main() {}
}

fn main() {}
