//! Owns what a worker does when it has nothing of its own: shared queues, then theft, then raids.
//!
//! At most half of the running workers search at a time; the others have nothing to add but
//! traffic. Producers wake nobody while somebody searches, so whoever stops as the last one looks
//! whether more was published meanwhile, and wakes another (*stop* in `park/README.md`).

use super::Worker;
use crate::{
    attributes::Kind,
    config::Mode,
    domains::Distance,
    lane::Lane,
    park::Wake,
    run_queue::RunQueue,
    seat::Seat,
    sync::spin_loop,
    task::{Links, Tagged, TaskIndex},
    watch,
};

/// The most rounds of one search. Round r is preceded by 2^r pauses of some 10 to 50 ns: all
/// together stay below a few microseconds, the price of the sleep and wake-up that they may save.
const PATIENCE_MAX: u32 = if cfg!(any(dtact_loom, dtact_shuttle)) {
    1
} else {
    6
};

/// How many rings that have something a thief compares. Each costs it a cache miss.
const COMPARED_MAX: u32 = 4;

/// What a wake-up costs both sides together, in ns: a system call, and the way to a CPU. Under
/// shuttle no time passes, and each wake-up is worth it.
const WORTH: u64 = if cfg!(dtact_shuttle) { 0 } else { 10_000 };

/// The worker that this one has an eye on, and how much had been taken from its ring; `None` if the
/// ring was empty.
#[derive(Copy, Clone, Debug)]
pub(super) struct Watched {
    index: usize,
    taken_count: Option<u64>,
}

impl Watched {
    pub(super) const NOBODY: Self = Self {
        index: 0,
        taken_count: None,
    };
}

impl<L: Links> Worker<L> {
    #[cold]
    pub(super) fn next_elsewhere(&self) -> Option<TaskIndex> {
        self.seat.counts.set_running(None);
        if let Some(task) = self.take_shared() {
            return Some(task);
        }
        if self.alone {
            return None;
        }
        self.hold_nothing();
        if !self.searching.get() {
            self.judge_found();
            if !self.start_searching() {
                return None;
            }
        }
        let patience = self.patience.get();
        for round in 0..self.rounds(patience) {
            if round > 0 {
                for _ in 0..1_u32 << round {
                    spin_loop();
                }
                if let Some(task) = self.next_local().or_else(|| self.take_shared()) {
                    self.patience.set((patience + 1).min(PATIENCE_MAX));
                    return Some(task);
                }
            }
            if let Some(task) = self.steal() {
                // Who was woken for a task finds one at once: that is no reason for patience.
                if round > 0 || self.woken_at.get().is_none() {
                    self.patience.set((patience + 1).min(PATIENCE_MAX));
                }
                return Some(task);
            }
        }
        self.patience.set((patience - 1).max(1));
        if self.mesh.watch.may_look() {
            self.raid()
        } else {
            None
        }
    }

    /// The worker has nothing to do any more. What it was woken for was worth that if it took as
    /// long as waking it.
    fn judge_found(&self) {
        if let Some(at) = self.woken_at.take()
            && self.mesh.watch.clock.0().saturating_sub(at) < WORTH
        {
            self.mesh.event_count.judge(Wake::Hollow);
        }
    }

    /// One round more takes twice as long.
    fn rounds(&self, patience: u32) -> u32 {
        match self.kind.get() {
            Kind::Compute | Kind::Memory => patience,
            Kind::IO => patience + 1,
            Kind::System => 1,
        }
    }

    fn start_searching(&self) -> bool {
        let mesh = &*self.mesh;
        let running = mesh
            .roster
            .active()
            .saturating_sub(mesh.event_count.parked());
        let started = mesh.event_count.start_searching(running);
        self.searching.set(started);
        started
    }

    /// Ends this worker's search for good or ill.
    #[cold]
    pub(super) fn end_search(&self, found: bool) {
        if self.woken_at.get().is_some() {
            self.mesh
                .event_count
                .judge(if found { Wake::Found } else { Wake::Vain });
            if !found {
                self.woken_at.set(None);
            }
        }
        self.stop_searching();
    }

    /// Ends this worker's search. What was published while producers relied on it is passed on.
    pub(super) fn stop_searching(&self) {
        self.searching.set(false);
        if self.mesh.event_count.stop_searching() && self.mesh.has_work(self.id) {
            self.mesh.wake_one();
        }
    }

    /// Half of the longest of the first few rings that have anything, the nearest first; half of
    /// any ring, if others were faster there or its tasks may not come here.
    fn steal(&self) -> Option<TaskIndex> {
        self.seat.counts.count_probed(self.mesh.holders.lines());
        let victim = self.choose_victim()?;
        self.rob(victim).or_else(|| {
            self.holders_by_distance()
                .find_map(|(_, peer)| self.steal_from(peer))
        })
    }

    /// The longest, where one that is `n` steps further away counts `4 / (4 + n)` of its length.
    fn choose_victim(&self) -> Option<&Seat> {
        let mut best = None;
        let mut seen = 0;
        for (step, peer) in self.holders_by_distance() {
            let Some(seat) = self.mesh.made_seat(peer) else {
                continue;
            };
            self.seat.counts.count_probed(1);
            let length = stealable::<L>(seat);
            let appeal = 4 * length / (4 + step);
            if length > 0 && best.is_none_or(|(_, most)| appeal > most) {
                best = Some((seat, appeal));
            }
            seen += u32::from(length > 0);
            if seen == COMPARED_MAX {
                break;
            }
        }
        best.map(|(seat, _)| &**seat)
    }

    /// Who may have anything, the nearest first and of equally near ones from any on, and how many
    /// steps away that is.
    fn holders_by_distance(&self) -> impl Iterator<Item = (u64, usize)> {
        let rings = (0..).zip(self.peers.rings(Distance::Machine));
        rings
            .filter(|(_, peers)| !peers.is_empty())
            .flat_map(|(step, peers)| {
                let (before, from) = peers.split_at(self.random_below(peers.len()));
                self.holders(from.iter().chain(before))
                    .map(move |peer| (step, peer))
            })
    }

    /// Those of some workers that may have anything.
    fn holders<'a>(&'a self, peers: impl Iterator<Item = &'a u16>) -> impl Iterator<Item = usize> {
        let indices = peers.map(|&peer| usize::from(peer));
        indices.filter(|&index| self.mesh.holders.is_set(index))
    }

    /// Half of a ring that stands still, for a worker that has tasks of its own: it never searches,
    /// and what is queued behind a long task elsewhere would wait for that.
    ///
    /// A ring stands still if it holds something and nobody has taken from it since this worker
    /// looked at it the last time. To look costs a cache miss, to take a few more: both are rare.
    #[cold]
    pub(super) fn steal_from_stalled(&self) -> Option<TaskIndex> {
        let watched = self.watched.get();
        let victim = self.mesh.made_seat(watched.index);
        let now = victim.and_then(|victim| victim.queue.taken_count_unless_empty());
        if watched.index != self.id.index() && now.is_some() && now == watched.taken_count {
            self.watched.set(Watched {
                taken_count: None,
                ..watched
            });
            return self.steal_from(watched.index);
        }
        let index = self.random_below(self.mesh.seats_end());
        let victim = self.mesh.made_seat(index);
        let taken_count = victim.and_then(|victim| victim.queue.taken_count_unless_empty());
        self.watched.set(Watched { index, taken_count });
        if self.mesh.watch.is_on() {
            self.look_at_all();
        }
        victim.and_then(|victim| self.raid_one(victim))
    }

    fn steal_from(&self, index: usize) -> Option<TaskIndex> {
        if index == self.id.index() {
            return None;
        }
        let victim = self.mesh.made_seat(index)?;
        self.seat.counts.count_probed(1);
        self.rob(victim)
    }

    fn rob(&self, victim: &Seat) -> Option<TaskIndex> {
        if L::HAS_ATTRIBUTES {
            return Lane::all().find_map(|lane| self.steal_lane(victim, lane));
        }
        let stolen = self.queue.steal(&victim.queue, |_| true)?;
        Some(self.count_stolen(stolen))
    }

    fn steal_lane(&self, victim: &Seat, lane: Lane) -> Option<TaskIndex> {
        let queue = victim.lane(lane).filter(|queue| !queue.is_empty())?;
        let stolen = if lane == Lane::NORMAL {
            self.queue.steal(queue, |_| true)
        } else if lane.is_confined() {
            let may_go = |task| self.mesh.may_go(task, victim.id, self.id);
            self.steal_special(lane, queue, may_go)
        } else {
            self.steal_special(lane, queue, |_| true)
        };
        Some(self.count_stolen(stolen?))
    }

    fn count_stolen(&self, (task, more): (TaskIndex, u64)) -> TaskIndex {
        self.seat.counts.count_stolen(1 + more);
        if more > 0 {
            self.hold();
        }
        task
    }

    /// What workers that stand still keep to themselves: of the nearest of them that has anything.
    #[cold]
    fn raid(&self) -> Option<TaskIndex> {
        let holders = self.holders(self.peers.rings(Distance::Machine).flatten());
        let mut seats = holders.filter_map(|peer| self.mesh.made_seat(peer));
        seats.find_map(|seat| self.raid_one(seat))
    }

    fn raid_one(&self, victim: &Seat) -> Option<TaskIndex> {
        if victim.id == self.id || self.mesh.config().mode == Mode::Pinned {
            return None;
        }
        self.seat.counts.count_probed(1);
        if !victim.has_private() {
            return None;
        }
        let watch = &self.mesh.watch;
        let standing = watch::standing(victim, watch.clock)?;
        if standing.nanos < watch.deadline {
            return None;
        }
        let (mut first, mut count) = (None, 0);
        victim.private.guard.raid(|| {
            let links = &self.mesh.links;
            let mut have = |task: Tagged| {
                count += 1;
                if first.is_none() {
                    first = Some(task.task());
                } else {
                    self.arrive(task);
                }
            };
            let may_go = |task| !L::HAS_ATTRIBUTES || self.mesh.may_go(task, victim.id, self.id);
            if victim.private.peek_slot().is_some_and(may_go)
                && let Some(task) = victim.private.pull_slot()
            {
                have(Tagged::new(task));
            }
            // Nothing in the chunk is confined: it comes out of the usual ring.
            while let Some(task) = victim.private.chunk().pull() {
                have(task);
            }
            victim.pull_mail(links, |task| {
                if task.is_pinned() || !may_go(task.task()) {
                    victim.post(links, task.task());
                } else {
                    have(task);
                }
            });
        });
        self.seat.counts.count_raided(count);
        if count > 1 {
            self.mesh.announce();
        }
        first
    }

    /// A number below `end`, which is not 0: xorshift, then a multiplication instead of a division.
    pub(super) fn random_below(&self, end: usize) -> usize {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        ((u64::from(random) * end as u64) >> 32) as usize
    }
}

/// How many tasks wait in the rings of a seat.
fn stealable<L: Links>(seat: &Seat) -> u64 {
    if L::HAS_ATTRIBUTES {
        let rings = Lane::all().filter_map(|lane| seat.lane(lane));
        rings.map(RunQueue::len_hint).sum()
    } else {
        seat.queue.len_hint()
    }
}
