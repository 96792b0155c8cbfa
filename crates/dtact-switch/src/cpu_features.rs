//! What a CPU can do, and a thread has switched on, that matters to code which changes stacks.
//!
//! Two words make it up: what the hardware and the system offer, which is asked once and kept, and
//! whether the calling thread has a shadow stack, which is asked each time and takes an instruction
//! or two.
#![allow(
    unsafe_code,
    reason = "asks the CPU by instructions that have no name in the language"
)]

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

#[cfg_attr(
    all(target_arch = "x86_64", not(miri)),
    path = "cpu_features/x86_64.rs"
)]
#[cfg_attr(
    all(target_arch = "aarch64", not(miri)),
    path = "cpu_features/aarch64.rs"
)]
#[cfg_attr(
    all(target_arch = "riscv64", target_os = "linux", not(miri)),
    path = "cpu_features/riscv64.rs"
)]
mod system; // Where none applies, `cpu_features/system.rs` knows nothing.

bitflags::bitflags! {
    /// What a CPU can do, and the calling thread has switched on, that matters to code which
    /// changes stacks.
    ///
    /// The names are those of the matter, not of the architecture's extension. Each says what a
    /// switch does about it.
    ///
    /// ```
    /// use dtact_switch::CpuFeatures;
    ///
    /// let features = CpuFeatures::detect();
    /// if features.contains(CpuFeatures::WIDE_VECTORS) {
    ///     // A signal that arrives on a fiber's stack takes several KiB of it.
    /// }
    /// println!("{features:?}");
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct CpuFeatures: u32 {
        /// The calling thread has a shadow stack: Intel and AMD CET, Arm GCS, RISC-V Zicfiss.
        ///
        /// **Not supported.** A switch exchanges the stack and not the shadow, so that the first
        /// return on the other stack faults: see [`CpuFeatures::check_supported`].
        const SHADOW_STACK = 1 << 0;

        /// The CPU can refuse indirect branches to where no landing pad is: CET IBT, Arm BTI.
        ///
        /// Whether a process has that switched on makes no difference: wherever a switch of this
        /// crate branches to there is a pad.
        const BRANCH_TARGETS = 1 << 1;

        /// The CPU can sign return addresses: Arm pointer authentication.
        ///
        /// A switch signs none. Those that the compiler has signed lie in its own frames, with the
        /// stack pointer of that frame as the modifier, and the frame is where it was.
        const SIGNED_RETURNS = 1 << 2;

        /// The CPU can tag memory: Arm MTE.
        ///
        /// The top of a stack may carry a tag, which the stack pointer then has. Whether tags are
        /// checked is a state of the thread: a switch leaves it as it is.
        const MEMORY_TAGS = 1 << 3;

        /// The vector registers are wide, or have no fixed width: AVX-512, Arm SVE, RISC-V V, where
        /// the system has switched them on.
        ///
        /// A switch saves none of that: over a call, every ABI here keeps 64 or 128 bits of a
        /// register at most. But a signal that arrives on a fiber's stack puts all of it there,
        /// 3 KiB and more: a small stack needs handlers that run on a stack of their own
        /// (`SA_ONSTACK`).
        const WIDE_VECTORS = 1 << 4;

        /// There are matrix tiles: AMX, Arm SME, where the system has them.
        ///
        /// A switch neither saves nor clears them. They must be off when a context is left (AMX:
        /// `tilerelease`; SME: streaming mode and ZA), as they must before any call of a function
        /// that does not say otherwise. A signal frame with them takes more than 8 KiB.
        const MATRIX_TILES = 1 << 5;
    }
}

/// The answer of [`system::hardware`], once it is known.
///
/// Relaxed: all who store it store the same, and it stands for nothing else.
static HARDWARE: AtomicU32 = AtomicU32::new(0);

/// In [`HARDWARE`]: the rest of the word is an answer.
const KNOWN: u32 = 1 << 31;
/// In [`HARDWARE`]: a thread may have a shadow stack.
const MAY_SHADOW: u32 = 1 << 30;

impl CpuFeatures {
    /// Asks the CPU, the system, and the calling thread.
    ///
    /// The first call costs some microseconds, the others a load and where there are shadow stacks
    /// an instruction or a system call.
    ///
    /// What cannot be told is left out. On x86-64 the CPU is asked; on AArch64 and RISC-V the
    /// system is, which takes the feature `std`. Without it, and under Miri, only
    /// [`SHADOW_STACK`](Self::SHADOW_STACK) is told there.
    #[must_use]
    pub fn detect() -> Self {
        // Relaxed: see `HARDWARE`; pairs with the store below.
        let mut word = HARDWARE.load(Ordering::Relaxed);
        if word & KNOWN == 0 {
            word = ask_hardware();
        }
        let mut features = Self::from_bits_truncate(word);
        if word & MAY_SHADOW != 0 && system::has_shadow_stack() {
            features |= Self::SHADOW_STACK;
        }
        features
    }

    /// Whether the calling thread may switch stacks.
    ///
    /// To be asked before the first switch of a thread, by whoever makes stacks and threads: the
    /// answer is the same for all threads of a process in practice, and `GuardedStack::new` asks.
    /// The switch itself does not.
    ///
    /// ```
    /// # use dtact_switch::CpuFeatures;
    /// CpuFeatures::check_supported()?;
    /// # Ok::<(), dtact_switch::Unsupported>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported::ShadowStack`] where the thread has a shadow stack. A switch would then be
    /// followed by a fault.
    pub fn check_supported() -> Result<(), Unsupported> {
        Self::detect().supported()
    }

    /// Whether a thread of these features may switch stacks.
    fn supported(self) -> Result<(), Unsupported> {
        if self.contains(Self::SHADOW_STACK) {
            return Err(Unsupported::ShadowStack);
        }
        Ok(())
    }
}

#[cold]
fn ask_hardware() -> u32 {
    let (features, may_shadow) = system::hardware();
    let word = features.bits() | KNOWN | if may_shadow { MAY_SHADOW } else { 0 };
    // Relaxed: see `HARDWARE`; pairs with the load in `detect`.
    HARDWARE.store(word, Ordering::Relaxed);
    word
}

/// In which mode of a thread stacks cannot be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The thread has a shadow stack.
    ShadowStack,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShadowStack => f.write_str(
                "the thread has a shadow stack, which a switch of stacks does not exchange: run \
                 the program without (Linux with glibc: GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK; \
                 or link it without the property)",
            ),
        }
    }
}

impl core::error::Error for Unsupported {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_shadow_stack_is_refused_with_what_to_do_and_nothing_else_is() {
        let all = CpuFeatures::all();
        assert_eq!(all.supported(), Err(Unsupported::ShadowStack));
        assert_eq!((all - CpuFeatures::SHADOW_STACK).supported(), Ok(()));
        assert!(
            Unsupported::ShadowStack
                .to_string()
                .contains("run the program without")
        );
    }

    #[test]
    fn the_answer_stays_the_same() {
        let first = CpuFeatures::detect();
        assert_eq!(CpuFeatures::detect(), first);
        assert_eq!(
            std::thread::spawn(CpuFeatures::detect).join().unwrap(),
            first
        );
    }
}
