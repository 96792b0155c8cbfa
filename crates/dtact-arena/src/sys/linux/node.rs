//! The NUMA node that memory should come from: `mbind(2)` with `MPOL_PREFERRED`.
//!
//! Preferred and not bound: where the node has no memory left, another one's is better than none.
#![allow(unsafe_code, reason = "a system call on an address range")]

use core::ptr::NonNull;

use super::last_errno;
use crate::error::Errno;

/// `MPOL_PREFERRED` of `linux/mempolicy.h`.
const MPOL_PREFERRED: libc::c_int = 1;

const WORD_BITS: usize = u64::BITS as usize;

/// The words of a set of nodes. The kernel knows 1024 nodes at most (`MAX_NUMNODES`).
const WORD_COUNT: usize = 1024 / WORD_BITS;

/// Asks for memory of `node` for pages of the range that are touched from now on.
///
/// # Safety
///
/// The range is whole pages of a reservation.
pub(super) unsafe fn prefer(bottom: NonNull<u8>, bytes: usize, node: u32) -> Result<(), Errno> {
    let mut nodes = [0_u64; WORD_COUNT];
    let node = node as usize;
    let Some(word) = nodes.get_mut(node / WORD_BITS) else {
        return Err(Errno(libc::EINVAL));
    };
    *word |= 1 << (node % WORD_BITS);
    // One bit more than there are: the kernel reads one less than it is told.
    let bits = WORD_COUNT * WORD_BITS + 1;
    // SAFETY: the set has the bits named; the policy of our own pages changes no content.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            bottom.as_ptr(),
            bytes,
            MPOL_PREFERRED,
            nodes.as_ptr(),
            bits,
            0,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}
