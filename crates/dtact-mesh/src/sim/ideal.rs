//! Owns the scheduler that the mesh is measured against: stealing whose messages take no time.
//!
//! A queue for each worker, first in first out. A worker without tasks asks the others in a random
//! order, each a message, until one has a task that waits, and takes half of them; if none has, it
//! sleeps. Whoever queues a task while somebody sleeps wakes one, which is a message too. So no
//! task waits while a worker sleeps or searches; nothing without knowledge of the future does much
//! better for tasks of unknown length, and it pays for that in messages.

use std::collections::VecDeque;

use super::{
    random::Random,
    report::Messages,
    scheduler::{Next, Scheduler},
};

pub(super) struct Ideal {
    queues: Vec<VecDeque<u32>>,
    pinned: Vec<VecDeque<u32>>,
    asleep: Vec<bool>,
    tokens: Vec<bool>,
    random: Random,
    messages: Messages,
}

impl Ideal {
    pub(super) fn new(workers: usize, seed: u64) -> Self {
        Self {
            queues: vec![VecDeque::new(); workers],
            pinned: vec![VecDeque::new(); workers],
            asleep: vec![false; workers],
            tokens: vec![false; workers],
            random: Random::new(seed),
            messages: Messages::default(),
        }
    }

    fn random_worker(&mut self) -> usize {
        self.random.place(self.queues.len())
    }

    /// Wakes somebody who sleeps and was not woken yet.
    fn wake_one(&mut self) -> Option<usize> {
        let start = self.random_worker();
        let count = self.queues.len();
        let sleeper = (start..start + count)
            .map(|at| at % count)
            .find(|&at| self.asleep[at] && !self.tokens[at])?;
        self.tokens[sleeper] = true;
        Some(sleeper)
    }
}

impl Scheduler for Ideal {
    fn spawn(&mut self, worker: usize, task: u32) {
        self.queues[worker].push_back(task);
        self.wake_one();
    }

    fn wake(&mut self, worker: usize, task: u32) {
        self.spawn(worker, task);
    }

    fn inject(&mut self, task: u32) {
        let to = self.wake_one();
        let to = to.unwrap_or_else(|| self.random_worker());
        self.queues[to].push_back(task);
    }

    fn pin(&mut self, _from: Option<usize>, to: usize, task: u32) {
        self.pinned[to].push_back(task);
        if self.asleep[to] {
            self.tokens[to] = true;
        }
    }

    fn next(&mut self, worker: usize) -> Next {
        let own = self.pinned[worker].pop_front();
        if let Some(task) = own.or_else(|| self.queues[worker].pop_front()) {
            return Next::Run(task);
        }
        let count = self.queues.len();
        let mut others: Vec<_> = (0..count).filter(|&at| at != worker).collect();
        while !others.is_empty() {
            let at = self.random.place(others.len());
            let victim = others.swap_remove(at);
            self.messages.probes += 1;
            let half = self.queues[victim].len().div_ceil(2);
            if half > 0 {
                let rest = self.queues[victim].split_off(half);
                self.queues[worker] = core::mem::replace(&mut self.queues[victim], rest);
                if half > 1 {
                    self.wake_one();
                }
                let task = self.queues[worker].pop_front();
                return task.map_or(Next::AskAgain, Next::Run);
            }
        }
        self.asleep[worker] = true;
        Next::Sleep
    }

    fn is_woken(&mut self, worker: usize) -> bool {
        let woken = core::mem::take(&mut self.tokens[worker]);
        if woken {
            self.asleep[worker] = false;
        }
        woken
    }

    fn messages(&self) -> Messages {
        self.messages
    }
}
