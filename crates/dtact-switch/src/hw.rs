//! What some processors do for programs that pass work from core to core: demoting a line of the
//! cache, and interrupting another thread without the system.
//!
//! The processor is asked once, when the program runs; a program that was built where there is such
//! an instruction runs where there is none.
#![allow(
    unsafe_code,
    reason = "executes instructions that have no name in the language"
)]

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

#[cfg_attr(all(target_arch = "x86_64", not(miri)), path = "hw/x86_64.rs")]
mod system; // Elsewhere `hw/system.rs` knows nothing.

/// In [`KNOWN`]: the rest of the word is an answer.
const IS_KNOWN: u8 = 1 << 7;
const CLDEMOTE: u8 = 1 << 0;
const UINTR: u8 = 1 << 1;

/// The answer of the processor, once it is known.
///
/// Relaxed: all who store it store the same, and it stands for nothing else.
static KNOWN: AtomicU8 = AtomicU8::new(0);

fn has(bit: u8) -> bool {
    // Relaxed: see `KNOWN`; pairs with the store below.
    let mut known = KNOWN.load(Ordering::Relaxed);
    if known == 0 {
        let bit = |bit, is_there| if is_there { bit } else { 0 };
        known = IS_KNOWN | bit(CLDEMOTE, system::has_cldemote()) | bit(UINTR, system::has_uintr());
        // Relaxed: see `KNOWN`; pairs with the load above.
        KNOWN.store(known, Ordering::Relaxed);
    }
    known & bit != 0
}

/// Whether [`cldemote`] does anything on this processor: some of Intel's, from Tremont and Sapphire
/// Rapids on.
#[must_use]
pub fn has_cldemote() -> bool {
    has(CLDEMOTE)
}

/// Moves the cache line of an address from this core's caches towards those that cores share, so
/// that another core gets sooner at what was just written for it.
///
/// A hint: where the processor knows no such instruction, and where nothing is mapped at the
/// address, nothing happens. (Intel 64 and IA-32 Architectures Software Developer's Manual, volume
/// 2, "CLDEMOTE".)
///
/// ```
/// let message = [7_u8; 64];
/// dtact_switch::hw::cldemote(&raw const message);
/// assert_eq!(message, [7; 64]);
/// ```
#[inline]
pub fn cldemote<T>(line: *const T) {
    if has(CLDEMOTE) {
        system::cldemote(line.cast());
    }
}

/// Interrupts the thread behind entry `target` of this thread's table of receivers, by a user
/// interrupt.
///
/// The system makes that table. Mainline Linux has no user interrupts, nor has any other system
/// that this crate knows, so nothing is sent: the error says what is missing.
///
/// ```
/// use dtact_switch::hw::{HwError, uintr};
///
/// assert!(matches!(uintr(0), Err(HwError::Processor | HwError::System)));
/// ```
///
/// # Errors
///
/// [`HwError::Processor`] where the processor has no user interrupts, else [`HwError::System`].
pub fn uintr(target: usize) -> Result<(), HwError> {
    let _ = target;
    // Without the system's consent `senduipi` is an illegal instruction, whatever `cpuid` says of
    // the processor: the bit by which the system would switch it on cannot be read here.
    Err(if has(UINTR) {
        HwError::System
    } else {
        HwError::Processor
    })
}

/// Another name of [`uintr`].
///
/// # Errors
///
/// As [`uintr`].
pub fn uintr_signal(target: usize) -> Result<(), HwError> {
    uintr(target)
}

/// What is missing for something that only some machines do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HwError {
    /// The processor has it not.
    Processor,
    /// The processor has it, and the operating system offers no way to it.
    System,
}

impl fmt::Display for HwError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processor => "this processor has no user interrupts: wake the thread by a futex",
            Self::System => {
                "this processor has user interrupts and the operating system does not switch them \
                 on (mainline Linux does not): wake the thread by a futex"
            }
        })
    }
}

impl core::error::Error for HwError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn demoting_any_address_faults_nowhere() {
        let here = 5;
        for address in [&raw const here, core::ptr::null(), core::ptr::dangling()] {
            cldemote(address);
        }
        cldemote(core::ptr::without_provenance::<u8>(usize::MAX));
        assert_eq!(here, 5);
    }

    #[test]
    fn the_instruction_does_nothing_where_the_processor_does_not_know_it() {
        // It is one of those set apart for hints, so that it may be tried without being asked for.
        let here = 5_u8;
        system::cldemote(&raw const here);
        assert_eq!(here, 5);
        assert_eq!(has_cldemote(), system::has_cldemote());
    }

    #[test]
    fn a_user_interrupt_is_refused_with_what_is_missing() {
        let error = uintr(0).expect_err("no system has them");
        assert_eq!(uintr_signal(usize::MAX), Err(error));
        assert!(error.to_string().contains("futex"), "{error}");
    }
}
