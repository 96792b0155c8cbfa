//! How a value goes over to the other stack: in a register if it fits one, or by its address.
//!
//! The type decides, so both sides agree.
#![allow(
    unsafe_code,
    reason = "copies values as bytes, and takes them from the other stack"
)]

use core::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use core::ptr;

use crate::linked::Word;

/// Whether a `T` travels in the word itself.
const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Word>() && align_of::<T>() <= align_of::<Word>()
}

/// A word for `value`, which is given away by it: whoever gets the word takes the value.
///
/// A large value stays where it is until then.
#[inline]
pub(super) fn pack<T>(value: &ManuallyDrop<T>) -> Word {
    let value = ptr::from_ref(value);
    if !fits::<T>() {
        return MaybeUninit::new(value.cast_mut().cast());
    }
    let mut word = Word::uninit();
    let place = word.as_mut_ptr().cast::<ManuallyDrop<T>>();
    // SAFETY: the bytes of a value that fits, into the word.
    unsafe { ptr::copy_nonoverlapping(value, place, 1) };
    word
}

/// Takes the value.
///
/// # Safety
///
/// `word` came from [`pack`] with the same type, the value packed is still there, and it is taken
/// once.
#[inline]
pub(super) unsafe fn unpack<T>(word: Word) -> T {
    if fits::<T>() {
        // SAFETY: the bytes of a value that fits (the caller).
        return unsafe { word.as_ptr().cast::<T>().read() };
    }
    // SAFETY: a large value's word was initialised with its address (the caller).
    let value = unsafe { word.assume_init() };
    // SAFETY: the value is still there, and taken once (the caller).
    unsafe { value.cast::<T>().read() }
}

/// Whether a value of this type is looked for where it was when its word is unpacked.
pub(super) const fn stays<T>() -> bool {
    !fits::<T>()
}

#[cfg(test)]
mod tests {
    use super::{pack, stays, unpack};
    use core::mem::ManuallyDrop;
    use std::string::String;

    fn there_and_back<T>(value: T) -> T {
        let value = ManuallyDrop::new(value);
        // SAFETY: packed above, still there, and taken once.
        unsafe { unpack(pack(&value)) }
    }

    #[test]
    fn values_of_every_size_arrive_as_they_were() {
        there_and_back(());
        assert_eq!(there_and_back(7_u8), 7);
        assert_eq!(there_and_back((1_u8, 0x0203_u16)), (1, 0x0203));
        assert_eq!(
            there_and_back([1_u8, 2, 3, 4, 5, 6, 7]),
            [1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(there_and_back(u64::MAX), u64::MAX);
        assert_eq!(there_and_back(u128::MAX - 1), u128::MAX - 1);
        let text = String::from("on the heap");
        assert_eq!(there_and_back(&raw const text), &raw const text);
        assert_eq!(there_and_back(text), "on the heap");
        assert_eq!(there_and_back([3_u64; 100]), [3; 100]);
    }

    #[test]
    fn a_value_that_needs_more_than_a_word_is_passed_by_address() {
        #[repr(align(16))]
        struct Aligned;
        assert!(!stays::<[u8; 8]>());
        assert!(stays::<[u8; 9]>());
        assert!(stays::<Aligned>());
    }
}
