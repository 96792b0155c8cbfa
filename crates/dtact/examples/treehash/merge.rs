//! One order out of several walks.
//!
//! The roots are sorted. Every path of a walk begins with its root, so it does not come before it;
//! and while the least path at hand comes before a root, it comes before all that follows from
//! there. So a walk is looked into only when its root is due, and begun a little before:
//!
//! ```text
//!   roots, sorted   r1  r2  r3  │  r4  r5  r6  │  r7  r8  r9
//!                   looked into │    begun     │  not begun
//!                   `heads`     │   `ahead`    │   `roots`
//! ```
//!
//! With ten thousand paths that do not overlap, one walk is looked into, and a few are ahead. The
//! roots that are looked into at once overlap: each is a beginning of the next. Equal ones share a
//! walk, whose files count several times. So there are never more such walks than a path has bytes.

use core::cmp::Ordering;
use std::{
    collections::{BinaryHeap, VecDeque},
    os::unix::ffi::OsStrExt as _,
};

use crate::{
    Run,
    walk::{Item, Walk},
};

/// How many walks are begun before their turn, so that there is something to hash meanwhile.
const AHEAD: usize = 16;

pub(crate) struct Merge {
    run: &'static Run,
    /// Each with how often it was given.
    roots: VecDeque<(Vec<u8>, usize)>,
    ahead: VecDeque<Walk>,
    heads: BinaryHeap<Head>,
    /// The walk that the latest file came from. Its next one is waited for only when asked for,
    /// so that the latest one is printed before.
    latest: Option<Walk>,
}

impl Merge {
    pub(crate) fn new(run: &'static Run, mut roots: Vec<Vec<u8>>) -> Self {
        roots.sort_unstable();
        let roots = roots
            .chunk_by(|left, right| left == right)
            .map(|equal| (equal[0].clone(), equal.len()))
            .collect();
        Self {
            run,
            roots,
            ahead: VecDeque::with_capacity(AHEAD),
            heads: BinaryHeap::new(),
            latest: None,
        }
    }

    /// The file whose path is the least of all that have not been given, and how often to print
    /// it.
    pub(crate) async fn next(&mut self) -> Option<(Item, usize)> {
        if let Some(walk) = self.latest.take() {
            self.look_into(walk).await;
        }
        while let Some(walk) = self.due() {
            self.look_into(walk).await;
        }
        let Head { item, walk } = self.heads.pop()?;
        let count = walk.root_count;
        self.latest = Some(walk);
        Some((item, count))
    }

    /// A walk that may have a path before the least one at hand.
    fn due(&mut self) -> Option<Walk> {
        while self.ahead.len() < AHEAD
            && let Some((root, count)) = self.roots.pop_front()
        {
            self.ahead.push_back(Walk::start(self.run, root, count));
        }
        let root = &self.ahead.front()?.root;
        match self.heads.peek() {
            Some(head) if head.path() < root.as_slice() => None,
            _ => self.ahead.pop_front(),
        }
    }

    async fn look_into(&mut self, walk: Walk) {
        if let Ok(item) = walk.files.recv().await {
            self.heads.push(Head { item, walk });
        } else if let Err(error) = walk.end.await {
            // It has ended, and not at the end of its tree.
            self.run.report.error(&walk.root, &error);
        }
    }
}

/// The first file of a walk that has not been given.
struct Head {
    item: Item,
    walk: Walk,
}

impl Head {
    fn path(&self) -> &[u8] {
        self.item.path.as_os_str().as_bytes()
    }
}

/// The other way round: the heap has its greatest on top.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.path().cmp(self.path())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for Head {}
