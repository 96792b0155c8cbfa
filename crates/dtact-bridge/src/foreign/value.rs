//! What C can have of what a fiber returns.

#![allow(unsafe_code, reason = "declares which types are bytes to C")]

/// A value that C has as well: it is passed by value, and is its bytes.
///
/// # Safety
///
/// # Invariants
///
/// - [bridge.V1] A value of the type may be copied byte by byte, and its bytes mean the same to C:
///   it is a number, a pointer, or `repr(C)` of such. It may be handed to another thread; what
///   pointers in it point to is the business of who uses them.
///
/// # Examples
///
/// ```
/// use dtact_bridge::foreign::CValue;
///
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
/// // SAFETY: two numbers, laid out as in C.
/// unsafe impl CValue for Point {}
/// ```
///
/// What has no meaning in C is refused by the compiler:
///
/// ```compile_fail,E0277
/// fn is_value<T: dtact_bridge::foreign::CValue>() {}
/// is_value::<String>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value that C can have",
    label = "neither a number nor a pointer, nor declared to be of such",
    note = "take and return numbers, raw pointers, or `repr(C)` structs of these that implement \
            `CValue`"
)]
pub unsafe trait CValue: Copy + 'static {}

macro_rules! values {
    ($($type:ty),*) => { $(
        // SAFETY: C has it too, and it owns nothing.
        unsafe impl CValue for $type {}
    )* };
}

values!(
    (),
    bool,
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    isize,
    f32,
    f64
);

// SAFETY: an address, to C as to Rust.
unsafe impl<T: 'static> CValue for *const T {}
// SAFETY: an address, to C as to Rust.
unsafe impl<T: 'static> CValue for *mut T {}

/// An argument of C on its way into the fiber that it is for: what `#[export_fiber]` expands to.
///
/// # Invariants
///
/// - [bridge.V2] It is made of a [`CValue`] alone.
#[derive(Clone, Copy, Debug)]
pub struct Argument<T>(T);

#[expect(clippy::non_send_fields_in_send_ty, reason = "a field of C is")]
// SAFETY: it is a value of C [bridge.V2], which may be handed to another thread [bridge.V1].
unsafe impl<T> Send for Argument<T> {}

impl<T: CValue> Argument<T> {
    /// Takes a value of C.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Argument<T> {
    /// The value.
    pub fn get(self) -> T {
        self.0
    }
}
