//! Owns a worker's pinned tasks in the order they will run: a list through the link words that
//! only the worker's own thread touches.

use core::cell::Cell;

use crate::task::{Links, TaskIndex, next_of, set_next};

#[derive(Debug, Default)]
pub(crate) struct Pinned {
    /// First and last; both or neither.
    ends: Cell<Option<(TaskIndex, TaskIndex)>>,
}

impl Pinned {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.get().is_none()
    }

    pub(crate) fn push(&self, links: &impl Links, task: TaskIndex) {
        set_next(links, task, None);
        self.append(links, task, task);
    }

    /// Appends a list that is already linked from `first` to `last`, with its end marked.
    pub(crate) fn append(&self, links: &impl Links, first: TaskIndex, last: TaskIndex) {
        let front = match self.ends.get() {
            None => first,
            Some((front, back)) => {
                set_next(links, back, Some(first));
                front
            }
        };
        self.ends.set(Some((front, last)));
    }

    pub(crate) fn pop(&self, links: &impl Links) -> Option<TaskIndex> {
        let (front, back) = self.ends.get()?;
        self.ends.set(if front == back {
            None
        } else {
            next_of(links, front).map(|n| (n, back))
        });
        Some(front)
    }

    /// Moves a task to the front, if it is among the first `limit`. Says whether it is there.
    pub(crate) fn bring_forward(
        &self,
        links: &impl Links,
        wanted: TaskIndex,
        limit: usize,
    ) -> bool {
        let Some((front, back)) = self.ends.get() else {
            return false;
        };
        if front == wanted {
            return true;
        }
        let mut before = front;
        for _ in 1..limit {
            let Some(task) = next_of(links, before) else {
                return false;
            };
            if task == wanted {
                set_next(links, before, next_of(links, task));
                set_next(links, task, Some(front));
                self.ends
                    .set(Some((task, if task == back { before } else { back })));
                return true;
            }
            before = task;
        }
        false
    }
}
