//! What is said about an overflow.

use super::note::Note;
use super::occupant::{Occupant, OccupantKind};
use super::registry::GuardHit;
use crate::size_class::SizeClass;

/// What a thread is taken for that has said nothing about itself.
static UNKNOWN: OccupantKind = OccupantKind::new(
    "user",
    "`StackPoolBuilder::stack_bytes`, or the bytes given to `StackPool::take`",
);

/// A fault in a guard.
#[derive(Debug)]
pub(super) struct Fault<'thread> {
    /// Where the access was.
    pub(super) address: usize,
    /// Where the stack pointer was, where the system tells.
    pub(super) stack_pointer: Option<usize>,
    /// The stack whose guard was hit.
    pub(super) hit: GuardHit,
    /// Who ran on the thread, if it has said so.
    pub(super) occupant: Option<&'thread Occupant>,
}

impl Fault<'_> {
    /// The message, each line of which says where it comes from.
    pub(super) fn describe(&self) -> Note {
        let mut note = Note::new();
        note.push_str("dtact: ");
        self.push_occupant(&mut note);
        // Below the guard: a frame larger than the guard, or code on the stack below.
        let elsewhere = self
            .stack_pointer
            .filter(|&pointer| pointer < self.hit.guard || pointer > self.hit.top);
        if let Some(pointer) = elsewhere {
            note.push_str(" has touched the guard below a stack, with its stack pointer at ");
            push_address(&mut note, pointer);
            note.push_str(", not on it: a stray pointer, or a frame larger than the guard");
        } else {
            note.push_str(" has overflowed its stack");
        }
        self.push_measures(&mut note, elsewhere.is_some());
        self.push_advice(&mut note);
        note
    }

    fn kind(&self) -> &'static OccupantKind {
        self.occupant.map_or(&UNKNOWN, Occupant::kind)
    }

    fn push_occupant(&self, note: &mut Note) {
        let kind = self.kind();
        let user = self.occupant.filter(|it| it.id() != Occupant::NOBODY);
        let Some(user) = user else {
            note.push_str("code on a pooled stack, which is no known ");
            note.push_str(kind.noun);
            note.push_str(",");
            return;
        };
        note.push_str(kind.noun);
        note.push_str(" ");
        (kind.write_id)(user.id(), note);
        if let Some(name) = user.name() {
            note.push_str(" ");
            note.push_name(name);
        }
    }

    fn push_measures(&self, note: &mut Note, is_elsewhere: bool) {
        let hit = &self.hit;
        note.push_str("\ndtact:   stack: ");
        push_bytes(note, hit.top.saturating_sub(hit.bottom));
        note.push_str(" from ");
        push_address(note, hit.bottom);
        note.push_str(" to ");
        push_address(note, hit.top);
        if !is_elsewhere {
            let deepest = self.stack_pointer.unwrap_or(self.address).min(self.address);
            note.push_str(", used: ");
            push_bytes(note, hit.top.saturating_sub(deepest));
        }
        note.push_str("\ndtact:   fault: at ");
        push_address(note, self.address);
        note.push_str(", ");
        push_bytes(note, hit.bottom.saturating_sub(self.address));
        note.push_str(" below the bottom");
    }

    fn push_advice(&self, note: &mut Note) {
        let bytes = self.hit.top.saturating_sub(self.hit.bottom);
        let larger = bytes.saturating_add(1).next_power_of_two();
        if larger <= SizeClass::LARGEST.bytes() {
            note.push_str("\ndtact:   to do: ask for a stack of ");
            push_bytes(note, larger);
            note.push_str(" or more, by ");
            note.push_str(self.kind().advice);
        } else {
            note.push_str(
                "\ndtact:   to do: no stack is larger; call less deep, or move values to the heap",
            );
        }
        note.push_str("\n");
    }
}

fn push_bytes(note: &mut Note, bytes: usize) {
    note.push_decimal(bytes as u64);
    note.push_str(" bytes");
}

fn push_address(note: &mut Note, address: usize) {
    note.push_hexadecimal(address as u64);
}

#[cfg(all(test, not(dtact_loom)))]
mod tests {
    use super::*;

    static FIBER: OccupantKind = OccupantKind::new("fiber", "`spawn_with_stack`");

    const HIT: GuardHit = GuardHit {
        guard: 0xf000,
        bottom: 0x1_0000,
        top: 0x2_0000,
    };

    fn describe(occupant: Option<&Occupant>, stack_pointer: Option<usize>) -> String {
        let fault = Fault {
            address: 0xfff8,
            stack_pointer,
            hit: HIT,
            occupant,
        };
        String::from_utf8(fault.describe().as_bytes().to_vec()).expect("notes are text")
    }

    #[test]
    fn the_message_names_user_size_use_fault_and_what_to_set() {
        let occupant = Occupant::new(&FIBER);
        occupant.set_id(42);
        occupant.set_name(Some(&"parser"));
        assert_eq!(
            describe(Some(&occupant), Some(0x1_0000)),
            "dtact: fiber 42 \"parser\" has overflowed its stack\n\
             dtact:   stack: 65536 bytes from 0x10000 to 0x20000, used: 65544 bytes\n\
             dtact:   fault: at 0xfff8, 8 bytes below the bottom\n\
             dtact:   to do: ask for a stack of 131072 bytes or more, by `spawn_with_stack`\n"
        );
        occupant.set_name(None);
        let text = describe(Some(&occupant), None);
        assert!(text.starts_with("dtact: fiber 42 has overflowed"), "{text}");
    }

    #[test]
    fn who_has_not_said_who_it_is_is_no_known_user() {
        for (occupant, noun) in [(None, "user"), (Some(&Occupant::new(&FIBER)), "fiber")] {
            let text = describe(occupant, None);
            assert!(text.contains(&format!("no known {noun}, has")), "{text}");
        }
    }

    #[test]
    fn a_stack_pointer_elsewhere_is_no_plain_overflow() {
        for pointer in [HIT.guard - 1, HIT.top + 1] {
            let text = describe(None, Some(pointer));
            assert!(text.contains("a stray pointer"), "{text}");
            assert!(!text.contains("used:"), "{text}");
        }
        for pointer in [HIT.guard, HIT.bottom, HIT.top] {
            let text = describe(None, Some(pointer));
            assert!(text.contains("has overflowed its stack"), "{text}");
        }
    }

    #[test]
    fn the_longest_message_fits() {
        static LONG: OccupantKind = OccupantKind::new(
            "coroutine of a kind with a long name",
            "`a::setting::with::a::long::path`, or `another::setting::with::a::long::path`",
        );
        let occupant = Occupant::new(&LONG);
        occupant.set_id(u64::MAX - 1);
        let name = "n".repeat(1000);
        let fault = Fault {
            address: usize::MAX,
            stack_pointer: Some(usize::MAX),
            hit: HIT,
            occupant: Some(&occupant),
        };
        let name = name.as_str();
        // SAFETY: the name outlives its use below.
        #[allow(unsafe_code, reason = "sets a name that goes")]
        unsafe {
            occupant.set_name_for_now(&name);
        }
        let note = fault.describe();
        assert_eq!(note.as_bytes().last(), Some(&b'\n'));
    }
}
