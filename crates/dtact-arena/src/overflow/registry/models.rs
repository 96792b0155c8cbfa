//! Models of the registry: a reader that stands for the handler, against pools that come and go.

use loom::sync::Arc;
use loom::thread;

use super::{RegionRecord, Registry};
use crate::layout::StackLayout;

/// Two regions that share addresses, and differ in every word. The second has no guards.
fn records() -> [RegionRecord; 2] {
    let layout = |guard: usize, stride: usize, ends: usize| {
        StackLayout::from_words([stride | ends, guard | 12]).expect("a layout")
    };
    [
        RegionRecord {
            bottom: 0x10_0000,
            bytes: 0x8000,
            layout: layout(0x1000, 0x8000, 1),
        },
        RegionRecord {
            bottom: 0x8_0000,
            bytes: 0x10_0000,
            layout: layout(0, 0x10_0000, 0),
        },
    ]
}

/// What a reader may see of the one slot while the records come and go in it.
fn check(read: fn(&Registry<1>) -> Option<RegionRecord>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(move || {
        let registry = Arc::new(Registry::<1>::new());
        let [one, two] = records();
        let writer = Arc::clone(&registry);
        let thread = thread::spawn(move || {
            drop(writer.add(one));
            drop(writer.add(two));
        });
        if let Some(seen) = read(&registry) {
            assert!(seen == one || seen == two, "words of one registration");
        }
        thread.join().expect("the model's thread ends");
        assert_eq!(read(&registry), None, "both are gone");
    });
}

/// [overflow.I1]
#[test]
fn a_reader_sees_the_words_of_one_registration() {
    check(|registry| registry.first.slots[0].read());
}

/// The check of the version is what makes it so.
#[test]
#[should_panic(expected = "words of one registration")]
fn without_the_version_a_reader_sees_a_mixture() {
    check(|registry| registry.first.slots[0].words());
}

/// [overflow.I2]
#[test]
fn a_region_that_lives_is_found_while_others_come_and_go() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(|| {
        let registry = Arc::new(Registry::<1>::new());
        let [one, two] = records();
        let other = Arc::clone(&registry);
        // Whichever is second has a block made for it, while the other one is looked for.
        let thread = thread::spawn(move || drop(other.add(two)));
        let registered = registry.add(one);
        assert!(registry.guard_at(one.bottom).is_some());
        drop(registered);
        thread.join().expect("the model's thread ends");
        assert_eq!(registry.guard_at(one.bottom), None);
    });
}
