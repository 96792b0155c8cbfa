//! Looking at runtimes and fibers: counts, a dump, how a fiber ended, what it is doing.
//!
//! What is written field by field grows with later versions. So the caller says in the first field
//! how many bytes it has room for, no more are written, and the field then says how many were.

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::{
    ffi::c_char,
    fmt::{self, Write},
    mem::offset_of,
    ptr,
};

use dtact::{
    FiberDump, FiberOutcome, FiberStatus, Metrics,
    foreign::{Handle, HandleError},
};

use crate::{
    boundary,
    error::Error,
    fiber::{DtactHandle, refused},
    knobs::Numbered,
    runtime::DtactRuntime,
    status::DtactStatus,
};

/// `dtact_metrics_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `dtact::Metrics`, and in the header")]
#[repr(C)]
pub struct DtactMetrics {
    pub size: usize,
    pub spawned: u64,
    pub finished: u64,
    pub heap_escaped_spawns: u64,
    pub stackful_suspensions: u64,
    pub blocked_waits: u64,
    pub starved: u64,
    pub stacks_live: u64,
    pub stacks_live_max: u64,
}

/// The longest name that C is told, with the zero at its end.
const NAME_SIZE: usize = 256;

/// `dtact_fiber_info_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `dtact::FiberDump`, and in the header")]
#[repr(C)]
pub struct DtactFiberInfo {
    pub size: usize,
    pub state: i32,
    pub worker: i32,
    pub priority: i32,
    pub affinity: i32,
    pub kind: i32,
    pub stack_bytes: u32,
    pub name: [c_char; NAME_SIZE],
}

/// What the first version of each structure has: no caller has less.
const METRICS_SIZE_MIN: usize = offset_of!(DtactMetrics, stacks_live_max) + size_of::<u64>();
const INFO_SIZE_MIN: usize = offset_of!(DtactFiberInfo, name) + NAME_SIZE;

/// A structure that begins with its size.
///
/// # Safety
///
/// - It is `repr(C)`, begins with a `usize`, and each of its bytes may be copied.
unsafe trait Versioned {
    const SIZE_MIN: usize;
    fn set_size(&mut self, size: usize);
}

// SAFETY: a size, then numbers.
unsafe impl Versioned for DtactMetrics {
    const SIZE_MIN: usize = METRICS_SIZE_MIN;
    fn set_size(&mut self, size: usize) {
        self.size = size;
    }
}

// SAFETY: a size, then numbers.
unsafe impl Versioned for DtactFiberInfo {
    const SIZE_MIN: usize = INFO_SIZE_MIN;
    fn set_size(&mut self, size: usize) {
        self.size = size;
    }
}

/// How much the caller has room for.
///
/// # Safety
///
/// - `out` is null, or its first field can be read.
unsafe fn room_in<T: Versioned>(out: *const T) -> Result<usize, Error> {
    if out.is_null() {
        return Err(Error::Null("out"));
    }
    // SAFETY: not null, and readable as the caller promises.
    let size = unsafe { out.cast::<usize>().read() };
    if size < T::SIZE_MIN {
        return Err(Error::TooSmall {
            size,
            size_min: T::SIZE_MIN,
        });
    }
    Ok(size.min(size_of::<T>()))
}

/// Writes what the caller has room for.
///
/// # Safety
///
/// - `size` bytes of `out` can be written, no more than `T` has.
unsafe fn write_sized<T: Versioned>(mut value: T, out: *mut T, size: usize) {
    value.set_size(size);
    let from = (&raw const value).cast::<u8>();
    // SAFETY: as the caller promises; `value` is a local.
    unsafe { ptr::copy_nonoverlapping(from, out.cast::<u8>(), size) };
}

/// Writes to `out` how much a runtime has done since it was started.
///
/// # Safety
///
/// - `runtime` is null, or came from [`dtact_runtime_start`](crate::dtact_runtime_start) and is
///   not freed before this returns.
/// - `out` is null, or its first field says how many bytes of it can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_runtime_metrics(
    runtime: *const DtactRuntime,
    out: *mut DtactMetrics,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { runtime.as_ref() }.ok_or(Error::Null("runtime"))?;
        // SAFETY: as the caller promises.
        let size = unsafe { room_in(out) }?;
        // SAFETY: as the caller says by the size.
        unsafe { write_sized(metrics(this.runtime.metrics()), out, size) };
        Ok(())
    })
}

fn metrics(metrics: Metrics) -> DtactMetrics {
    DtactMetrics {
        size: 0,
        spawned: metrics.spawned,
        finished: metrics.finished,
        heap_escaped_spawns: metrics.heap_escaped_spawns,
        stackful_suspensions: metrics.stackful_suspensions,
        blocked_waits: metrics.blocked_waits,
        starved: metrics.starved.into(),
        stacks_live: metrics.stacks_live.into(),
        stacks_live_max: metrics.stacks_live_max.into(),
    }
}

/// Writes the dump of a runtime to `buffer` as a text, as much of it as fits into `size` bytes with
/// a zero at its end, and to `length`, unless that is null, how many bytes the whole of it has.
///
/// # Safety
///
/// - `runtime` as for [`dtact_runtime_metrics`].
/// - `buffer` is null, or `size` bytes of it can be written; `length` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_runtime_dump(
    runtime: *const DtactRuntime,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { runtime.as_ref() }.ok_or(Error::Null("runtime"))?;
        if buffer.is_null() && size > 0 {
            return Err(Error::Null("buffer"));
        }
        let mut text = Text(String::new());
        // A text takes everything.
        let _: fmt::Result = write!(text, "{}", this.runtime.dump());
        let text = text.0;
        if size > 0 {
            // SAFETY: as the caller promises: so many bytes and one more.
            unsafe { write_text(&text, buffer, size) };
        }
        if !length.is_null() {
            // SAFETY: not null, and writable as the caller promises.
            unsafe { length.write(text.len()) };
        }
        Ok(())
    })
}

/// A text without zeros: a name may have some.
struct Text(String);

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.extend(part.chars().filter(|&it| it != '\0'));
        Ok(())
    }
}

/// Writes as much of a text as fits, up to a character that does not, and a zero.
///
/// # Safety
///
/// - `size` bytes of `buffer` can be written, at least one.
unsafe fn write_text(text: &str, buffer: *mut c_char, size: usize) {
    let length = text.floor_char_boundary(size - 1);
    // SAFETY: as the caller promises.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), length) };
    // SAFETY: within the size, as the length is less.
    let end = unsafe { buffer.add(length) };
    // SAFETY: the same.
    unsafe { end.write(0) };
}

/// Writes to `out` how a fiber ended, or that it has not: a `dtact_outcome_t`.
///
/// # Safety
///
/// - `out` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_outcome(handle: DtactHandle, out: *mut i32) -> DtactStatus {
    boundary::enter(|| {
        if out.is_null() {
            return Err(Error::Null("out"));
        }
        let outcome = Handle::from_raw(handle).outcome();
        let number = outcome_number(&outcome.map_err(refused(handle))?);
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(number) };
        Ok(())
    })
}

/// What a later version adds is told as a return: the fiber has ended.
const fn outcome_number(outcome: &FiberOutcome) -> i32 {
    match outcome {
        FiberOutcome::Running => 0,
        FiberOutcome::Panicked { .. } => 2,
        FiberOutcome::Cancelled => 3,
        _ => 1,
    }
}

/// Writes to `out` what is known of a fiber at this moment.
///
/// # Safety
///
/// - `out` is null, or its first field says how many bytes of it can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_fiber_info(
    handle: DtactHandle,
    out: *mut DtactFiberInfo,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let size = unsafe { room_in(out) }?;
        let found: Result<FiberDump, HandleError> = Handle::from_raw(handle).info();
        let info = info(&found.map_err(refused(handle))?);
        // SAFETY: as the caller says by the size.
        unsafe { write_sized(info, out, size) };
        Ok(())
    })
}

fn info(dump: &FiberDump) -> DtactFiberInfo {
    let mut info = DtactFiberInfo {
        size: 0,
        state: match dump.status() {
            FiberStatus::Parked => 1,
            FiberStatus::Ended => 2,
            _ => 0,
        },
        worker: dump.worker().map_or(-1, |worker| {
            i32::try_from(worker).expect("a runtime has at most 1024 workers")
        }),
        priority: number_of(dump.priority()),
        affinity: number_of(dump.affinity()),
        kind: number_of(dump.kind()),
        stack_bytes: dump.stack_bytes_min(),
        name: [0; NAME_SIZE],
    };
    let mut name = Text(String::new());
    // A text takes everything.
    let _: fmt::Result = name.write_str(dump.name().unwrap_or_default());
    // SAFETY: the bytes of a local variable.
    unsafe { write_text(&name.0, info.name.as_mut_ptr(), NAME_SIZE) };
    info
}

/// The number of a value, as C has it.
fn number_of<T: Numbered + PartialEq>(value: T) -> i32 {
    let at = T::VALUES.iter().position(|&other| other == value);
    i32::try_from(at.expect("each value has a number")).expect("there are a few")
}

#[cfg(test)]
mod tests {
    use core::ffi::CStr;

    use super::{DtactMetrics, METRICS_SIZE_MIN, room_in, write_sized, write_text};

    #[test]
    fn a_text_is_cut_before_the_character_that_does_not_fit() {
        for (size, expected) in [(1, c""), (2, c"a"), (3, c"a"), (4, c"aé"), (9, c"aé")] {
            let mut buffer = [1; 9];
            // SAFETY: so many bytes of it, and no more than it has.
            unsafe { write_text("aé", buffer.as_mut_ptr(), size) };
            // SAFETY: it ends with a zero.
            let text = unsafe { CStr::from_ptr(buffer.as_ptr()) };
            assert_eq!(text, expected, "{size}");
        }
    }

    #[test]
    fn no_more_is_written_than_there_is_room_for_and_no_less_is_taken() {
        let mut metrics = DtactMetrics {
            size: METRICS_SIZE_MIN - 1,
            ..DtactMetrics::default()
        };
        // SAFETY: a local.
        assert!(unsafe { room_in(&raw const metrics) }.is_err());
        metrics.size = usize::MAX;
        // SAFETY: a local.
        let room = unsafe { room_in(&raw const metrics) }.expect("a newer caller");
        assert_eq!(room, size_of::<DtactMetrics>());
        let told = DtactMetrics {
            spawned: 7,
            finished: 8,
            ..DtactMetrics::default()
        };
        // SAFETY: a local, of which two fields are written.
        unsafe { write_sized(told, &raw mut metrics, 16) };
        assert_eq!(
            (metrics.size, metrics.spawned, metrics.finished),
            (16, 7, 0)
        );
    }
}
