//! What the tests share: a stack on the heap, the forms of a switch as values, a source of numbers.
#![allow(dead_code, reason = "each test file uses its own part of this module")]
#![allow(unsafe_code, reason = "the tests call the switch")]

pub(crate) mod child;
#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64_float.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64_float.rs")]
#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64_float.rs")]
pub(crate) mod float;
#[cfg_attr(all(target_arch = "x86_64", not(windows)), path = "arch/x86_64.rs")]
#[cfg_attr(all(target_arch = "x86_64", windows), path = "arch/x86_64_windows.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64.rs")]
pub(crate) mod registers;
// By the trap flag; the other architectures let only a debugger single-step a process.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) mod step;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use dtact_switch::{
    Context, ContextSwitcher, CrossThreadFloat, CrossThreadNoFloat, Entry, SameThreadFloat,
    SameThreadNoFloat, StackBounds, Transfer,
};

/// Whether a tool is told of switches, or threads stand in for stacks: a context then is a block on
/// the heap, and not a frame; and a function of the crate calls the entry.
pub(crate) const TOLD: bool = cfg!(any(miri, dtact_asan, dtact_tsan, dtact_valgrind));

/// A stack on the heap, without a guard.
///
/// What lies above its top looks like return addresses, so that a walk that does not end at the
/// root of the fiber finds something to go on with.
pub(crate) struct HeapStack {
    bottom: NonNull<u8>,
    layout: Layout,
}

impl HeapStack {
    /// Room for a panic and for printing a backtrace in a debug build; frames grow under a tool.
    pub(crate) const BYTES: usize = if TOLD { 4096 } else { 512 } * 1024;

    /// Words above the top.
    const WORDS_ABOVE: usize = 16;

    pub(crate) fn new() -> Self {
        let layout = Layout::from_size_align(
            Self::BYTES + Self::WORDS_ABOVE * size_of::<usize>(),
            Context::STACK_ALIGN,
        )
        .expect("a small power of two and a small size");
        // SAFETY: the layout has a size other than zero.
        let bottom = unsafe { alloc(layout) };
        let bottom = NonNull::new(bottom).unwrap_or_else(|| handle_alloc_error(layout));
        let stack = Self { bottom, layout };
        let inside_a_function = (Self::new as *const ()).wrapping_byte_add(1);
        for index in 0..Self::WORDS_ABOVE {
            // SAFETY: inside the block, above the top.
            let word = unsafe { stack.top().cast::<*const ()>().add(index) };
            // SAFETY: as above, and aligned as the top is.
            unsafe { word.write(inside_a_function) };
        }
        stack
    }

    pub(crate) fn top(&self) -> NonNull<u8> {
        // SAFETY: inside the block.
        unsafe { self.bottom.add(Self::BYTES) }
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.bottom.addr().get()..self.top().addr().get()).contains(&address)
    }

    /// A fresh context on this stack, which must outlive it.
    pub(crate) fn enter_at(&self, entry: Entry) -> Context {
        let bounds = StackBounds::new(self.top(), self.bottom);
        // SAFETY: the top is aligned by the layout; each test keeps the stack longer than the
        // context and makes one context on it at a time.
        unsafe { Context::new(bounds, entry) }
    }
}

impl Drop for HeapStack {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, freed once.
        unsafe { dealloc(self.bottom.as_ptr(), self.layout) };
    }
}

/// A context as a switch returned it.
///
/// # Safety
///
/// Those of [`Context::from_raw`].
pub(crate) unsafe fn from_raw(pointer: *mut ()) -> Context {
    let pointer = NonNull::new(pointer).expect("a context is never null");
    // SAFETY: passed on to the caller.
    unsafe { Context::from_raw(pointer) }
}

/// Goes on where `registers::sp_at_entry` left off: sends the stack pointer back.
///
/// # Safety
///
/// Entered by a switch, with the stack pointer as a third argument.
pub(crate) unsafe extern "C" fn report_sp(first: Transfer, sp: *mut ()) -> ! {
    registers::use_aligned();
    // SAFETY: the resumer waits in the context it left.
    let _never = unsafe { SameThreadNoFloat::switch(first.from, sp) };
    unreachable!("nobody resumes a second time");
}

/// One form of a switch as a C function.
pub(crate) type Form = unsafe extern "C" fn(Context, *mut ()) -> Transfer;

/// The inline form, inlined into a C function that is like the naked one from outside.
///
/// # Safety
///
/// Those of [`ContextSwitcher::switch`].
#[inline(never)]
pub(crate) unsafe extern "C" fn inline_form<S: ContextSwitcher>(
    to: Context,
    message: *mut (),
) -> Transfer {
    // SAFETY: passed on to the caller.
    unsafe { S::switch(to, message) }
}

/// Both forms of each switcher, in groups of those that may resume each other's contexts.
pub(crate) fn forms_by_kind() -> [(&'static str, Vec<Form>); 2] {
    let float = vec![
        inline_form::<CrossThreadFloat> as Form,
        CrossThreadFloat::SWITCH_NAKED,
        inline_form::<SameThreadFloat> as Form,
        SameThreadFloat::SWITCH_NAKED,
    ];
    let no_float = vec![
        inline_form::<CrossThreadNoFloat> as Form,
        CrossThreadNoFloat::SWITCH_NAKED,
        inline_form::<SameThreadNoFloat> as Form,
        SameThreadNoFloat::SWITCH_NAKED,
    ];
    [("float", float), ("no float", no_float)]
}

/// Calls `test` with each pair of forms that may resume each other's contexts.
pub(crate) fn for_each_pairing(mut test: impl FnMut(Form, Form)) {
    for (_, forms) in forms_by_kind() {
        for &resumer in &forms {
            for &fiber in &forms {
                test(resumer, fiber);
            }
        }
    }
}

/// A number as a message.
pub(crate) fn word(number: usize) -> *mut () {
    std::ptr::without_provenance_mut(number)
}

/// Xorshift: the same numbers at every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
