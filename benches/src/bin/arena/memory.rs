//! What is counted: mappings, page tables, resident memory, and slots that drift between threads.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::fs;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use dtact_arena::{Stack, StackCache, StackPool};

use crate::time;

const BYTES: usize = 64 * 1024;

fn pool(capacity: u32) -> StackPool {
    let builder = StackPool::builder().stack_bytes(BYTES).capacity(capacity);
    builder.build().expect("address space for the stacks")
}

fn map_count() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    maps.lines().count()
}

fn page_table_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPTE:"));
    let kib = line.expect("Linux says it").trim().trim_end_matches(" kB");
    kib.parse().expect("a number of KiB")
}

fn touch(stack: &Stack) {
    // SAFETY: a stack has 64 KiB below its top.
    let byte = unsafe { stack.top().sub(64) };
    // SAFETY: as above, and the caller holds the stack.
    unsafe { byte.write_volatile(1) }
}

fn million() {
    let count = 1_000_000_u32;
    let mut stacks = Vec::with_capacity(count as usize);
    let (maps, tables) = (map_count(), page_table_kib());
    let started = Instant::now();
    let pool = pool(count);
    let nanoseconds = time(count, || {
        stacks.extend((0..count).map(|_| pool.take(BYTES).expect("a million fit")));
    });
    let made = started.elapsed();
    println!("\nA million guarded stacks of 64 KiB, all out together\n");
    println!(
        "- made in {:.2} s, of which {:.2} s were processor time",
        made.as_secs_f64(),
        nanoseconds * f64::from(count) / 1e9
    );
    println!("- {} mappings more", map_count() - maps);
    let table_bytes = (page_table_kib() - tables) * 1024;
    println!("- {} bytes of page tables each", table_bytes / stacks.len());
    let started = Instant::now();
    drop(pool);
    println!("- unmapped in {:.2} s", started.elapsed().as_secs_f64());
}

fn burst() {
    let count = 100_000_u32;
    let pool = pool(count);
    let stacks: Vec<_> = (0..count)
        .map(|_| pool.take(BYTES).expect("they fit"))
        .collect();
    stacks.iter().for_each(touch);
    let resident = || pool.resident_bytes().expect("the system says");
    let burst = resident();
    println!("\n100,000 stacks of 64 KiB, one page of each touched, then given back\n");
    println!(
        "- {} bytes resident for each while out",
        burst / stacks.len()
    );
    for stack in stacks {
        pool.give_back(stack);
    }
    // A period of one second, in four steps, by a clock that does not wait.
    let step = Duration::from_millis(250);
    let start = Instant::now();
    let mut nanoseconds = 0.0;
    for quarter in 0..=12_u32 {
        nanoseconds += time(count, || {
            while pool.decay(start + step * quarter) == Ok(Some(Duration::ZERO)) {}
        });
        if quarter % 2 == 0 {
            let percent = resident() * 1000 / burst;
            println!(
                "- after {} quarters of a period {}.{} % are left",
                quarter,
                percent / 10,
                percent % 10
            );
        }
    }
    println!("- giving it back took {nanoseconds:.0} ns of processor time for each stack");
}

fn producer_and_consumer() {
    let count = 10_000_000_u32;
    let pool = pool(10_000);
    let started = Instant::now();
    let (send, receive) = sync_channel::<Stack>(256);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let send = send;
            let mut cache = StackCache::new(8);
            for _ in 0..count {
                let stack = cache.take(&pool).expect("the other one gives them back");
                send.send(stack).expect("the other one listens");
            }
            cache.flush(&pool);
        });
        let mut cache = StackCache::new(8);
        for stack in receive {
            cache.give_back(&pool, stack);
        }
        cache.flush(&pool);
    });
    let metrics = pool.metrics();
    println!("\nTen million stacks taken by one thread and given back by another\n");
    println!(
        "- {:.0} ns each, the channel included",
        started.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    );
    println!(
        "- {} of {} slots were ever used, with 256 in the channel and 8 in each cache; {} are out",
        metrics.touched,
        pool.capacity(),
        metrics.live
    );
}

pub(crate) fn run() {
    million();
    burst();
    producer_and_consumer();
}
