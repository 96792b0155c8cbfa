//! The description of a cell pool.

use crate::cell_pool::CellPool;
use crate::error::ArenaError;

/// Describes a [`CellPool`]; [`build`](Self::build) makes it.
///
/// ```
/// use dtact_arena::CellPool;
///
/// let pool = CellPool::builder().capacity(1000).build()?;
/// assert_eq!(pool.capacity_per_class(), 1000);
/// # Ok::<(), dtact_arena::ArenaError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct CellPoolBuilder {
    pub(crate) capacity: u32,
    pub(crate) has_huge_pages: bool,
    pub(crate) node: Option<u32>,
}

impl CellPoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            capacity: 1024,
            has_huge_pages: false,
            node: None,
        }
    }

    /// The cells of each class; from 1 to [`CellPool::CAPACITY_MAX`], 1024 unless set.
    pub fn capacity(mut self, capacity_per_class: u32) -> Self {
        self.capacity = capacity_per_class;
        self
    }

    /// Whether to ask for huge pages; `false` unless set, which leaves it to the system's policy.
    ///
    /// A walk over many cells then misses the translation caches less often, and the first touch
    /// of a cell commits the whole huge page around it, 2 MiB mostly.
    pub fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.has_huge_pages = huge_pages;
        self
    }

    /// The NUMA node whose memory cells shall have where it has some left; unless set, a page
    /// comes from the node of the thread that touches it first. Node 0 is a node.
    pub fn node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// Makes the pool and reserves its address space.
    ///
    /// # Errors
    ///
    /// - [`ArenaError::CapacityZero`], [`ArenaError::CapacityTooLarge`]: not from 1 to
    ///   [`CAPACITY_MAX`](CellPool::CAPACITY_MAX);
    /// - [`ArenaError::HugePagesOff`]: they were asked for, and are switched off;
    /// - [`ArenaError::NodeRefused`]: there is no such node, or the process may not choose;
    /// - [`ArenaError::Os`]: the system refused the address space, or has no huge pages.
    pub fn build(self) -> Result<CellPool, ArenaError> {
        CellPool::try_new(&self)
    }
}
