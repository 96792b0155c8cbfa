//! Owns which workers are near to each other: on one core, under one last-level cache, in one
//! memory node.

use std::collections::HashMap;

use crate::{attributes::Affinity, error::MeshError, task::WorkerId};

/// How far two workers are from each other.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub enum Distance {
    /// It is the same worker.
    Same,
    /// They share a core.
    Core,
    /// They share the last level of cache.
    Complex,
    /// They share a memory node.
    Node,
    /// They share the machine.
    Machine,
}

impl Affinity {
    /// The farthest that a task of this affinity goes.
    #[must_use]
    pub const fn reach(self) -> Distance {
        match self {
            Self::SameCore => Distance::Core,
            Self::SameCCX => Distance::Complex,
            Self::SameNUMA => Distance::Node,
            Self::Any => Distance::Machine,
        }
    }
}

/// Where one worker runs: numbers that mean nothing but "the same" and "another".
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct Place {
    /// The core. Two workers of one core are its hardware threads.
    pub core: u32,
    /// The cores that share the last level of cache.
    pub complex: u32,
    /// The processors next to the same memory.
    pub node: u32,
}

/// Where each of the workers runs. Spares are in no domain: they are far from everybody.
///
/// ```
/// use dtact_mesh::{Distance, Domains, Place, WorkerId};
///
/// // Two complexes of two cores each, in one node.
/// let domains = Domains::new((0..4).map(|core| Place { core, complex: core / 2, node: 0 }));
/// let [a, b, c] = [0, 1, 2].map(WorkerId::from_raw);
/// assert_eq!(domains.distance(a, b), Distance::Complex);
/// assert_eq!(domains.distance(a, c), Distance::Node);
/// assert_eq!(domains.distance(a, WorkerId::from_raw(9)), Distance::Machine);
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Domains {
    places: Box<[Place]>,
}

impl Domains {
    /// Worker 0 at the first place, worker 1 at the second, and so on.
    #[must_use]
    pub fn new(places: impl IntoIterator<Item = Place>) -> Self {
        Self {
            places: places.into_iter().collect(),
        }
    }

    /// So many workers on cores of their own, all under one cache: what is assumed where nothing
    /// is known.
    #[must_use]
    pub fn flat(workers: usize) -> Self {
        Self::new((0..).take(workers).map(|core| Place {
            core,
            complex: 0,
            node: 0,
        }))
    }

    /// The places, in the order of the workers.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// How far `a` is from `b`. Symmetric.
    #[must_use]
    pub fn distance(&self, a: WorkerId, b: WorkerId) -> Distance {
        if a == b {
            return Distance::Same;
        }
        let place = |worker: WorkerId| self.places.get(worker.index());
        match (place(a), place(b)) {
            (Some(a), Some(b)) if a.core == b.core => Distance::Core,
            (Some(a), Some(b)) if a.complex == b.complex => Distance::Complex,
            (Some(a), Some(b)) if a.node == b.node => Distance::Node,
            _ => Distance::Machine,
        }
    }

    /// One place for each worker, each core in one complex, each complex in one node.
    pub(crate) fn check(&self, workers: usize) -> Result<(), MeshError> {
        if self.places.len() != workers {
            return Err(MeshError::DomainsOfOthers {
                places: self.places.len(),
                workers,
            });
        }
        let mut complexes = HashMap::new();
        let mut nodes = HashMap::new();
        for (worker, place) in self.places.iter().enumerate() {
            let complex = *complexes.entry(place.core).or_insert(place.complex);
            let node = *nodes.entry(place.complex).or_insert(place.node);
            if (complex, node) != (place.complex, place.node) {
                return Err(MeshError::DomainsNotNested { worker });
            }
        }
        Ok(())
    }
}

/// The other workers as one of them sees them: nearest first.
#[derive(Debug)]
pub(crate) struct Peers {
    order: Box<[u16]>,
    /// Where in `order` each distance ends, from `Core` on.
    ends: [usize; 4],
}

impl Peers {
    pub(crate) fn of(worker: WorkerId, domains: &Domains, workers_max: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "ids are below 1024")]
        let others = (0..workers_max as u16).filter(|&other| other != worker.raw());
        let distance = |&other: &u16| domains.distance(worker, WorkerId::from_raw(other));
        let mut order: Box<[u16]> = others.collect();
        // The workers come first, and spares, which may be hundreds, are all equally far.
        let workers = order.partition_point(|&other| usize::from(other) < domains.places.len());
        order[..workers].sort_by_key(distance);
        let end = |farthest| order.partition_point(|other| distance(other) <= farthest);
        let ends = [
            end(Distance::Core),
            end(Distance::Complex),
            end(Distance::Node),
            end(Distance::Machine),
        ];
        Self { order, ends }
    }

    /// Those at one distance after the other, the nearest first; some may be empty.
    pub(crate) fn rings(&self, farthest: Distance) -> impl Iterator<Item = &[u16]> {
        let count = match farthest {
            Distance::Same => 0,
            Distance::Core => 1,
            Distance::Complex => 2,
            Distance::Node => 3,
            Distance::Machine => 4,
        };
        (0..count).map(|at| {
            let begin = if at == 0 { 0 } else { self.ends[at - 1] };
            &self.order[begin..self.ends[at]]
        })
    }
}

#[cfg(all(test, not(dtact_loom), not(dtact_shuttle)))]
mod tests {
    use super::{Distance, Domains, Peers, Place};
    use crate::task::WorkerId;

    #[test]
    fn peers_come_nearest_first_and_spares_last() {
        // Worker n on core n / 2, complex n / 4, node n / 8.
        let domains = Domains::new((0..16).map(|n| Place {
            core: n / 2,
            complex: n / 4,
            node: n / 8,
        }));
        let peers = Peers::of(WorkerId::from_raw(5), &domains, 18);
        let rings: Vec<_> = peers.rings(Distance::Machine).collect();
        assert_eq!(rings[0], [4]);
        assert_eq!(rings[1], [6, 7]);
        assert_eq!(rings[2], [0, 1, 2, 3]);
        assert_eq!(rings[3], [8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(peers.rings(Distance::Complex).count(), 2);
        assert_eq!(peers.rings(Distance::Same).count(), 0);
    }
}
