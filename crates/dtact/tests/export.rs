//! Functions that C spawns, called as C would: by their symbols, with values that C has.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unsafe_code, reason = "calls entry points by their symbols")]

mod common;

use std::{
    mem::MaybeUninit,
    sync::atomic::{AtomicU32, Ordering},
};

use common::bounded;
use dtact::{
    FiberId, FiberStatus, JoinError, Priority, WorkloadKind, dtact_await, dtact_handle_t,
    export_async, export_fiber, fiber_info,
    foreign::{CValue, HandleError},
    wait, yield_now,
};

/// Gives twice the number, and lets others run in between.
#[export_async]
async fn double(n: u32) -> u32 {
    yield_now().await;
    2 * n
}

#[export_fiber(name = "digger", stack = "128K")]
pub(crate) fn depth(n: u64) -> u64 {
    if n == 0 {
        wait(async {
            yield_now().await;
            0
        })
    } else {
        1 + depth(n - 1)
    }
}

#[export_fiber(priority = "High", kind = IO)]
fn waits() {
    wait(std::future::pending::<()>());
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Point {
    x: f64,
    y: f32,
}

// SAFETY: two numbers, laid out as in C.
unsafe impl CValue for Point {}

#[export_async]
async fn mirror(point: Point, _: i8, mut scale: f64) -> Point {
    yield_now().await;
    scale *= -1.0;
    Point {
        x: scale * point.x,
        y: point.y,
    }
}

/// # Safety
///
/// `numbers` points to `count` numbers, until the fiber has ended.
#[export_async]
#[allow(
    clippy::future_not_send,
    reason = "it is made on the thread where it stays"
)]
async unsafe fn sum(numbers: *const u32, count: usize) -> u32 {
    yield_now().await;
    // SAFETY: as the caller promises.
    let numbers = unsafe { std::slice::from_raw_parts(numbers, count) };
    numbers.iter().sum()
}

/// # Safety
///
/// `to` points to a number, until the fiber has ended.
#[export_fiber]
unsafe fn write(to: *mut u32, value: u32) {
    wait(yield_now());
    // SAFETY: as the caller promises.
    unsafe { to.write(value) };
}

static STEPS: AtomicU32 = AtomicU32::new(0);

#[export_async]
async fn panics(after: u32) {
    for _ in 0..after {
        yield_now().await;
        STEPS.fetch_add(1, Ordering::Relaxed);
    }
    panic!("for the test");
}

#[export_fiber]
fn r#match(r#match: bool, dtact_export_fiber_match: bool) -> bool {
    r#match && dtact_export_fiber_match && FiberId::current().is_some()
}

/// What C would declare.
mod c {
    use super::{Point, dtact_handle_t};

    unsafe extern "C" {
        pub(crate) safe fn dtact_export_double(n: u32) -> dtact_handle_t;
        pub(crate) safe fn dtact_export_fiber_depth(n: u64) -> dtact_handle_t;
        pub(crate) safe fn dtact_export_fiber_waits() -> dtact_handle_t;
        pub(crate) safe fn dtact_export_mirror(point: Point, n: i8, scale: f64) -> dtact_handle_t;
        pub(crate) fn dtact_export_sum(numbers: *const u32, count: usize) -> dtact_handle_t;
        pub(crate) fn dtact_export_fiber_write(to: *mut u32, value: u32) -> dtact_handle_t;
        pub(crate) safe fn dtact_export_panics(after: u32) -> dtact_handle_t;
        pub(crate) safe fn dtact_export_fiber_match(a: bool, b: bool) -> dtact_handle_t;
    }
}

/// Joins the fiber, and has its value from the bytes that C would have.
fn join<T: CValue>(handle: dtact_handle_t) -> Result<T, JoinError> {
    assert_ne!(handle, dtact_handle_t::NONE);
    let mut claim = handle.claim().expect("nobody else joins it");
    wait(claim.ending());
    assert_eq!(claim.value_size(), Some(size_of::<T>()));
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: these are the bytes of the value, of which none has to be one of it yet.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()) };
    claim.take(bytes)?;
    // SAFETY: it has been written, by a fiber whose value is of this type.
    Ok(unsafe { value.assume_init() })
}

#[test]
fn a_future_and_a_function_are_spawned_by_their_entry_points_and_give_results() {
    bounded(|| {
        assert_eq!(join::<u32>(c::dtact_export_double(21)).unwrap(), 42);
        assert_eq!(join::<u64>(c::dtact_export_fiber_depth(50)).unwrap(), 50);
        assert!(join::<bool>(c::dtact_export_fiber_match(true, true)).unwrap());
        let point = Point { x: 1.5, y: 2.5 };
        let mirrored: Point = join(c::dtact_export_mirror(point, 1, 2.0)).unwrap();
        assert!((mirrored.x + 3.0).abs() < f64::EPSILON);
        assert!((mirrored.y - 2.5).abs() < f32::EPSILON);
    });
}

#[test]
fn pointers_reach_the_fiber_and_what_they_point_to_is_written() {
    bounded(|| {
        let numbers = [1, 2, 3, 4];
        // SAFETY: they stay until it is joined.
        let handle = unsafe { c::dtact_export_sum(numbers.as_ptr(), numbers.len()) };
        assert_eq!(join::<u32>(handle).unwrap(), 10);
        let mut place = 0;
        // SAFETY: it stays until it is joined.
        let handle = unsafe { c::dtact_export_fiber_write(&raw mut place, 9) };
        join::<()>(handle).unwrap();
        assert_eq!(place, 9);
    });
}

#[test]
fn the_arguments_of_the_attribute_are_the_fibers() {
    bounded(|| {
        let handle = c::dtact_export_fiber_waits();
        let info = fiber_info(handle).unwrap();
        assert_eq!(info.name(), Some("waits"));
        assert_eq!(info.priority(), Priority::High);
        assert_eq!(info.kind(), WorkloadKind::IO);
        assert_ne!(info.status(), FiberStatus::Ended);
        handle.cancel().unwrap();
        assert!(join::<()>(handle).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panic_ends_the_fiber_and_is_told_to_who_joins_it() {
    bounded(|| {
        let handle = c::dtact_export_panics(3);
        dtact_await(handle).unwrap();
        let error = join::<()>(handle).unwrap_err();
        assert_eq!(error.panic_message(), Some("for the test"));
        assert_eq!(STEPS.load(Ordering::Relaxed), 3);
        assert_eq!(handle.detach(), Err(HandleError::Stale));
    });
}

#[test]
fn the_function_can_be_called_as_any_other() {
    bounded(|| assert_eq!(wait(double(4)), 8));
}
