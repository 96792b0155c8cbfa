//! A generator on a stack of its own: Fibonacci numbers, a panic passed on, and unwinding on drop.
//!
//! Run with `cargo run -p dtact-switch --example generator`. The stack comes from the heap and has
//! no guard page: enough for an example, not for code whose depth is not known.
#![allow(unsafe_code, reason = "the example makes stacks and calls the switch")]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};

use dtact_switch::{Context, ContextSwitcher, SameThreadFloat, StackBounds, Transfer};

/// 256 KiB: room for a panic's message in a debug build.
const STACK_WORDS: usize = 16 * 1024;

type Body<T> = Box<dyn FnOnce(&mut Yielder<T>)>;

/// What the fiber says when it suspends. It lies on the fiber's stack, and the resumer takes it
/// from there.
enum Event<T> {
    Item(T),
    Done,
    Panicked(Box<dyn Any + Send>),
}

/// The panic payload by which a dropped generator unwinds its stack.
struct Stop;

/// An iterator whose items are made by a function that runs on its own stack.
///
/// ```text
///   fresh ──next──► suspended ──next──► … ──next──► finished
///     │                 │ drop: resumed once more to unwind
///     └── drop: the body never ran
/// ```
struct Generator<T: 'static> {
    /// Taken by the fiber at its first resumption.
    body: Option<Body<T>>,
    /// `None` once the body is finished.
    fiber: Option<Context>,
    /// The element type gives the alignment of a stack's top.
    stack: Box<[u128]>,
}

impl<T> Generator<T> {
    fn new(body: impl FnOnce(&mut Yielder<T>) + 'static) -> Self {
        let mut stack = vec![0_u128; STACK_WORDS].into_boxed_slice();
        let bounds = StackBounds::of_block(&mut stack);
        // SAFETY: aligned as `u128` is, the bounds of a block that lives as long as the context;
        // nothing else uses the block.
        let fiber = unsafe { Context::new(bounds, root::<T>) };
        Self {
            body: Some(Box::new(body)),
            fiber: Some(fiber),
            stack,
        }
    }

    /// Runs the fiber until it suspends.
    fn resume(&mut self, fiber: Context, message: *mut ()) -> Option<T> {
        // SAFETY: fresh, or suspended in `Yielder::suspend` on this thread, since neither `Context`
        // nor this type is `Send`; the stack is in `self`.
        let transfer = unsafe { SameThreadFloat::switch(fiber, message) };
        let event = transfer.message.cast::<Option<Event<T>>>();
        // SAFETY: the fiber is suspended and its event lies on its stack until it is resumed.
        let event = unsafe { (*event).take() };
        match event.expect("a fiber suspends with an event") {
            Event::Item(item) => {
                self.fiber = Some(transfer.from);
                Some(item)
            }
            Event::Done => None,
            Event::Panicked(payload) => panic::resume_unwind(payload),
        }
    }
}

impl<T> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let fiber = self.fiber.take()?;
        let message = if self.body.is_some() {
            (&raw mut self.body).cast()
        } else {
            ptr::null_mut()
        };
        self.resume(fiber, message)
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        debug_assert_eq!(self.stack.len(), STACK_WORDS);
        // A body that never ran has nothing on its stack.
        let Some(mut fiber) = self.fiber.take().filter(|_| self.body.is_none()) else {
            return;
        };
        loop {
            let stop = NonNull::<Stop>::dangling().as_ptr().cast();
            // A body may catch the unwinding and yield again: tell it again.
            let Some(_item) = self.resume(fiber, stop) else {
                return;
            };
            let Some(again) = self.fiber.take() else {
                return;
            };
            fiber = again;
        }
    }
}

/// The body's way back.
struct Yielder<T> {
    resumer: Option<Context>,
    item: PhantomData<T>,
}

impl<T> Yielder<T> {
    /// Hands an item to the resumer; returns at the next call of `next`.
    fn give(&mut self, item: T) {
        if !self.suspend(Event::Item(item)).is_null() {
            panic::resume_unwind(Box::new(Stop));
        }
    }

    fn suspend(&mut self, event: Event<T>) -> *mut () {
        let mut event = Some(event);
        let resumer = self.resumer.take().expect("put back after each switch");
        // SAFETY: the resumer waits in the context it left, in `Generator::resume`.
        let transfer = unsafe { SameThreadFloat::switch(resumer, (&raw mut event).cast()) };
        self.resumer = Some(transfer.from);
        transfer.message
    }
}

/// The fiber's first function: nothing unwinds out of it.
///
/// # Safety
///
/// - Entered by the first `resume` of a generator, whose message is its producer.
unsafe extern "C" fn root<T>(first: Transfer) -> ! {
    // SAFETY: the first message is the body's place in the generator, which waits.
    let body = unsafe { (*first.message.cast::<Option<Body<T>>>()).take() };
    let body = body.expect("the first resumption brings the body");
    let mut yielder = Yielder {
        resumer: Some(first.from),
        item: PhantomData,
    };
    let event = match panic::catch_unwind(AssertUnwindSafe(|| body(&mut yielder))) {
        Ok(()) => Event::Done,
        Err(payload) if payload.is::<Stop>() => Event::Done,
        Err(payload) => Event::Panicked(payload),
    };
    yielder.suspend(event);
    unreachable!("a finished fiber is not resumed");
}

fn fibonacci() -> Generator<u64> {
    Generator::new(|yielder| {
        let (mut a, mut b) = (0_u64, 1_u64);
        loop {
            yielder.give(a);
            (a, b) = (b, a + b);
        }
    })
}

/// Says when it is dropped.
struct Noisy;

impl Drop for Noisy {
    fn drop(&mut self) {
        println!("the fiber's local was dropped");
    }
}

pub(crate) fn main() {
    let numbers: Vec<u64> = fibonacci().take(12).collect();
    println!("{numbers:?}");
    assert_eq!(numbers, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]);

    let mut failing = Generator::new(|yielder| {
        yielder.give(1);
        panic::resume_unwind(Box::new("no second item"));
    });
    assert_eq!(failing.next(), Some(1));
    let caught = panic::catch_unwind(AssertUnwindSafe(|| failing.next()));
    let payload = caught.expect_err("the panic is passed on to the resumer");
    println!("passed on: {:?}", payload.downcast_ref::<&str>());
    assert_eq!(failing.next(), None);

    let mut dropped_early = Generator::new(|yielder| {
        let _noisy = Noisy;
        yielder.give("one");
        yielder.give("never reached");
    });
    assert_eq!(dropped_early.next(), Some("one"));
    drop(dropped_early);
}
