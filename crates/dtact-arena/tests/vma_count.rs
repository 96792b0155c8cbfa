//! Ten thousand guarded stacks cost a handful of mappings where the kernel has guard advice.
#![cfg(all(not(miri), not(dtact_loom)))]

use std::fs;

use dtact_arena::StackPool;

fn map_count() -> usize {
    fs::read_to_string("/proc/self/maps")
        .expect("/proc is mounted")
        .lines()
        .count()
}

/// Whether the page below an address is a guard made by advice: bit 58 of its pagemap entry.
fn is_guarded_by_advice(address: usize) -> bool {
    use std::os::unix::fs::FileExt;
    let page = (address - 1) / rustix::param::page_size();
    let mut entry = [0; 8];
    let pagemap = fs::File::open("/proc/self/pagemap").expect("/proc is mounted");
    pagemap
        .read_exact_at(&mut entry, page as u64 * 8)
        .expect("the page is in the address space");
    u64::from_ne_bytes(entry) >> 58 & 1 == 1
}

#[test]
fn ten_thousand_guarded_stacks_cost_few_mappings() {
    let pool = StackPool::builder()
        .stack_bytes(64 * 1024)
        .capacity(10_000)
        .build();
    let pool = pool.expect("10,000 × 76 KiB of address space");
    let before = map_count();
    let stacks: Vec<_> = (0..10_000)
        .map(|_| pool.take(1).expect("10,000 fit"))
        .collect();
    let added = map_count().saturating_sub(before);
    let first = stacks[0].bottom().addr().get();
    if is_guarded_by_advice(first) {
        assert!(added <= 8, "{added} mappings more");
        for stack in &stacks {
            assert!(
                is_guarded_by_advice(stack.bottom().addr().get()),
                "{stack:?}"
            );
        }
    } else {
        println!("SKIPPED: the kernel has no guard advice, or does not show it");
        assert!(added <= 2 * 10_000 + 8, "{added} mappings more");
    }
    for stack in stacks {
        pool.give_back(stack);
    }
}
