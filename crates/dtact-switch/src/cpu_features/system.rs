//! Where nothing can be asked.

use super::CpuFeatures;

/// Nothing that can be told.
pub(super) fn hardware() -> (CpuFeatures, bool) {
    (CpuFeatures::empty(), false)
}

/// Not that one could know.
pub(super) fn has_shadow_stack() -> bool {
    false
}
