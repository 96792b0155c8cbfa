//! Nothing is resident before its first use, and nothing is mapped after the pool is gone.
#![cfg(all(target_os = "linux", not(miri), not(dtact_loom)))]
#![allow(unsafe_code, reason = "touches a cell it holds")]

use std::fs;

use dtact_arena::{CellIndex, CellPool, StackPool};

/// The range and the resident KiB of each mapping of the process.
fn mappings() -> Vec<(usize, usize, usize)> {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("/proc is mounted");
    let mut mappings = Vec::new();
    for line in smaps.lines() {
        let first = line.split(' ').next().expect("a line has a first word");
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).expect("an address");
            mappings.push((number(start), number(end), 0));
        } else if let Some(rest) = line.strip_prefix("Rss:") {
            let kib = rest
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .expect("a number of KiB");
            mappings.last_mut().expect("a header comes first").2 = kib;
        }
    }
    mappings
}

/// The resident KiB of the mapping around an address; `None` when nothing is mapped there.
fn resident_kib(address: usize) -> Option<usize> {
    let here = |&(start, end, _): &(usize, usize, usize)| (start..end).contains(&address);
    mappings().into_iter().find(here).map(|(_, _, kib)| kib)
}

#[test]
fn memory_is_committed_by_the_first_touch_and_unmapped_with_the_pool() {
    let cells = CellPool::new(1 << 20).expect("13 GiB of address space");
    let class = CellPool::class_for(1024).expect("there is a class of 1 KiB");
    let first = CellIndex::from_raw(3 << 21).expect("class 3 exists");
    let first = cells.address(first).expect("the pool's own").addr().get();
    let resident = || resident_kib(first).expect("the cells are mapped");
    assert!(resident() < 64, "{} KiB before any use", resident());
    let taken: Vec<_> = (0..1000)
        .map(|_| cells.take(class).expect("a million fit"))
        .collect();
    for &cell in &taken {
        cells.give_back(cell);
    }
    assert!(
        resident() < 64,
        "{} KiB after taking and giving back",
        resident()
    );
    let address = cells.address(taken[0]).expect("the pool's own");
    assert_eq!(
        cells.take(class),
        Ok(taken[999]),
        "free again, the last one first"
    );
    // SAFETY: nobody else knows this pool; its cell 0 is mapped and free.
    unsafe { address.write(1) }
    assert!(resident() > 0, "a touch commits");

    let stacks = StackPool::builder()
        .stack_bytes(1 << 20)
        .capacity(1000)
        .build()
        .expect("a pool");
    let stack = stacks.take(1 << 20).expect("1000 fit");
    let bottom = stack.bottom().addr().get();
    let kib = resident_kib(bottom).expect("the stack is mapped");
    assert!(kib < 64, "{kib} KiB before the stack is used");
    assert!(stacks.metrics().mapped_bytes > 1000 << 20);
    stacks.give_back(stack);

    drop(cells);
    drop(stacks);
    for address in [first, first + (1 << 29), bottom, bottom + (1 << 29)] {
        assert_eq!(resident_kib(address), None, "{address:x} is still mapped");
    }
}
