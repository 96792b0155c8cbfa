//! The numbers by which C says one of several.
//!
//! Those of priority, affinity, kind and switcher are what the C API of 0.2 had.

use dtact::{Affinity, Priority, TopologyMode, WorkloadKind};

use crate::error::Error;

/// How a fiber is suspended, and where it goes on: the switchers of Rust as values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the names of the types in Rust")]
pub(crate) enum Switcher {
    #[default]
    CrossThreadFloat,
    CrossThreadNoFloat,
    SameThreadFloat,
    SameThreadNoFloat,
}

/// What has a number for each of its values, from 0 on.
pub(crate) trait Numbered: Copy + 'static {
    /// What its numbers are called in messages.
    const WHAT: &'static str;
    /// Its values, each at its number.
    const VALUES: &'static [Self];

    /// The value of this number.
    fn from_number(number: i32) -> Result<Self, Error> {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::VALUES.get(index).copied())
            .ok_or(Error::NoSuchNumber {
                what: Self::WHAT,
                number,
                max: Self::VALUES.len() - 1,
            })
    }
}

impl Numbered for Priority {
    const WHAT: &'static str = "priority";
    const VALUES: &'static [Self] = &[Self::Low, Self::Normal, Self::High, Self::Critical];
}

impl Numbered for Affinity {
    const WHAT: &'static str = "affinity";
    const VALUES: &'static [Self] = &[Self::SameCore, Self::SameCCX, Self::SameNUMA, Self::Any];
}

impl Numbered for WorkloadKind {
    const WHAT: &'static str = "kind";
    const VALUES: &'static [Self] = &[Self::Compute, Self::IO, Self::Memory, Self::System];
}

impl Numbered for Switcher {
    const WHAT: &'static str = "switcher";
    const VALUES: &'static [Self] = &[
        Self::CrossThreadFloat,
        Self::CrossThreadNoFloat,
        Self::SameThreadFloat,
        Self::SameThreadNoFloat,
    ];
}

impl Numbered for TopologyMode {
    const WHAT: &'static str = "topology mode";
    const VALUES: &'static [Self] = &[Self::P2PMesh, Self::Global, Self::Pinned];
}

#[cfg(test)]
mod tests {
    use dtact::{Affinity, Priority};

    use super::{Numbered as _, Switcher};

    #[test]
    fn numbers_that_mean_nothing_are_refused_by_name() {
        assert_eq!(Priority::from_number(3).ok(), Some(Priority::Critical));
        assert_eq!(Affinity::from_number(0).ok(), Some(Affinity::SameCore));
        assert_eq!(
            Switcher::from_number(3).ok(),
            Some(Switcher::SameThreadNoFloat)
        );
        for number in [4, -1, i32::MAX] {
            let error = Affinity::from_number(number).expect_err("no such");
            let text = format!("{number} is no affinity: there are 0 to 3");
            assert_eq!(error.to_string(), text);
        }
    }
}
