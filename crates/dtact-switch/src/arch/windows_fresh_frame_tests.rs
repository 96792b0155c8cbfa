//! Unit tests of the fresh frame, the same for both architectures of Windows.

use core::ptr::NonNull;

use super::{Foot, Frame, STACK_ALIGN, write_fresh_frame};
use crate::{Entry, StackBounds, Transfer};

const BYTES: usize = 512;

/// # Safety
///
/// Never called.
unsafe extern "C" fn never(_: Transfer) -> ! {
    unreachable!("this entry is only written down")
}

#[repr(C, align(16))]
struct Block([u8; BYTES]);

impl Block {
    fn bounds(&mut self, top: usize) -> StackBounds {
        let bottom = NonNull::from(&mut self.0).cast::<u8>();
        // SAFETY: inside the block, or one past its end.
        StackBounds::new(unsafe { bottom.add(top) }, bottom)
    }
}

#[test]
fn a_fresh_frame_ends_below_the_foot_and_nothing_below_it_is_written() {
    let mut block = Block([0xA5; BYTES]);
    // One value: two casts of one function may have two addresses.
    let entry: Entry = never;
    let bounds = block.bounds(BYTES);
    let bounds = bounds.with_guard(bounds.bottom(), 0x5000);
    // SAFETY: the block is aligned, larger than a frame and its foot, and borrowed alone.
    let frame = unsafe { write_fresh_frame(&bounds, entry) };
    let written = size_of::<Frame>() + size_of::<Foot>();
    assert_eq!(frame.addr().get() + written, bounds.top().addr().get());
    // [frame.I2]
    assert_eq!(frame.addr().get() % STACK_ALIGN, 0);
    // SAFETY: a complete frame was written there [context.I1].
    let teb = unsafe { frame.as_ref() }.teb;
    assert_eq!(teb.exception_list.addr(), usize::MAX);
    assert_eq!(teb.stack_base.addr(), bounds.top().addr().get());
    assert_eq!(teb.stack_limit.addr(), bounds.bottom().addr().get());
    assert_eq!(teb.deallocation_stack, teb.stack_limit);
    assert_eq!(teb.guaranteed_bytes, 0x5000);
    assert!(teb.fiber_data.is_null());
    let activation_stack = teb.activation_stack.addr();
    assert!(
        (frame.addr().get() + size_of::<Frame>()..bounds.top().addr().get())
            .contains(&activation_stack)
    );
    assert!(block.0[..BYTES - written].iter().all(|&byte| byte == 0xA5));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "must be a multiple of 16")]
fn a_top_that_is_not_aligned_is_refused_in_debug_builds() {
    let mut block = Block([0; BYTES]);
    let bounds = block.bounds(BYTES - 8);
    // SAFETY: not kept, on purpose: the check comes before anything is written.
    let _frame = unsafe { write_fresh_frame(&bounds, never) };
}
