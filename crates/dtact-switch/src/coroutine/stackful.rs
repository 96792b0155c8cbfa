//! The promise without which there is no coroutine: what may not be open on a suspended stack.
#![allow(
    unsafe_code,
    reason = "the promise is an unsafe function: the compiler cannot check it"
)]

/// The proof that somebody has read, and promised to keep, the contract of suspended stacks.
///
/// Safe Rust relies in places on a function that was called last to return first, on each thread.
/// A coroutine breaks that order: it leaves frames behind while others run on the same thread.
/// No type can keep such code off a coroutine's stack, so a program says once that it does:
///
/// ```
/// use dtact_switch::Stackful;
///
/// // SAFETY: the bodies of our coroutines open no scoped thread-local, do not suspend in the
/// // initialiser of one, and no coroutine is kept in a thread-local.
/// const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };
/// ```
///
/// A library that is not handed a [`Yielder`](crate::Yielder) cannot suspend. So only code that
/// holds one, and calls it from inside one of the patterns that [`acknowledge`](Self::acknowledge)
/// names, can break the promise.
#[derive(Clone, Copy, Debug)]
pub struct Stackful(());

impl Stackful {
    /// Promises that coroutines are used within the limits below, and gives the token that their
    /// constructors ask for.
    ///
    /// # Safety
    ///
    /// For every coroutine that is made with the token or a copy of it:
    ///
    /// * **Initialisers.** It never suspends inside the initialiser of a thread-local
    ///   (`thread_local!`). Otherwise another coroutine of the thread can initialise the same
    ///   variable and hold a reference to it when the first one goes on; the standard library then
    ///   replaces the value, and drops it under that reference.
    /// * **Scoped thread-locals.** It never suspends while a thread-local holds a pointer that is
    ///   valid, or is put back, only until a frame of its stack returns: the `set` of the crate
    ///   `scoped-tls`, the entered contexts of some runtimes. Otherwise coroutine A sets the
    ///   pointer and suspends, B sets its own and suspends, A ends, B ends and puts A's back: it
    ///   dangles.
    /// * **The end of the thread.** A coroutine that is suspended inside the `with` of a
    ///   thread-local does not outlive the variable. So no thread-local owns it, directly or not:
    ///   that one may be destroyed later than the one that is borrowed.
    /// * **Foreign frames.** It does not suspend below frames of another language that must not
    ///   be left in another order than they were entered: C++ frames in a `catch` block or in a
    ///   destructor that runs because of an exception, an interpreter's, anything that
    ///   `longjmp` may skip.
    ///
    /// Plain references from `LocalKey::with` may be held while suspended; they are shared with
    /// whatever runs meanwhile, so that a `RefCell` can be found borrowed.
    #[must_use = "the token is what the constructors ask for"]
    pub const unsafe fn acknowledge() -> Self {
        Self(())
    }
}
