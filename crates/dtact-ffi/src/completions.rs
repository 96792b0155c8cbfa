//! The ends of fibers in a queue with a descriptor to poll, for event loops that are not ours.
//!
//! ```text
//!   watch(fiber, tag) ┐                      ┌───────────────┐
//!   watch(fiber, tag) ┼── the fiber ends ───▶│ queue, ended  │──▶ next(): fiber, tag
//!   watch(fiber, tag) ┘                      └───────┬───────┘
//!                                    not empty: the descriptor is readable ──▶ poll(), epoll
//! ```

#![allow(unsafe_code, reason = "takes pointers from C")]

use core::ffi::{c_int, c_void};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    boundary, completion::at_end, error::Error, fiber::DtactHandle, signal::Signal,
    status::DtactStatus,
};

/// A queue of the ends of fibers: `dtact_completions_t`.
#[derive(Debug)]
pub struct DtactCompletions(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    ended: VecDeque<(DtactHandle, Tag)>,
    /// How many are watched and have not ended: there is room for them.
    watched_count: usize,
    /// Readable while `ended` is not empty; `None` once the queue was freed.
    signal: Option<Signal>,
}

/// What C calls a fiber by.
#[derive(Clone, Copy, Debug)]
struct Tag(*mut c_void);

// SAFETY: a number to this crate, which goes back to C as it came.
unsafe impl Send for Tag {}

impl DtactCompletions {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        locked(&self.0)
    }
}

fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Held for a look and a change, and no wait; nothing under it is left half done.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// A watched fiber has ended. It runs on a worker, and allocates nothing.
    fn push(&mut self, handle: DtactHandle, tag: Tag) {
        self.watched_count -= 1;
        let Some(signal) = &self.signal else {
            return;
        };
        if self.ended.is_empty() {
            signal.raise();
        }
        self.ended.push_back((handle, tag));
    }

    fn pop(&mut self) -> Option<(DtactHandle, Tag)> {
        let first = self.ended.pop_front()?;
        if self.ended.is_empty()
            && let Some(signal) = &self.signal
        {
            signal.clear();
        }
        Some(first)
    }
}

/// An empty queue, written to `out`, to be freed by [`dtact_completions_free`].
///
/// # Safety
///
/// - `out` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_completions_new(out: *mut *mut DtactCompletions) -> DtactStatus {
    boundary::enter(|| {
        if out.is_null() {
            return Err(Error::Null("out"));
        }
        let signal = Signal::new().map_err(|error| Error::System("a descriptor", error))?;
        let queue = Arc::new(Mutex::new(Queue {
            ended: VecDeque::new(),
            watched_count: 0,
            signal: Some(signal),
        }));
        let completions = Box::into_raw(Box::new(DtactCompletions(queue)));
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(completions) };
        Ok(())
    })
}

/// Frees a queue, and closes its descriptor. Fibers that it watches go on.
///
/// # Safety
///
/// - `completions` is null, or came from [`dtact_completions_new`] and is not used again.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_completions_free(completions: *mut DtactCompletions) {
    boundary::enter(|| {
        if !completions.is_null() {
            // SAFETY: as the caller promises, it came from `Box::into_raw`, and this is its end.
            let this = unsafe { Box::from_raw(completions) };
            let signal = this.queue().signal.take();
            drop(signal);
        }
        Ok(())
    });
}

/// Writes the descriptor to `out`: readable while there is something to take.
///
/// # Safety
///
/// - `completions` is null, or came from [`dtact_completions_new`] and is not freed before this
///   returns.
/// - `out` is null or can be written.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_completions_descriptor(
    completions: *const DtactCompletions,
    out: *mut c_int,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { completions.as_ref() }.ok_or(Error::Null("completions"))?;
        if out.is_null() {
            return Err(Error::Null("out"));
        }
        let descriptor = this.queue().signal.as_ref().map_or(-1, Signal::descriptor);
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(descriptor) };
        Ok(())
    })
}

/// Puts a fiber and its tag into the queue once it has ended.
///
/// # Safety
///
/// - `completions` is null, or came from [`dtact_completions_new`] and is not freed before this
///   returns.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_completions_watch(
    completions: *const DtactCompletions,
    handle: DtactHandle,
    tag: *mut c_void,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { completions.as_ref() }.ok_or(Error::Null("completions"))?;
        {
            let mut queue = this.queue();
            queue.watched_count += 1;
            let watched_count = queue.watched_count;
            queue.ended.reserve(watched_count);
        }
        let queue = Arc::clone(&this.0);
        let tag = Tag(tag);
        let watched = at_end(handle, move || locked(&queue).push(handle, tag));
        if watched.is_err() {
            this.queue().watched_count -= 1;
        }
        watched
    })
}

/// Takes the first of the queue: its handle, and its tag. 0 where there is none.
///
/// # Safety
///
/// - `completions` is null, or came from [`dtact_completions_new`] and is not freed before this
///   returns.
/// - `out` is null or can be written, and so is `tag`.
// The name is this library's alone [ffi.N1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtact_completions_next(
    completions: *const DtactCompletions,
    out: *mut DtactHandle,
    tag: *mut *mut c_void,
) -> DtactStatus {
    boundary::enter(|| {
        // SAFETY: as the caller promises.
        let this = unsafe { completions.as_ref() }.ok_or(Error::Null("completions"))?;
        if out.is_null() {
            return Err(Error::Null("out"));
        }
        let first = this.queue().pop();
        if let Some((_, Tag(first))) = first
            && !tag.is_null()
        {
            // SAFETY: not null, and writable as the caller promises.
            unsafe { tag.write(first) };
        }
        // SAFETY: not null, and writable as the caller promises.
        unsafe { out.write(first.map_or(0, |(handle, _)| handle)) };
        Ok(())
    })
}
