//! Fibers by number: what their handles lead to, and what they do not.
#![allow(unsafe_code, reason = "reads values from the bytes that C would have")]

use std::{
    mem::MaybeUninit,
    ptr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use dtact_bridge::{
    JoinError, Runtime,
    foreign::{
        CValue, FiberOutcome, Handle, HandleError, cancel, dtact_await, export_async, export_fiber,
        export_local, fiber_info, launch_on, outcome, spawn_closure_on,
    },
    spawn_with, wait, yield_now,
};

/// Each step takes the interpreter a thousand times as long.
const fn times(count: u64) -> u64 {
    if cfg!(miri) { count / 400 + 1 } else { count }
}

fn runtime(workers: usize) -> Runtime {
    // What is usual is too large for the interpreter.
    let builder = Runtime::builder().workers(workers).fibers(64);
    let builder = builder.stack_bytes(1 << 16).stacks(16);
    builder.build().expect("a small runtime")
}

/// Joins by number, as C does.
fn joined<T: CValue>(handle: Handle) -> Result<T, JoinError> {
    let mut claim = handle.claim().expect("nobody else has it");
    wait(claim.ending());
    let size = claim.value_size().expect("C can have it");
    assert_eq!(size, size_of::<T>());
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the bytes of the value, whichever they are.
    let bytes = unsafe { std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size) };
    claim.take(bytes)?;
    // SAFETY: they were written, by a fiber that returned a `T`.
    Ok(unsafe { value.assume_init() })
}

#[test]
fn a_value_comes_back_by_its_bytes() {
    let runtime = runtime(2);
    let spawned = |n: u64| spawn_closure_on(&runtime, spawn_with(), move || n * n);
    let handle = spawned(7).expect("there is room");
    assert_eq!(joined::<u64>(handle).ok(), Some(49));
    assert_eq!(handle.claim().err(), Some(HandleError::Stale));
    let unit = spawn_closure_on(&runtime, spawn_with(), || ()).expect("there is room");
    assert_eq!(joined::<()>(unit).ok(), Some(()));
    // One that does not fit into a cell.
    let large = [1_u8; 10_000];
    let sum = move || large.iter().map(|&n| u32::from(n)).sum::<u32>();
    let large = spawn_closure_on(&runtime, spawn_with(), sum).expect("there is room");
    assert_eq!(joined::<u32>(large).ok(), Some(10_000));
}

#[test]
fn a_handle_of_rust_can_be_waited_for_and_given_up_but_has_no_value_for_c() {
    struct Counted(Arc<AtomicU32>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let runtime = runtime(1);
    let dropped = Arc::new(AtomicU32::new(0));
    for _ in 0..3 {
        let value = Counted(Arc::clone(&dropped));
        let handle = Handle::from(runtime.spawn(async move { value }));
        dtact_await(handle).expect("it is there");
        let claim = handle.claim().expect("nobody else has it");
        assert_eq!(claim.value_size(), None);
        match dropped.load(Ordering::Relaxed) {
            0 => claim.take(&mut []).expect("it returned"),
            1 => claim.detach(),
            _ => {
                drop(claim);
                handle.detach().expect("the claim was given back");
            }
        }
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

#[test]
fn numbers_that_name_no_fiber_are_found_out() {
    let runtime = runtime(1);
    let spawned = runtime.spawn(async {});
    let live = runtime.spawn(async {}).into_handle();
    let raw = live.raw();
    let mut numbers = vec![0, 1, u64::MAX, 1 << 32, 7 << 21, raw + (1 << 32)];
    // Another runtime's fiber could have the same cell and generation.
    let bits = (0..64).filter(|bit| !(24..32).contains(bit));
    numbers.extend(bits.map(|bit| raw ^ (1 << bit)));
    for number in numbers {
        let handle = Handle::from_raw(number);
        let stale = Some(HandleError::Stale);
        assert_eq!(handle.claim().err(), stale, "{number:#x}");
        assert_eq!(handle.detach().err(), stale, "{number:#x}");
        assert_eq!(fiber_info(handle).err(), stale, "{number:#x}");
    }
    // Fibers of Rust are there, but not by their names.
    let id = spawned.id().expect("it was spawned");
    assert!(id.is_alive() || spawned.is_finished());
    for cell in 0..8_u64 {
        for generation in 1..4_u64 {
            let handle = Handle::from_raw(generation << 32 | (raw & 0xff00_0000) | cell);
            if handle != live {
                assert_eq!(handle.detach(), Err(HandleError::Stale));
            }
        }
    }
    assert!(spawned.wait().is_ok());
    assert_eq!(live.detach(), Ok(()));
    assert_eq!(live.detach(), Err(HandleError::Stale));
}

#[test]
fn a_name_whose_cell_was_used_again_is_stale() {
    let runtime = runtime(1);
    let mut old = Vec::new();
    for n in 0..times(200) {
        let handle = spawn_closure_on(&runtime, spawn_with(), move || n).expect("there is room");
        assert!(!old.contains(&handle));
        assert_eq!(joined::<u64>(handle).ok(), Some(n));
        old.push(handle);
    }
    let live = spawn_closure_on(&runtime, spawn_with(), || 1_u64).expect("there is room");
    for handle in old {
        assert_eq!(handle.claim().err(), Some(HandleError::Stale));
        assert_eq!(cancel(handle), Err(HandleError::Stale));
        assert_eq!(dtact_await(handle), Err(HandleError::Stale));
    }
    assert_eq!(joined::<u64>(live).ok(), Some(1));
}

#[test]
fn of_many_that_join_one_gets_the_value_and_none_gets_two() {
    let runtime = runtime(2);
    for n in 0..times(200) {
        let handle = spawn_closure_on(&runtime, spawn_with(), move || {
            wait(yield_now());
            n
        })
        .expect("there is room");
        let begin = Barrier::new(3);
        let winners: u32 = thread::scope(|scope| {
            let joiners: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        begin.wait();
                        match handle.claim() {
                            Ok(mut claim) => {
                                wait(claim.ending());
                                claim.take(&mut []).expect("it returned");
                                1
                            }
                            Err(error) => {
                                assert_ne!(error, HandleError::Deadlock);
                                0
                            }
                        }
                    })
                })
                .collect();
            joiners
                .into_iter()
                .map(|joiner| joiner.join().expect("it holds"))
                .sum()
        });
        assert_eq!(winners, 1);
        assert_eq!(handle.claim().err(), Some(HandleError::Stale));
    }
}

#[test]
fn a_claim_that_is_dropped_leaves_the_handle_as_it_was() {
    let runtime = runtime(1);
    let may_end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&may_end);
    let handle = spawn_closure_on(&runtime, spawn_with(), move || {
        while !told.load(Ordering::Relaxed) {
            wait(yield_now());
        }
        5_u8
    })
    .expect("there is room");
    for _ in 0..3 {
        let mut claim = handle.claim().expect("it was given back");
        assert_eq!(handle.claim().err(), Some(HandleError::Busy));
        assert_eq!(handle.detach(), Err(HandleError::Busy));
        let span = Duration::from_millis(1);
        assert!(wait(dtact_bridge::time::timeout(span, claim.ending())).is_err());
    }
    assert_eq!(outcome(handle), Ok(FiberOutcome::Running));
    may_end.store(true, Ordering::Relaxed);
    assert_eq!(joined::<u8>(handle).ok(), Some(5));
}

#[test]
fn any_number_wait_for_a_fiber_by_its_name() {
    let runtime = runtime(2);
    for _ in 0..times(100) {
        let handle = spawn_closure_on(&runtime, spawn_with(), || wait(yield_now())).expect("room");
        let launched = launch_on(&runtime, spawn_with(), || wait(yield_now())).expect("room");
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| dtact_await(handle).expect("it is there"));
                scope.spawn(|| dtact_await(launched).expect("it is, or was, there"));
            }
        });
        assert_eq!(handle.is_finished(), Ok(true));
        assert_eq!(handle.detach(), Ok(()));
    }
}

#[test]
fn who_waits_for_a_fiber_while_it_is_given_up_is_woken_or_told() {
    let runtime = runtime(1);
    for _ in 0..times(2000) {
        let handle = spawn_closure_on(&runtime, spawn_with(), || wait(yield_now())).expect("room");
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(handle.detach(), Ok(())));
            // A wait that nobody ends would hang here.
            let waited = dtact_await(handle);
            assert!(matches!(waited, Ok(()) | Err(HandleError::Stale)));
        });
        assert_eq!(dtact_await(handle), Err(HandleError::Stale));
    }
}

#[test]
fn a_launched_fiber_needs_no_care_and_its_handle_stays_true() {
    let runtime = runtime(1);
    let mut last = Handle::NONE;
    // More than there are cells, but in the interpreter.
    for _ in 0..times(300) {
        last = launch_on(&runtime, spawn_with(), || ()).expect("those before have gone");
        assert_eq!(last.claim().err(), Some(HandleError::Stale));
        assert_eq!(last.detach(), Err(HandleError::Stale));
        dtact_await(last).expect("it was launched");
    }
    assert_eq!(
        dtact_await(Handle::from_raw(last.raw() + (1 << 40))),
        Err(HandleError::Stale)
    );
    let parked = launch_on(
        &runtime,
        spawn_with(),
        || wait(std::future::pending::<()>()),
    );
    let parked = parked.expect("there is room");
    assert_eq!(parked.is_finished(), Ok(false));
    drop(runtime);
    for handle in [last, parked] {
        assert_eq!(dtact_await(handle), Ok(()));
        assert_eq!(cancel(handle), Ok(()));
        assert_eq!(fiber_info(handle).err(), Some(HandleError::Stale));
    }
}

#[test]
fn an_outcome_says_how_a_fiber_ended_and_stays() {
    let runtime = runtime(1);
    let finished = runtime.spawn(async {}).into_handle();
    let panicked = runtime.spawn(async { panic!("over") }).into_handle();
    let cancelled = runtime.spawn(std::future::pending::<()>()).into_handle();
    assert_eq!(outcome(cancelled), Ok(FiberOutcome::Running));
    cancel(cancelled).expect("it is there");
    let message = Some("over".to_owned());
    for (handle, expected) in [
        (finished, FiberOutcome::Finished),
        (panicked, FiberOutcome::Panicked { message }),
        (cancelled, FiberOutcome::Cancelled),
    ] {
        dtact_await(handle).expect("it is there");
        assert_eq!(outcome(handle), Ok(expected.clone()));
        assert_eq!(outcome(handle), Ok(expected));
        handle.detach().expect("the outcome stays until then");
        assert_eq!(outcome(handle), Err(HandleError::Stale));
    }
}

#[test]
fn handles_outlive_their_runtime() {
    let runtime = runtime(1);
    let handle = spawn_closure_on(&runtime, spawn_with(), || 3_u32).expect("there is room");
    dtact_await(handle).expect("it is there");
    drop(runtime);
    assert_eq!(outcome(handle), Ok(FiberOutcome::Finished));
    assert_eq!(joined::<u32>(handle).ok(), Some(3));
    assert_eq!(handle.is_finished(), Err(HandleError::Stale));
}

#[test]
fn a_fiber_is_refused_to_wait_for_itself() {
    let runtime = runtime(1);
    let (tell, told) = mpsc::channel::<Handle>();
    let handle = spawn_closure_on(&runtime, spawn_with(), move || {
        let own = told.recv().expect("the test sends it");
        assert!(own.is_current());
        assert_eq!(own.claim().err(), Some(HandleError::Deadlock));
        assert_eq!(dtact_await(own), Err(HandleError::Deadlock));
    })
    .expect("there is room");
    tell.send(handle).expect("the fiber waits for it");
    assert!(joined::<()>(handle).is_ok());
}

#[test]
fn exported_functions_run_on_the_runtime_at_hand_and_hand_over_values() {
    async fn double(n: u32) -> u32 {
        yield_now().await;
        2 * n
    }
    struct Argument(*const u64);
    // SAFETY: the test keeps what it points to.
    unsafe impl Send for Argument {}
    impl Argument {
        const fn get(&self) -> *const u64 {
            self.0
        }
    }
    // What is usual is too large for the interpreter. It stays for the rest of the process.
    let builder = Runtime::builder().workers(1).fibers(64);
    let builder = builder.stack_bytes(1 << 16).stacks(16);
    Runtime::init_global(builder).expect("nobody has started it");
    let number = 9_u64;
    let argument = Argument(&raw const number);
    let double = export_async(spawn_with(), double(21));
    let sum = export_fiber(spawn_with().stack("64K"), || -1.5_f64);
    let local = export_local(spawn_with(), move || async move {
        let pointer = argument.get();
        yield_now().await;
        pointer
    });
    assert_eq!(joined::<u32>(double).ok(), Some(42));
    assert_eq!(joined::<f64>(sum).ok(), Some(-1.5));
    let pointer = joined::<*const u64>(local).expect("it returned");
    assert!(ptr::eq(pointer, &raw const number));
}
