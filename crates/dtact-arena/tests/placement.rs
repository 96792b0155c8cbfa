//! Where memory comes from, when that is asked for: a NUMA node, huge pages.
#![cfg(all(target_os = "linux", not(miri), not(dtact_loom)))]
#![allow(unsafe_code, reason = "touches stacks and cells it holds")]

use core::ptr::NonNull;
use std::{env, fs};

use dtact_arena::{ArenaError, CellPool, StackPool};

/// The line of `/proc/self/numa_maps` for the mapping that an address lies in: that with the
/// highest start below it. `None` where the kernel has no such file.
fn numa_line(address: usize) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/numa_maps").ok()?;
    let start = |line: &str| {
        let number = line.split(' ').next().expect("a line has a first word");
        usize::from_str_radix(number, 16).expect("an address")
    };
    let below = maps.lines().filter(|line| start(line) <= address);
    below.max_by_key(|line| start(line)).map(str::to_owned)
}

/// The nodes that have memory, the lowest and the highest.
fn nodes() -> (u32, u32) {
    let text = fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default();
    let number = |text: &str| text.trim().parse().unwrap_or(0);
    let first = text.split([',', '-']).next().map_or(0, number);
    let last = text.split([',', '-']).next_back().map_or(0, number);
    (first, last)
}

fn touch(address: NonNull<u8>) {
    // SAFETY: the callers pass a byte of a stack or a cell that they hold.
    unsafe { address.write(1) }
}

#[test]
fn a_pool_prefers_the_node_it_is_told_and_node_0_is_one() {
    let (first, last) = nodes();
    for node in [first, last] {
        let builder = StackPool::builder().stack_bytes(64 * 1024).capacity(4);
        let stacks = match builder.node(node).build() {
            Ok(pool) => pool,
            Err(ArenaError::NodeRefused { errno, .. }) => {
                println!("SKIPPED: choosing a node: {errno}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let stack = stacks.take(1).expect("four fit");
        touch(stack.bottom());
        let cells = CellPool::builder().capacity(4).node(node).build();
        let cells = cells.expect("what stacks may, cells may");
        let class = CellPool::class_for(1).expect("the smallest class");
        let cell = cells.take(class).expect("four are there");
        let cell = cells.address(cell).expect("the pool's own");
        touch(cell);
        for address in [stack.bottom(), cell] {
            let Some(line) = numa_line(address.addr().get()) else {
                println!("SKIPPED: the kernel does not show nodes");
                return;
            };
            if env::var_os("DTACT_EMULATED").is_some() {
                println!("SKIPPED: the policies of an emulator are its own");
                return;
            }
            assert!(line.contains(&format!("prefer:{node}")), "{line}");
            if first == last {
                println!("SKIPPED: with one node all pages are on it");
            } else {
                assert!(line.contains(&format!("N{node}=")), "{line}");
            }
        }
        stacks.give_back(stack);
    }
}

#[test]
fn a_node_that_does_not_exist_is_a_typed_error_that_names_it() {
    if env::var_os("DTACT_EMULATED").is_some() {
        println!("SKIPPED: an emulator need not know nodes");
        return;
    }
    for node in [1000, u32::MAX] {
        let refused =
            |error| matches!(error, ArenaError::NodeRefused { node: named, .. } if named == node);
        let stacks = StackPool::builder().capacity(1).node(node).build();
        let error = stacks.expect_err("no machine has so many nodes");
        assert!(
            error.to_string().contains(&format!("NUMA node {node}")),
            "{error}"
        );
        assert!(refused(error));
        let cells = CellPool::builder().capacity(1).node(node).build();
        assert!(refused(cells.expect_err("no machine has so many nodes")));
    }
}

/// What `/proc/self/smaps` says under a name of the mapping that an address lies in.
fn smaps(address: usize, name: &str) -> Option<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("/proc is mounted");
    let mut is_here = false;
    for line in smaps.lines() {
        let first = line.split(' ').next().expect("a line has a first word");
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).expect("an address");
            is_here = (number(start)..number(end)).contains(&address);
        } else if is_here && let Some(rest) = line.strip_prefix(name) {
            return Some(rest.trim().to_owned());
        }
    }
    None
}

#[test]
fn cells_have_huge_pages_on_request_and_stacks_never() {
    if env::var_os("DTACT_EMULATED").is_some() {
        println!("SKIPPED: the mappings of an emulator are its own");
        return;
    }
    let cells = match CellPool::builder()
        .capacity(100_000)
        .huge_pages(true)
        .build()
    {
        Ok(pool) => pool,
        Err(error) => {
            println!("SKIPPED: {error}");
            return;
        }
    };
    let class = CellPool::class_for(1024).expect("there is a class of 1 KiB");
    // The middle of 100 MB: a huge page fits around it, whatever the alignment of the whole.
    let cell = cells.touched_cells(class).next();
    assert_eq!(cell, None);
    let middle = (0..50_000).map(|_| cells.take(class).expect("100,000 are there"));
    let cell = middle.last().expect("50,000 were taken");
    let address = cells.address(cell).expect("the pool's own");
    touch(address);
    let flags = smaps(address.addr().get(), "VmFlags:").expect("the cell is mapped");
    assert!(flags.split(' ').any(|flag| flag == "hg"), "{flags}");
    let huge = smaps(address.addr().get(), "AnonHugePages:").expect("the cell is mapped");
    if huge == "0 kB" {
        println!("SKIPPED: the kernel had no huge page to give");
    }

    let stacks = StackPool::builder().stack_bytes(8 << 20).capacity(4);
    let stacks = stacks.build().expect("32 MiB of address space");
    let stack = stacks.take(1 << 23).expect("four fit");
    touch(stack.bottom());
    let address = stack.bottom().addr().get();
    let flags = smaps(address, "VmFlags:").expect("the stack is mapped");
    assert!(flags.split(' ').any(|flag| flag == "nh"), "{flags}");
    assert_eq!(smaps(address, "AnonHugePages:").as_deref(), Some("0 kB"));
    let page_bytes = rustix::param::page_size();
    assert_eq!(
        stacks.resident_bytes(),
        Ok(page_bytes),
        "a touched page costs one page"
    );
    stacks.give_back(stack);
}
