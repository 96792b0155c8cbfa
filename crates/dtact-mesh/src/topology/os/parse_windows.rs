//! Owns how Windows describes a machine: the records of `GetLogicalProcessorInformationEx`.
//!
//! ```text
//!   record:   0 relationship u32 | 4 size u32 | 8 body, by relationship
//!   core:     8 flags u8 | 9 efficiency class u8      | 30 groups u16 | 32 masks
//!   package:  as a core
//!   cache:    8 level u8                              | 38 groups u16 | 40 masks
//!   node:     8 number u32                            | 30 groups u16 | 32 masks
//!   mask:     0 bits u64 | 8 group u16 | 16 in all
//! ```
//!
//! Source: Microsoft's pages on `SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX`, on
//! `PROCESSOR_RELATIONSHIP`, `CACHE_RELATIONSHIP`, `NUMA_NODE_RELATIONSHIP` and `GROUP_AFFINITY`,
//! for 64-bit Windows. Before Windows 11 caches and nodes have 0 groups where one is meant.

use std::collections::BTreeMap;

use super::super::{
    Gap,
    cpu_list::CPUS_LIMIT,
    facts::{Fact, Facts},
};

/// CPUs of a processor group.
pub(super) const GROUP_SIZE: u32 = 64;

const CORE: u32 = 0;
const NODE: u32 = 1;
const CACHE: u32 = 2;
const PACKAGE: u32 = 3;
const MASK_SIZE: usize = 16;

/// Records become facts. What cannot be read ends the reading: the facts so far remain.
pub(super) fn facts(mut records: &[u8]) -> Facts {
    let mut known = BTreeMap::new();
    let mut group = 0;
    while let Some(size) = u32_at(records, 4) {
        let size = size as usize;
        if size < 8 || size > records.len() {
            break;
        }
        read(&records[..size], group, &mut known);
        records = &records[size..];
        group += 1;
    }
    let online: Vec<_> = known.into_values().map(|(_, fact)| fact).collect();
    let lacks = |lacks: fn(&Fact) -> bool| online.iter().any(lacks);
    let unknown = [
        (Gap::Cores, lacks(|fact| fact.core.is_none())),
        (Gap::Caches, lacks(|fact| fact.cache.is_none())),
        (Gap::Nodes, lacks(|fact| fact.node.is_none())),
    ];
    let gaps = unknown.iter().filter(|(_, is)| *is).map(|&(gap, _)| gap);
    Facts {
        gaps: gaps.collect(),
        online,
        ..Facts::default()
    }
}

/// One record. `name` is a name for the group of CPUs that it describes; with each fact is the
/// level of the cache that it has so far.
fn read(record: &[u8], name: u32, known: &mut BTreeMap<u32, (u8, Fact)>) {
    let Some(relationship) = u32_at(record, 0) else {
        return;
    };
    let groups_at = if relationship == CACHE { 38 } else { 30 };
    let Some(groups) = u16_at(record, groups_at) else {
        return;
    };
    let masks = (groups_at + 2..record.len()).step_by(MASK_SIZE);
    for at in masks.take(groups.max(1).into()) {
        for cpu in cpus(record, at) {
            let (level, fact) = known.entry(cpu).or_insert_with(|| (0, Fact::new(cpu)));
            match relationship {
                CORE => {
                    fact.core = Some(name);
                    // Far enough apart to be classes of their own.
                    fact.speed = record.get(9).map(|&class| 1 << (2 * class.min(31)));
                }
                PACKAGE => fact.package = Some(name),
                NODE => fact.node = u32_at(record, 8),
                CACHE if (2..=3).contains(&record[8]) && record[8] > *level => {
                    *level = record[8];
                    fact.cache = Some(name);
                }
                _ => {}
            }
        }
    }
}

/// The CPUs of the mask at `at`.
fn cpus(record: &[u8], at: usize) -> impl Iterator<Item = u32> + use<> {
    let bits = record.get(at..at + 8).and_then(|bits| bits.try_into().ok());
    let bits = bits.map_or(0, u64::from_le_bytes);
    let group = u16_at(record, at + 8).unwrap_or(0);
    let first = u32::from(group) * GROUP_SIZE;
    (0..GROUP_SIZE)
        .filter(move |bit| bits & 1 << bit != 0)
        .map(move |bit| first + bit)
        .filter(|&cpu| cpu < CPUS_LIMIT)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(all(test, not(dtact_loom), not(miri)))]
mod tests {
    use proptest::prelude::*;

    use super::{CACHE, CORE, NODE, PACKAGE, facts};

    /// A record whose groups are `masks`; `byte` is the body's first, `class` its second.
    fn record(relationship: u32, [byte, class]: [u8; 2], masks: &[(u64, u16)]) -> Vec<u8> {
        let groups_at = if relationship == CACHE { 38 } else { 30 };
        let mut record = vec![0; groups_at];
        record[..4].copy_from_slice(&relationship.to_le_bytes());
        record[8] = byte;
        record[9] = class;
        record.extend(u16::try_from(masks.len()).expect("few masks").to_le_bytes());
        for (bits, group) in masks {
            record.extend(bits.to_le_bytes());
            record.extend(group.to_le_bytes());
            record.extend([0; 6]);
        }
        let size = u32::try_from(record.len()).expect("short");
        record[4..8].copy_from_slice(&size.to_le_bytes());
        record
    }

    #[test]
    fn two_groups_with_big_and_little_cores_are_read() {
        let records = [
            record(CORE, [1, 1], &[(0b11, 0)]),
            record(CORE, [0, 0], &[(0b100, 0)]),
            record(CORE, [0, 0], &[(0b1, 1)]),
            record(NODE, [0, 0], &[(0b111, 0)]),
            record(NODE, [1, 0], &[(0b1, 1)]),
            record(CACHE, [3, 0], &[(0b111, 0)]),
            record(CACHE, [2, 0], &[(0b11, 0)]),
            record(CACHE, [2, 0], &[(0b1, 1)]),
            record(PACKAGE, [0, 0], &[(0b111, 0), (0b1, 1)]),
        ];
        let topology = facts(&records.concat()).build().expect("it has CPUs");
        let numbers: Vec<_> = topology.cpus().iter().map(|cpu| cpu.level.cpu).collect();
        assert_eq!(numbers, [0, 1, 2, 64]);
        assert_eq!(
            (topology.cores(), topology.complexes(), topology.nodes()),
            (3, 2, 2)
        );
        let classes: Vec<_> = topology.cpus().iter().map(|cpu| cpu.class).collect();
        assert_eq!(classes, [1, 1, 0, 0]);
        assert_eq!(topology.gaps(), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None,
            ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_are_too_much(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            relationship in 0_u8..8,
            size in any::<u8>(),
        ) {
            let mut bytes = bytes;
            if bytes.len() >= 8 {
                bytes[..8].copy_from_slice(&[relationship, 0, 0, 0, size, 0, 0, 0]);
            }
            drop(facts(&bytes).build());
        }
    }
}
