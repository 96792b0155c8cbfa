//! What kind of fiber a cell holds: the bits of `Header::traits`.

/// It runs a closure, which will most likely suspend.
pub(crate) const CLOSURE: u8 = 1 << 0;
/// It asked for a least size of its stack.
pub(crate) const FLOOR: u8 = 1 << 1;
/// It runs on one worker only, the one that `home` names from spawn to end.
pub(crate) const PINNED: u8 = 1 << 2;
/// It is not `Send`: nothing but its own worker may poll or drop it. Always PINNED as well.
pub(crate) const LOCAL: u8 = 1 << 3;
/// The floating-point control state is its worker's, and not its own.
pub(crate) const NO_FLOAT: u8 = 1 << 4;
/// It has a name, in `extras`.
pub(crate) const NAMED: u8 = 1 << 5;
/// It has fiber-local values, in `extras`.
pub(crate) const LOCALS: u8 = 1 << 6;
/// It belongs to a scope, in `extras`.
pub(crate) const SCOPED: u8 = 1 << 7;
