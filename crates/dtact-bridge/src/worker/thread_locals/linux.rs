//! Through `dl_iterate_phdr(3)`: the segment PT_TLS of each loaded file says how large its
//! thread-locals are, and the dynamic linker where the calling thread has them.
//!
//! # Invariants
//!
//! - [tls.B1] A block is memory of the thread that has found it, aligned to words, and stays as
//!   long as the thread. glibc has the blocks of what was loaded with the program in the mapping of
//!   the thread's stack; those of what is loaded later lie on the heap, are freed with their file,
//!   and are left out. musl never frees any.

#![allow(unsafe_code, reason = "reads memory that the dynamic linker names")]

use core::{
    ffi::{c_int, c_void},
    fmt,
    mem::size_of,
    ptr,
};

use super::scan::{self, Range, Scan, WORD};

/// The thread-locals of a thread, for code that runs on it.
pub(crate) struct ThreadLocals {
    blocks: Box<[Block]>,
    scan: Scan,
}

/// Those of one file [tls.B1].
#[derive(Clone, Copy, Debug)]
struct Block {
    start: *mut usize,
    words: usize,
    /// It is the program's own.
    is_program: bool,
}

impl ThreadLocals {
    /// Finds them.
    pub(crate) fn of_this_thread() -> Self {
        let mut blocks = Vec::<Block>::new();
        // SAFETY: `step` expects such a vector, which nobody else uses meanwhile.
        unsafe { libc::dl_iterate_phdr(Some(step), (&raw mut blocks).cast()) };
        let own = mapping();
        // SAFETY: it asks for nothing.
        let of_c_library = unsafe { libc::__errno_location() }.addr();
        blocks.retain(|block| {
            let (start, bytes) = (block.start.addr(), block.words * WORD);
            let is_in = own.contains(&start) && bytes <= own.end - start;
            is_in && (block.is_program || !(start..start + bytes).contains(&of_c_library))
        });
        Self {
            blocks: blocks.into_boxed_slice(),
            scan: scan::fastest(),
        }
    }

    /// Whether a word of them is an address in the part of a stack that is in use: from this
    /// function's frame to `top`. For code that runs on that stack, whose lowest byte is at
    /// `bottom`.
    #[inline(never)]
    pub(crate) fn point_into(&self, bottom: usize, top: usize) -> bool {
        let frame = 0_u8;
        let frame = ptr::from_ref(&frame).addr();
        // Tools put locals elsewhere.
        let low = if (bottom..top).contains(&frame) {
            frame
        } else {
            bottom
        };
        let range = Range {
            low,
            bytes: top - low,
        };
        self.blocks.iter().any(|block| {
            // SAFETY: the words of the block [tls.B1]. Other threads may write to them: a
            // thread-local can be shared while its thread waits.
            unsafe { (self.scan)(block.start, block.words, range) }
        })
    }
}

impl fmt::Debug for ThreadLocals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.blocks).finish()
    }
}

/// Adds the block of one file.
///
/// # Safety
///
/// - The last argument points to a `Vec<Block>` that nobody else uses, and the first to what the
///   linker says of a file.
unsafe extern "C" fn step(info: *mut libc::dl_phdr_info, size: usize, data: *mut c_void) -> c_int {
    // An old system tells less: nothing of thread-locals.
    if size < size_of::<libc::dl_phdr_info>() {
        return 1;
    }
    // SAFETY: the linker's, for the time of this call.
    let info = unsafe { &*info };
    if info.dlpi_tls_data.is_null() || info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: what `of_this_thread` passed, borrowed by nobody else meanwhile.
    let blocks = unsafe { &mut *data.cast::<Vec<Block>>() };
    // SAFETY: a string that is the linker's: an empty one for the program.
    let is_program = info.dlpi_name.is_null() || unsafe { info.dlpi_name.read() } == 0;
    for index in 0..usize::from(info.dlpi_phnum) {
        // SAFETY: there are so many of them.
        let header = unsafe { info.dlpi_phdr.add(index) };
        // SAFETY: mapped with the file.
        let header = unsafe { header.read() };
        if header.p_type == libc::PT_TLS {
            blocks.push(Block {
                is_program,
                ..block_of(info.dlpi_tls_data.cast(), header.p_memsz)
            });
        }
    }
    0
}

/// The whole words of it.
fn block_of(start: *mut u8, bytes: u64) -> Block {
    let skipped = start.align_offset(WORD);
    let bytes = usize::try_from(bytes).unwrap_or(0);
    Block {
        start: start.wrapping_add(skipped).cast(),
        words: bytes.saturating_sub(skipped) / WORD,
        is_program: false,
    }
}

/// The mapping of this thread's stack, with what is loaded at the start; empty where it is not
/// known.
#[cfg(target_env = "gnu")]
fn mapping() -> core::ops::Range<usize> {
    use core::mem::MaybeUninit;

    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: it asks for nothing.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: this thread, and a place for its attributes.
    if unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) } != 0 {
        return 0..0;
    }
    let mut bottom = ptr::null_mut();
    let mut size = 0;
    // SAFETY: success has written them, and there are places for both answers.
    let asked =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut bottom, &raw mut size) };
    // SAFETY: as above; they are not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    let bottom = bottom.addr();
    if asked == 0 {
        bottom..bottom + size
    } else {
        0..0
    }
}

/// musl gives no thread-local back before its thread ends.
#[cfg(not(target_env = "gnu"))]
const fn mapping() -> core::ops::Range<usize> {
    0..usize::MAX
}

#[cfg(test)]
mod tests {
    use core::{cell::Cell, ptr};
    use std::thread;

    use super::ThreadLocals;

    thread_local!(static SCOPED: Cell<*const u8> = const { Cell::new(ptr::null()) });

    /// On a thread whose thread-locals are static: the main one's lie elsewhere.
    fn on_thread(body: impl FnOnce(&ThreadLocals) + Send) {
        thread::scope(|scope| {
            let thread = scope.spawn(|| body(&ThreadLocals::of_this_thread()));
            thread.join().expect("it does not panic");
        });
    }

    #[test]
    fn a_pointer_into_the_frames_in_use_is_found_and_others_are_not() {
        on_thread(|thread_locals| {
            let local = [0_u8; 64];
            let range = local.as_ptr_range();
            let (start, end) = (range.start.addr(), range.end.addr());
            let find = |bottom, top| thread_locals.point_into(bottom, top);
            assert!(!find(start, end));
            let own_place = SCOPED.with(|place| ptr::from_ref(place).addr());
            for (pointer, is_in) in [
                (range.start, true),
                (range.start.wrapping_add(63), true),
                (range.end, false),
                (range.start.wrapping_sub(1), false),
                (ptr::null(), false),
                (ptr::without_provenance(own_place), false),
            ] {
                SCOPED.set(pointer);
                assert_eq!(find(start, end), is_in, "{pointer:?} in {range:?}");
            }
            SCOPED.set(ptr::null());
        });
    }

    #[test]
    fn all_thread_locals_of_the_program_are_looked_at() {
        on_thread(|thread_locals| {
            let own_place = SCOPED.with(|place| ptr::from_ref(place).addr());
            let is_in_one = thread_locals.blocks.iter().any(|block| {
                let offset = own_place.wrapping_sub(block.start.addr());
                offset < block.words * super::WORD
            });
            assert!(is_in_one, "{own_place:#x} in {thread_locals:?}");
        });
    }
}
