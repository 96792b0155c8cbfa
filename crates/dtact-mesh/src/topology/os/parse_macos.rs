//! Owns how macOS describes a machine: counts, by `sysctl` name.
//!
//! The system numbers CPUs for nobody outside and binds no thread to one, so the numbers here are
//! made up: the slowest cores come first. Source: Apple's "Determining system capabilities"
//! (`hw.nperflevels`, `hw.perflevelN.logicalcpu`, `.physicalcpu`, `.cpusperl2`; level 0 is the
//! fastest), and `sysctl(3)` for the older names.

use super::super::{
    Gap,
    cpu_list::CPUS_LIMIT,
    error::TopologyError,
    facts::{Fact, Facts},
};

/// What `sysctl` answers, by name, becomes facts.
pub(super) fn facts(sysctl: impl Fn(&str) -> Option<u32>) -> Result<Facts, TopologyError> {
    let positive = |name: &str| sysctl(name).filter(|&value| value > 0);
    let levels = positive("hw.nperflevels").unwrap_or(0).min(8);
    let mut online = Vec::new();
    let mut gaps = Vec::new();
    let mut add = |prefix: &str, speed| {
        let count = positive(&format!("{prefix}.logicalcpu")).unwrap_or(0);
        let physical = positive(&format!("{prefix}.physicalcpu")).unwrap_or(count);
        let threads = (count / physical.max(1)).max(1);
        let per_cache = positive(&format!("{prefix}.cpusperl2"));
        if per_cache.is_none() {
            gaps.push(Gap::Caches);
        }
        let first = u32::try_from(online.len()).unwrap_or(CPUS_LIMIT);
        for at in 0..count.min(CPUS_LIMIT.saturating_sub(first)) {
            online.push(Fact {
                // A group's name: its first CPU, so that no two levels share one.
                core: Some(first + at / threads * threads),
                cache: per_cache.map(|per_cache| first + at / per_cache * per_cache),
                speed: Some(speed),
                ..Fact::new(first + at)
            });
        }
    };
    for level in (0..levels).rev() {
        // Any numbers that are far enough apart to be classes of their own.
        add(&format!("hw.perflevel{level}"), 1 << (2 * (levels - level)));
    }
    if levels == 0 {
        add("hw", 1);
    }
    if online.is_empty() {
        return Err(TopologyError::NoCpus);
    }
    Ok(Facts {
        online,
        gaps,
        ..Facts::default()
    })
}

#[cfg(all(test, not(dtact_loom), not(miri)))]
mod tests {
    use super::facts;

    fn machine(values: &'static [(&'static str, u32)]) -> impl Fn(&str) -> Option<u32> {
        |name| {
            values
                .iter()
                .find(|(known, _)| *known == name)
                .map(|&(_, value)| value)
        }
    }

    #[test]
    fn an_m1_pro_has_an_efficient_complex_and_two_fast_ones() {
        let topology = facts(machine(&[
            ("hw.nperflevels", 2),
            ("hw.perflevel0.logicalcpu", 8),
            ("hw.perflevel0.physicalcpu", 8),
            ("hw.perflevel0.cpusperl2", 4),
            ("hw.perflevel1.logicalcpu", 2),
            ("hw.perflevel1.physicalcpu", 2),
            ("hw.perflevel1.cpusperl2", 2),
        ]));
        let topology = topology.and_then(super::Facts::build).expect("it has CPUs");
        assert_eq!(
            (topology.cores(), topology.complexes(), topology.nodes()),
            (10, 3, 1)
        );
        let classes: Vec<_> = topology.cpus().iter().map(|cpu| cpu.class).collect();
        assert_eq!(classes, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn an_intel_mac_has_threads_and_one_complex() {
        let topology = facts(machine(&[("hw.logicalcpu", 8), ("hw.physicalcpu", 4)]));
        let topology = topology.and_then(super::Facts::build).expect("it has CPUs");
        assert_eq!((topology.cores(), topology.complexes()), (4, 1));
    }

    #[test]
    fn silence_is_an_error_and_nonsense_is_survived() {
        assert!(facts(|_| None).is_err());
        let huge = facts(|_| Some(u32::MAX))
            .and_then(super::Facts::build)
            .expect("CPUs");
        assert_eq!(huge.cpus().len(), super::CPUS_LIMIT as usize);
    }
}
