//! A small just-in-time compiler's memory: a stack to run generated code on, cells for its objects.
//!
//! `cargo run -p dtact-arena --example stack_pool`
#![allow(unsafe_code, reason = "writes to memory it has taken")]
#![allow(clippy::print_stdout, reason = "an example talks to people")]

use dtact_arena::{ArenaError, CellCache, CellPool, StackCache, StackPool};

pub(crate) fn main() -> Result<(), ArenaError> {
    let stacks = StackPool::builder()
        .stack_bytes(256 * 1024)
        .capacity(100)
        .build()?;
    let mut stack_cache = StackCache::new(4);

    // Generated code starts with its stack pointer at the top and grows down to the bottom.
    let stack = stack_cache.take(&stacks)?;
    println!("stack {} of {:?}", stack.index(), stack.class());
    println!("  top     {:?}", stack.top());
    println!("  bottom  {:?}, with a guard below", stack.bottom());
    println!("  usable  {} bytes", stack.usable_bytes());

    let cells = CellPool::new(10_000)?;
    let mut cell_cache = CellCache::new();
    let class = CellPool::class_for(100).expect("the smallest class has 128 bytes");
    for value in 0..3_u64 {
        let cell = cell_cache.take(&cells, class)?;
        let object = cells
            .address(cell)
            .expect("the pool's own cell")
            .cast::<u64>();
        // SAFETY: the cell is ours until it is given back, aligned to 64 bytes and large enough.
        unsafe { object.write(value) }
        println!(
            "cell {:#08x} of {} bytes at {object:?}",
            cell.raw(),
            class.bytes()
        );
    }
    println!(
        "cells touched: {} of {}",
        cells.touched(class),
        cells.capacity_per_class()
    );

    // The pools are dropped here with everything still out; a pool that lives on wants it back.
    stack_cache.give_back(&stacks, stack);
    stack_cache.flush(&stacks);
    cell_cache.flush(&cells);
    println!("{:?}", stacks.metrics());
    Ok(())
}
