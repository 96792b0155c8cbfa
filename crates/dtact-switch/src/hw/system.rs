//! Where there is none of it.

pub(super) fn has_cldemote() -> bool {
    false
}

pub(super) fn has_uintr() -> bool {
    false
}

pub(super) fn cldemote(_line: *const u8) {}
