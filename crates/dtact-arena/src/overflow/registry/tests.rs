//! The registry on its own: what is found, and that places come back.

use super::{GuardHit, RegionRecord, Registry};
use crate::layout::{Ends, StackLayout};
use crate::size_class::SizeClass;

const PAGE_BYTES: usize = 4096;

fn record(bottom: usize, capacity: u32) -> RegionRecord {
    let layout = StackLayout::new(SizeClass::SMALLEST, PAGE_BYTES, 1, Ends::GuardBelow);
    RegionRecord {
        bottom,
        bytes: layout.region_bytes(capacity).expect("a small region"),
        layout,
    }
}

#[test]
fn a_guard_is_found_by_each_of_its_bytes_and_nothing_else_is() {
    let registry = Registry::<2>::new();
    let (one, two) = (record(0x10_0000, 3), record(0x90_0000, 1));
    let _registered = [one, two].map(|it| registry.add(it));
    let span = one.layout.span(2);
    let hit = GuardHit {
        guard: one.bottom + span.guard,
        bottom: one.bottom + span.bottom,
        top: one.bottom + span.top,
    };
    assert_eq!(registry.guard_at(hit.guard), Some(hit));
    assert_eq!(registry.guard_at(hit.bottom - 1), Some(hit));
    for outside in [0, hit.bottom, hit.top - 1, one.bottom - 1, usize::MAX] {
        assert_eq!(registry.guard_at(outside), None, "{outside:#x}");
    }
    assert_eq!(registry.guard_at(one.bottom + one.bytes), None);
    assert!(registry.guard_at(two.bottom).is_some());
    assert_eq!(registry.guard_at(two.bottom + two.bytes), None);
}

#[test]
fn a_region_that_is_gone_is_not_found_and_its_place_is_used_again() {
    let registry = Registry::<1>::new();
    for round in 1..100 {
        let record = record(round << 24, 1);
        let registered = registry.add(record);
        assert!(registry.guard_at(record.bottom).is_some());
        drop(registered);
        assert_eq!(registry.guard_at(record.bottom), None);
    }
    assert!(
        registry.first.next().is_none(),
        "one place did for them all"
    );
}

#[test]
fn there_is_a_place_for_every_region() {
    // A static, as the process's own: its blocks stay.
    static REGISTRY: Registry<2> = Registry::new();
    let registry = &REGISTRY;
    let registered: Vec<_> = (1..20)
        .map(|it| registry.add(record(it << 24, 1)))
        .collect();
    for it in 1..20 {
        assert!(registry.guard_at(it << 24).is_some());
    }
    drop(registered);
    for it in 1..20 {
        assert_eq!(registry.guard_at(it << 24), None);
    }
}

#[test]
fn the_guard_above_the_last_stack_is_below_none() {
    let registry = Registry::<1>::new();
    let layout = StackLayout::new(SizeClass::SMALLEST, PAGE_BYTES, 1, Ends::GuardBoth);
    let bytes = layout.region_bytes(2).expect("a small region");
    let bottom = 0x10_0000;
    let _registered = registry.add(RegionRecord {
        bottom,
        bytes,
        layout,
    });
    for index in 0..2 {
        let span = layout.span(index);
        let hit = registry
            .guard_at(bottom + span.guard)
            .expect("below a stack");
        assert_eq!(
            (hit.bottom, hit.top),
            (bottom + span.bottom, bottom + span.top)
        );
    }
    assert_eq!(registry.guard_at(bottom + bytes - 1), None);
}
