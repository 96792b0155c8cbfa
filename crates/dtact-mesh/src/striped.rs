//! Owns a first-in first-out list of tasks through their link words, which can be emptied faster
//! than one cache miss after the other.
//!
//! A plain list of tasks that have left the cache costs a miss a task, each of which tells where
//! the next one is. So the tasks are dealt out in turn to a few lists, and taken in turn: the
//! order is the same, and as many misses are under way at once as there are lists.
//!
//! ```text
//!   oldest is task 0          lists         count 7, front 1
//!   list 0     3 -> (7)                     list of task k: (front + k) % LISTS
//!   list 1     0 -> 4
//!   list 2     1 -> 5         the next one pushed goes to list (1 + 7) % 4 = 0
//!   list 3     2 -> 6
//! ```
//!
//! How long each list is follows from `front` and `count`, so no end is marked.

use crate::{
    sync::Ordering,
    task::{Links, NIL, TaskIndex},
};

/// As many misses are under way at once. Few under loom, so that small models fill them.
const LISTS: usize = if cfg!(dtact_loom) { 2 } else { 8 };

#[derive(Debug)]
pub(crate) struct Striped {
    /// The oldest of each list, as a link says it, and its newest; of no meaning in one that is
    /// empty.
    oldest: [u32; LISTS],
    newest: [TaskIndex; LISTS],
    /// The list of the oldest task.
    front: usize,
    count: usize,
}

impl Striped {
    pub(crate) const fn new() -> Self {
        Self {
            oldest: [NIL; LISTS],
            newest: [TaskIndex::FIRST; LISTS],
            front: 0,
            count: 0,
        }
    }

    /// How many tasks there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// The list of the task at place `at`, counted from the oldest.
    const fn list_of(&self, at: usize) -> usize {
        (self.front + at) % LISTS
    }

    /// Puts a task behind the others.
    #[inline]
    pub(crate) fn push(&mut self, links: &impl Links, task: TaskIndex) {
        self.extend_list(links, self.count, task.raw(), task);
        self.count += 1;
    }

    /// Puts all tasks of another one behind these, in their order.
    pub(crate) fn append(&mut self, links: &impl Links, other: &Self) {
        for at in 0..LISTS.min(other.count) {
            let list = other.list_of(at);
            let (oldest, newest) = (other.oldest[list], other.newest[list]);
            self.extend_list(links, self.count + at, oldest, newest);
        }
        self.count += other.count;
    }

    /// Puts a list, whose first task comes at place `at`, behind the one that this belongs to.
    #[inline]
    fn extend_list(&mut self, links: &impl Links, at: usize, oldest: u32, newest: TaskIndex) {
        let list = self.list_of(at);
        // The place before in the same list is `at - LISTS`, if there is one.
        if at < LISTS {
            self.oldest[list] = oldest;
        } else {
            // Relaxed: whoever shares a list guards it, and that orders what its links say.
            let link = links.link(self.newest[list]);
            link.store(oldest, Ordering::Relaxed);
        }
        self.newest[list] = newest;
    }

    /// Takes the oldest tasks, as many as there is room for, and says how many.
    ///
    /// # Panics
    /// If the link words are not as [`Links`] promises.
    #[inline]
    pub(crate) fn take(&mut self, links: &impl Links, into: &mut [TaskIndex]) -> usize {
        let taken = into.len().min(self.count);
        for place in &mut into[..taken] {
            let list = self.front;
            let task = TaskIndex::from_raw(self.oldest[list]);
            let task =
                task.expect("each task has a link word of its own, which others leave alone");
            // Relaxed: as in `extend_list`. What the last one's says is never used.
            self.oldest[list] = links.link(task).load(Ordering::Relaxed);
            *place = task;
            self.front = self.list_of(1);
        }
        self.count -= taken;
        taken
    }
}

#[cfg(all(test, not(any(dtact_loom, dtact_shuttle))))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::task::ArrayLinks;

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Append(usize),
        Take(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            Just(Step::Push),
            (0..40_usize).prop_map(Step::Append),
            (0..40_usize).prop_map(Step::Take),
        ];
        prop::collection::vec(step, 0..100)
    }

    proptest! {
        // Under Miri, which takes a second for each: what is safe holds little for it to find.
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 4 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn tasks_come_in_the_order_in_which_they_were_put(steps in steps()) {
            let links = ArrayLinks::new(4_096);
            let mut list = Striped::new();
            let mut model = VecDeque::new();
            let mut tasks = (0..).map(|raw| TaskIndex::from_raw(raw).expect("a small number"));
            for step in steps {
                match step {
                    Step::Push => {
                        let task = tasks.next().expect("endless");
                        list.push(&links, task);
                        model.push_back(task);
                    }
                    Step::Append(count) => {
                        let mut other = Striped::new();
                        for task in tasks.by_ref().take(count) {
                            other.push(&links, task);
                            model.push_back(task);
                        }
                        list.append(&links, &other);
                    }
                    Step::Take(count) => {
                        let mut into = vec![TaskIndex::from_raw(0).expect("0 is one"); count];
                        let taken = list.take(&links, &mut into);
                        let expected: Vec<_> = model.drain(..count.min(model.len())).collect();
                        prop_assert_eq!(&into[..taken], &expected[..]);
                    }
                }
                prop_assert_eq!(list.len(), model.len());
            }
        }
    }
}
