//! The stack of a fiber that is suspended in `wait`, walked while nobody can go on with it.
//!
//! ```text
//!   fiber                    who makes a dump, any thread              a waker
//!   parked ◀──────────────── borrow: it holds the fiber [bridge.S1]
//!   suspended, its stack     walks the frames                          wake: noted
//!   left [bridge.W5]         put_back: parked, or queued for the wake
//! ```
//!
//! No worker waits for this, nor this for any worker: who wakes the fiber leaves a note, as with
//! every fiber that is held, and whoever gives it back sees the note. What the fiber waits for is
//! late by the walk at most. A fiber that is held already is left alone.

#![allow(unsafe_code, reason = "walks the stacks of others")]

use core::{error::Error, fmt};
use std::backtrace::{Backtrace, BacktraceStatus};

use dtact_arena::CellIndex;
use dtact_switch::Context;

use crate::{
    fiber::state::Wake,
    fiber_ref::FiberRef,
    runtime::Shared,
    sync::{Arc, lock, yield_now},
    trace::EventKind,
    worker::{context, suspension::Suspension},
};

/// Where a fiber stands that is suspended in [`wait`](crate::wait()): a backtrace of the standard
/// library, from there to the root of its stack.
///
/// Names and lines are looked up when it is printed, which takes memory and some stack.
#[derive(Clone)]
pub struct FiberStack {
    backtrace: Arc<Backtrace>,
}

/// Why a [`Dump`](super::Dump) has no stack of a fiber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoStack {
    /// It waits at an `.await`, has not begun or has ended: it has none.
    NotSuspended,
    /// It runs, or waits in a queue to be run. Where it runs,
    /// [`Builder::watchdog_stacks`](crate::Builder::watchdog_stacks) can tell.
    Runnable,
    /// It was about to leave its stack for others, or somebody else just looked at it.
    Busy,
    /// As many stacks as were wanted had been looked at.
    Left,
    /// Stacks cannot be walked from outside in this build: on Windows, under Miri and sanitizers.
    Unsupported,
}

/// How often a fiber that is about to leave its stack is looked at again.
const ATTEMPTS: usize = 100;

/// What is seen of a suspended fiber.
pub(super) struct Seen {
    pub(super) stack: Result<FiberStack, NoStack>,
    /// The fiber whose end it waits for, if it is that.
    pub(super) waits_for: Option<FiberRef>,
}

/// Looks at the fiber of this generation, which was suspended a moment ago: at its stack too if
/// that is wanted. An error if it cannot be looked at now.
pub(super) fn look(
    shared: &Shared,
    index: CellIndex,
    generation: u32,
    is_stack_wanted: bool,
) -> Result<Seen, NoStack> {
    let cell = shared.cell(index.raw()).ok_or(NoStack::NotSuspended)?;
    let header = cell.header();
    // No fiber is borrowed while the end of the runtime ends what no worker will.
    let may_walk = lock(&shared.may_walk);
    if !*may_walk || !header.state.borrow(generation) {
        return Err(NoStack::Busy);
    }
    let suspension = header.suspension.get().ok_or(NoStack::NotSuspended);
    let seen = suspension.map(|suspension| {
        // SAFETY: on the stack of the fiber, which is held [bridge.S1], so that it stays there.
        let suspension = unsafe { suspension.as_ref() };
        Seen {
            stack: if is_stack_wanted {
                // SAFETY: the fiber is held.
                unsafe { walk(suspension) }
            } else {
                Err(NoStack::Left)
            },
            waits_for: suspension.waits_for.get(),
        }
    });
    if header.state.put_back() == Wake::Schedule {
        let context = context::current_of(shared);
        let fiber = FiberRef::new(shared.number(), index, generation);
        if shared.heeds.runs {
            // The wake that was noted takes effect here.
            let _: Wake = shared.wake_heeded(context, fiber, EventKind::Wake, &|| Wake::Schedule);
        }
        shared.schedule(context, cell, index.raw());
    }
    drop(may_walk);
    seen
}

/// # Safety
///
/// - The caller holds the fiber [bridge.S1].
unsafe fn walk(suspension: &Suspension) -> Result<FiberStack, NoStack> {
    if !Context::CAN_WALK {
        return Err(NoStack::Unsupported);
    }
    for _ in 0..ATTEMPTS {
        // SAFETY: the fiber is held.
        let seen = unsafe { suspension.with_walk(Backtrace::force_capture) };
        if let Some(backtrace) = seen {
            let backtrace = Arc::new(backtrace);
            return Ok(FiberStack { backtrace });
        }
        yield_now();
    }
    Err(NoStack::Busy)
}

impl FiberStack {
    /// The backtrace as it was taken: with the frames of whoever took it on top.
    pub fn backtrace(&self) -> &Backtrace {
        &self.backtrace
    }

    /// The calls, innermost first: the name of the function, and its place where that is known.
    #[must_use]
    pub fn frames(&self) -> Vec<String> {
        if self.backtrace.status() != BacktraceStatus::Captured {
            return Vec::new();
        }
        frames_of(&self.backtrace.to_string())
    }
}

/// The frames in the text of a backtrace, without those of the walk itself.
fn frames_of(text: &str) -> Vec<String> {
    let mut frames = Vec::<String>::new();
    for line in text.lines() {
        let line = line.trim();
        let numbered = line.split_once(": ");
        match (numbered, frames.last_mut()) {
            (Some((number, name)), _) if number.parse::<u32>().is_ok() => {
                frames.push(name.to_owned());
            }
            (_, Some(frame)) => {
                frame.push(' ');
                frame.push_str(line);
            }
            (_, None) => {}
        }
    }
    let is_of_walk = |frame: &String| frame.contains("with_walk") || frame.contains("call_above");
    let walk = frames.iter().rposition(is_of_walk);
    frames.split_off(walk.map_or(0, |walk| walk + 1))
}

impl fmt::Display for FiberStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.frames();
        let mut numbered = frames.iter().enumerate();
        numbered.try_for_each(|(at, frame)| writeln!(f, "{at:4}: {frame}"))
    }
}

impl fmt::Debug for FiberStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}

impl fmt::Display for NoStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSuspended => "it is not suspended in `wait`",
            Self::Runnable => "it runs, or waits to be run",
            Self::Busy => "it was about to be suspended, or somebody else looked at it",
            Self::Left => "enough others were looked at",
            Self::Unsupported => "stacks of suspended fibers cannot be walked in this build",
        })
    }
}

impl Error for NoStack {}

#[cfg(test)]
mod tests {
    use super::frames_of;

    #[test]
    fn a_text_becomes_frames_without_those_of_the_walk() {
        let text = [
            "   0: std::backtrace::Backtrace::create",
            "   1: dtact_switch::context::Context::with_walk::call",
            "             at src/context.rs:1:2",
            "   2: dtact_switch::arch::call_above",
            "   3: user::waits",
            "             at src/main.rs:3:4",
            "   4: <unknown>",
        ];
        let text = text.join("\n");
        assert_eq!(
            frames_of(&text),
            ["user::waits at src/main.rs:3:4", "<unknown>"]
        );
        assert_eq!(frames_of("   0: a::b\n"), ["a::b"]);
        assert!(frames_of("unsupported backtrace").is_empty());
    }
}
