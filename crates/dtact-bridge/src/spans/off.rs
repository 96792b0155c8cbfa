//! Nothing of it.

use super::About;
use crate::{fiber_ref::FiberRef, runtime::Shared};

#[derive(Debug)]
pub(crate) struct TaskSpan;

impl TaskSpan {
    pub(crate) const fn new() -> Self {
        Self
    }
}

#[inline]
pub(crate) fn begin(_shared: &Shared, _fiber: FiberRef, _about: impl FnOnce() -> About) {}

#[inline]
pub(crate) fn rename(_shared: &Shared, _raw: u32, _name: &'static str) {}

#[inline]
pub(crate) fn enter(_shared: &Shared, _raw: u32) {}

#[inline]
pub(crate) fn exit(_shared: &Shared, _raw: u32) {}

#[inline]
pub(crate) fn end(_shared: &Shared, _raw: u32) {}

#[inline]
pub(crate) fn waker(_fiber: FiberRef, _op: &'static str) {}
