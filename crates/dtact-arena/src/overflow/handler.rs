//! The handler: what it does with a fault, and how it passes one on.
//!
//! # Memory ordering
//!
//! | operation | ordering | pairs with | why weaker is wrong |
//! | --- | --- | --- | --- |
//! | previous, store of `install` | `Release` | previous, load | the action could be read before it is written |
//! | previous, load of the handler | `Acquire` | previous, store | as above |
#![allow(unsafe_code, reason = "installs a signal handler, and calls others")]

use core::ffi::{c_int, c_void};
use core::ptr;
use std::sync::{Mutex, PoisonError};

use super::message::Fault;
use super::{REGISTRY, occupant};
use crate::error::{ArenaError, Errno};
use crate::sync::counter::{AtomicPtr, Ordering};
use crate::sys::signal::{self, Action, Info};

/// The actions that were there; null stands for the default.
static PREVIOUS_SEGV: AtomicPtr<Action> = AtomicPtr::new(ptr::null_mut());
static PREVIOUS_BUS: AtomicPtr<Action> = AtomicPtr::new(ptr::null_mut());

/// Which signals have the handler: a failure half-way is made up for by the next call.
static INSTALLED: Mutex<[bool; 2]> = Mutex::new([false; 2]);

const SIGNALS: [c_int; 2] = [signal::SIGSEGV, signal::SIGBUS];

/// See [`super::install`].
pub(super) fn install() -> Result<(), ArenaError> {
    let refused = |errno| ArenaError::Os {
        op: "installing the handler of stack overflows",
        errno,
    };
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, is_installed) in SIGNALS.into_iter().zip(installed.iter_mut()) {
        if !*is_installed {
            install_for(number).map_err(refused)?;
            *is_installed = true;
        }
    }
    drop(installed);
    Ok(())
}

fn install_for(number: c_int) -> Result<(), Errno> {
    let before = signal::action(number)?;
    let mut action = before;
    action.sa_sigaction = on_fault as *const () as usize;
    // The mask is that of the handler before, which runs inside of this one; so are these flags.
    action.sa_flags &= signal::SA_NODEFER | signal::SA_RESTART;
    action.sa_flags |= signal::SA_SIGINFO | signal::SA_ONSTACK;
    // Known before the handler can be called, and for ever: some other thread may be using it.
    // Release: pairs with the load in `pass_on`.
    previous(number).store(Box::leak(Box::new(before)), Ordering::Release);
    // SAFETY: the handler does what a signal handler may: it reads numbers, writes by one system
    // call, and calls the handler that would have been called without it.
    unsafe { signal::set_action(number, &action) }
}

fn previous(number: c_int) -> &'static AtomicPtr<Action> {
    if number == signal::SIGBUS {
        &PREVIOUS_BUS
    } else {
        &PREVIOUS_SEGV
    }
}

/// The handler of both signals.
///
/// # Safety
///
/// - The system calls it, with what it gives to a handler of either.
unsafe extern "C" fn on_fault(number: c_int, info: *mut Info, context: *mut c_void) {
    // SAFETY: the system gave `info` to this handler of `SIGSEGV` and `SIGBUS`.
    let address = unsafe { signal::fault_address(info) };
    let hit = address.and_then(|address| Some((address, REGISTRY.guard_at(address)?)));
    if let Some((address, hit)) = hit {
        let fault = Fault {
            address,
            // SAFETY: the third argument of a handler that was installed with `SA_SIGINFO`.
            stack_pointer: unsafe { signal::stack_pointer(context) },
            hit,
            occupant: occupant(),
        };
        // One write, so that two threads do not mix their lines.
        signal::write_error(fault.describe().as_bytes());
    }
    // SAFETY: these are the arguments of this handler.
    unsafe { pass_on(number, info, context, address.is_some()) };
    if hit.is_some() {
        // Nobody can go on from here: a handler that returned has only seen it. The access is
        // made again, and ends the process with the signal, the address and the core of its own.
        signal::restore_default(number);
    }
}

/// Does what the action does that was there before.
///
/// # Safety
///
/// - The arguments are those of the handler that calls this.
unsafe fn pass_on(number: c_int, info: *mut Info, context: *mut c_void, is_fault: bool) {
    let place = previous(number);
    // Acquire: pairs with the store in `install_for`.
    let action = place.load(Ordering::Acquire);
    // SAFETY: null, or an action that was leaked when it was stored.
    let action = unsafe { action.as_ref() };
    let handler = action.map_or(signal::SIG_DFL, |action| action.sa_sigaction);
    let flags = action.map_or(0, |action| action.sa_flags);
    if handler == signal::SIG_IGN && !is_fault {
        return;
    }
    // A fault cannot be ignored (`sigaction(2)`): the kernel ends the process then as well.
    if handler == signal::SIG_DFL || handler == signal::SIG_IGN {
        signal::restore_default(number);
        if !is_fault {
            // Nothing makes it come again by itself, as the access does.
            signal::raise(number);
        }
        return;
    }
    if flags & signal::SA_RESETHAND != 0 {
        // Relaxed: null needs no order.
        place.store(ptr::null_mut(), Ordering::Relaxed);
    }
    if flags & signal::SA_SIGINFO != 0 {
        // SAFETY: whoever installed it with this flag said that it has this type.
        let handler = unsafe { function::<WithInfo>(handler) };
        // SAFETY: the arguments are those that the system would have called it with.
        unsafe { handler(number, info, context) };
    } else {
        // SAFETY: whoever installed it without that flag said that it has this type.
        let handler = unsafe { function::<Plain>(handler) };
        // SAFETY: as above.
        unsafe { handler(number) };
    }
}

type WithInfo = unsafe extern "C" fn(c_int, *mut Info, *mut c_void);
type Plain = unsafe extern "C" fn(c_int);

/// The function at an address.
///
/// # Safety
///
/// - `F` is the type of a function pointer, and there is such a function at the address.
unsafe fn function<F: Copy>(address: usize) -> F {
    const { assert!(size_of::<F>() == size_of::<usize>()) };
    let pointer = ptr::with_exposed_provenance::<()>(address);
    // SAFETY: a pointer to the function, and a pointer to a function, are the same bits.
    unsafe { ptr::from_ref(&pointer).cast::<F>().read() }
}
