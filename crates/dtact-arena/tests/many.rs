//! A million guarded stacks and a million cells: how many mappings and page tables they cost.
// The sanitizers have mappings and page tables of their own.
#![cfg(all(
    target_os = "linux",
    not(any(miri, dtact_loom, dtact_asan, dtact_tsan))
))]

use std::time::Instant;
use std::{env, fs};

use dtact_arena::{CellCache, CellPool, StackPool};

const BYTES: usize = 64 * 1024;

/// How many mappings this process has.
fn map_count() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    maps.lines().count()
}

/// The bytes of the page tables of this process.
fn page_table_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPTE:"));
    let kib = line.expect("Linux says it").trim().trim_end_matches(" kB");
    kib.parse::<usize>().expect("a number of KiB") * 1024
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

/// One test for both, so that neither counts what the other maps.
#[test]
fn a_million_guarded_stacks_cost_three_mappings_and_few_page_tables() {
    if env::var_os("DTACT_EMULATED").is_some() {
        println!("SKIPPED: an emulator has no guard advice, and its mappings are its own");
        return;
    }
    let count = 1_000_000;
    let (maps_before, tables_before) = (map_count(), page_table_bytes());
    let started = Instant::now();
    let pool = StackPool::builder().stack_bytes(BYTES).capacity(count);
    let pool = pool.build().expect("74 GiB of address space");
    let mut stacks = Vec::with_capacity(count as usize);
    stacks.push(pool.take(BYTES).expect("a million fit"));
    if !is_guarded_by_advice(stacks[0].bottom().addr().get()) {
        println!("SKIPPED: the kernel has no guard advice, or does not show it");
        return;
    }
    stacks.extend((1..count).map(|_| pool.take(BYTES).expect("a million fit")));
    println!("a million guarded stacks took {:?}", started.elapsed());
    // The vector above has a mapping of its own.
    let added = map_count().saturating_sub(maps_before + 1);
    assert!(added <= 3, "{added} mappings more");
    let tables = (page_table_bytes() - tables_before) / stacks.len();
    assert!(tables <= 160, "{tables} bytes of page tables a stack");
    for stack in stacks.iter().step_by(997).chain(stacks.last()) {
        assert!(
            is_guarded_by_advice(stack.bottom().addr().get()),
            "{stack:?}"
        );
    }
    assert!(pool.take(BYTES).is_err(), "all are out");
    assert_eq!(pool.resident_bytes(), Ok(0), "nothing was touched");
    for stack in stacks {
        pool.give_back(stack);
    }
    drop(pool);

    let cells = CellPool::new(count).expect("16 GiB of address space");
    let class = CellPool::class_for(128).expect("the smallest class");
    let mut cache = CellCache::new();
    let taken: Vec<_> = (0..count)
        .map(|_| cache.take(&cells, class).expect("a million are there"))
        .collect();
    assert!(cache.take(&cells, class).is_err(), "all are out");
    for cell in taken {
        cache.give_back(&cells, cell);
    }
    cache.flush(&cells);
}
