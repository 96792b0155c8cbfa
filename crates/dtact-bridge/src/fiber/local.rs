//! Values that belong to a fiber: each fiber has its own, made when it is first asked for, and
//! dropped when the fiber ends.
//!
//! A key gets a small number at its first use; a fiber's values are a list by that number. So
//! finding one takes two loads, however many keys there are.
//!
//! # Invariants
//!
//! - [bridge.L1] A value is boxed, stays where it is until its fiber ends, and is then moved out of
//!   the list before it is dropped. So a reference handed to a closure stays good while the
//!   closure runs, whatever that does.

#![allow(
    unsafe_code,
    reason = "hands out references to values that the list keeps"
)]

use core::{any::Any, cell::UnsafeCell, fmt, marker::PhantomData};

use dtact_arena::CellIndex;

use crate::{
    fiber::{body::drop_quietly, traits},
    fiber_ref::FiberRef,
    runtime::Shared,
    sync::{AtomicU32, Ordering},
    worker::context,
};

type Value = Box<dyn Any + Send>;

/// One key's place in a fiber's list.
#[derive(Debug, Default)]
enum Place {
    /// It was not asked for yet.
    #[default]
    Empty,
    /// Its initialiser runs.
    Beginning,
    /// Here it is.
    Value(Value),
    /// It was dropped: the fiber is ending.
    Gone,
}

/// The values of one fiber, or of one thread outside of fibers.
#[derive(Debug)]
pub(crate) struct Locals(UnsafeCell<Vec<Place>>);

/// The next key's number, from 1 on.
static NEXT_KEY: AtomicU32 = AtomicU32::new(1);

thread_local! {
    /// Those of code that runs in no fiber.
    static OUTSIDE: Outside = const { Outside(Locals::new()) };
}

struct Outside(Locals);

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.drop_all();
    }
}

impl Locals {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Vec::new()))
    }

    /// Exchanges what is at a key's place.
    fn replace(&self, key: usize, place: Place) -> Place {
        // SAFETY: used by one fiber or thread at a time, and no reference into the list is alive:
        // none outlives one of these functions, and values are behind boxes [bridge.L1].
        let list = unsafe { &mut *self.0.get() };
        if list.len() <= key {
            list.resize_with(key + 1, Place::default);
        }
        core::mem::replace(&mut list[key], place)
    }

    /// The value of a key; `Ok(None)` if there is none yet.
    ///
    /// # Errors
    ///
    /// Why there cannot be one.
    fn find(&self, key: usize) -> Result<Option<&(dyn Any + Send)>, &'static str> {
        // SAFETY: as in `replace`; the reference that is returned is to inside of a box, which
        // stays until the fiber ends [bridge.L1].
        let list = unsafe { &*self.0.get() };
        match list.get(key) {
            Some(Place::Value(value)) => Ok(Some(&**value)),
            Some(Place::Beginning) => Err("its initialiser uses the fiber-local itself"),
            Some(Place::Gone) => Err("the fiber is ending, and the fiber-local was dropped"),
            None | Some(Place::Empty) => Ok(None),
        }
    }

    /// Drops all values, in the order of their keys. Destructors may use the others.
    pub(crate) fn drop_all(&self) {
        let mut key = 0;
        loop {
            // SAFETY: as in `replace`.
            if unsafe { (*self.0.get()).len() } <= key {
                break;
            }
            if let Place::Value(value) = self.replace(key, Place::Gone) {
                drop_quietly(value);
            }
            key += 1;
        }
        // SAFETY: as in `replace`. The places are empty for the cell's next fiber.
        unsafe { (*self.0.get()).clear() };
    }
}

/// A value that each fiber has one of: see [`fiber_local!`](crate::fiber_local).
pub struct FiberLocal<T: 'static> {
    /// 0 until the first use.
    key: AtomicU32,
    init: fn() -> T,
    value: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for FiberLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberLocal").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> FiberLocal<T> {
    /// What [`fiber_local!`](crate::fiber_local) expands to.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> Self {
        Self {
            key: AtomicU32::new(0),
            init,
            value: PhantomData,
        }
    }

    /// Calls `body` with the value of the fiber that runs this, which is made now if it is not
    /// there yet. Outside of a fiber, the thread has one.
    ///
    /// `body` may [`wait`](crate::wait()): the value is the fiber's and stays.
    ///
    /// # Panics
    ///
    /// If the initialiser uses the same fiber-local, or if the fiber is ending and the value has
    /// been dropped already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use dtact_bridge::{Runtime, fiber_local, spawn};
    ///
    /// fiber_local! {
    ///     /// How often this fiber has counted.
    ///     static COUNT: Cell<u32> = Cell::new(0);
    /// }
    ///
    /// fn count() -> u32 {
    ///     COUNT.with(|count| {
    ///         count.set(count.get() + 1);
    ///         count.get()
    ///     })
    /// }
    ///
    /// let runtime = Runtime::new()?;
    /// let first = runtime.spawn(async { (count(), count()) });
    /// let second = runtime.spawn(async { count() });
    /// assert_eq!(first.wait()?, (1, 2));
    /// assert_eq!(second.wait()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn with<R>(&'static self, body: impl FnOnce(&T) -> R) -> R {
        let Some(context) = context::current_or_blocked() else {
            return OUTSIDE.with(|outside| self.in_list(&outside.0, body));
        };
        match context.fiber.get() {
            Some(fiber) => self.in_list(of_fiber(&context.shared, fiber), body),
            None => OUTSIDE.with(|outside| self.in_list(&outside.0, body)),
        }
    }

    #[track_caller]
    fn in_list<R>(&'static self, locals: &Locals, body: impl FnOnce(&T) -> R) -> R {
        let key = self.key();
        let value = match locals.find(key) {
            Ok(Some(value)) => value,
            Ok(None) => {
                self.begin(locals, key);
                let begun = locals.find(key).ok().flatten();
                begun.expect("it was just put there")
            }
            Err(why) => panic!("a fiber-local cannot be used here: {why}"),
        };
        body(value.downcast_ref().expect("a key has one type"))
    }

    #[cold]
    fn begin(&'static self, locals: &Locals, key: usize) {
        /// Puts what it has when the initialiser is over, by a panic or not: after a panic the
        /// next use tries again.
        struct Put<'list>(&'list Locals, usize, Place);
        impl Drop for Put<'_> {
            fn drop(&mut self) {
                drop(self.0.replace(self.1, core::mem::take(&mut self.2)));
            }
        }
        drop(locals.replace(key, Place::Beginning));
        let mut put = Put(locals, key, Place::Empty);
        put.2 = Place::Value(Box::new((self.init)()));
    }

    /// The key's number.
    fn key(&self) -> usize {
        // Relaxed: the number is all there is to know.
        let key = self.key.load(Ordering::Relaxed);
        let key = if key == 0 { self.new_key() } else { key };
        key as usize
    }

    #[cold]
    fn new_key(&self) -> u32 {
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        match self
            .key
            .compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => key,
            Err(first) => first,
        }
    }
}

/// The list of the fiber whose code runs now.
fn of_fiber(shared: &Shared, fiber: FiberRef) -> &Locals {
    let index = CellIndex::from_raw(fiber.cell_raw()).expect("a fiber's cell");
    let extra = shared.extras.get_or_make(index);
    let header = shared.cell(index.raw()).expect("a fiber's cell").header();
    header.set_traits(header.traits() | traits::LOCALS);
    // SAFETY: this is the fiber's code, as it runs.
    unsafe { extra.locals() }
}

/// Declares values of which each fiber has its own, as `thread_local!` does for threads.
///
/// A value is made when the fiber first uses it, and dropped when the fiber ends, before its
/// joiner hears of it. It is `Send`, since fibers move between threads. It takes memory from the
/// heap. Outside of fibers, each thread has its own.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
///
/// dtact_bridge::fiber_local! {
///     /// The names of what this fiber is doing, the innermost last.
///     pub static TRAIL: RefCell<Vec<&'static str>> = RefCell::new(Vec::new());
///     static DEPTH: RefCell<u32> = RefCell::new(0);
/// }
///
/// TRAIL.with(|trail| trail.borrow_mut().push("outside of any fiber"));
/// assert_eq!(TRAIL.with(|trail| trail.borrow().len()), 1);
/// # DEPTH.with(|depth| *depth.borrow_mut() += 1);
/// ```
#[macro_export]
macro_rules! fiber_local {
    ($(
        $(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr
    );+ $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::FiberLocal<$type> =
                $crate::FiberLocal::new(|| $init);
        )+
    };
}
