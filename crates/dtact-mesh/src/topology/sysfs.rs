//! Owns how Linux describes a machine: the files under `/sys/devices/system`, read and never
//! believed blindly.
//!
//! | file | says | if it is missing or wrong |
//! | --- | --- | --- |
//! | `cpu/online` | which CPUs run | those that the process may use |
//! | `cpu/present` | which CPUs there are | none is offline |
//! | `/proc/thread-self/status` | which CPUs the process may use (cpusets included) | all |
//! | `cpu/cpuN/topology/core_cpus_list` | threads of a core | `thread_siblings_list`; else each alone |
//! | `cpu/cpuN/cache/indexM/…` | who shares which cache | the package is one complex |
//! | `cpu/cpuN/topology/physical_package_id` | the package | there is one |
//! | `node/online`, `node/nodeN/cpulist` | CPUs of a NUMA node | there is one node |
//! | `cpu/cpuN/cpu_capacity` | how fast it is | `cpufreq/cpuinfo_max_freq`; else all are equal |
//!
//! Sources: the kernel's `Documentation/admin-guide/cputopology.rst`, and
//! `Documentation/ABI/testing/{sysfs-devices-system-cpu,sysfs-devices-node}`.

use super::{
    Gap, cgroup,
    cpu_list::CpuSet,
    facts::{Fact, Facts},
    files::Files,
};

/// The most caches of a CPU that are looked at: x86 has four, and `index4` is a side cache.
const CACHES_LIMIT: u32 = 16;

/// Reads everything. `allowed`: which CPUs the process may use, if the caller knows better than
/// `/proc`.
pub(super) fn read(files: &impl Files, allowed: Option<CpuSet>) -> Facts {
    let list = |path: &str| read_list(files, path);
    let mut gaps = Vec::new();
    let allowed = allowed.or_else(|| status_list(files));
    if allowed.is_none() {
        gaps.push(Gap::Allowed);
    }
    let online = list("/sys/devices/system/cpu/online").filter(|set| !set.is_empty());
    if online.is_none() {
        gaps.push(Gap::Online);
    }
    let online = online.or_else(|| allowed.clone()).unwrap_or_default();
    let present = list("/sys/devices/system/cpu/present").unwrap_or_default();
    let nodes = read_nodes(files);
    let mut reader = Reader {
        files,
        cores: Groups::default(),
        caches: Groups::default(),
    };
    let mut facts: Vec<_> = online.iter().map(|cpu| reader.fact(cpu)).collect();
    let speeds = ["cpu_capacity", "cpufreq/cpuinfo_max_freq"]
        .iter()
        .find_map(|name| reader.speeds(&online, name));
    for (at, fact) in facts.iter_mut().enumerate() {
        let number = fact.number;
        fact.usable = allowed.as_ref().is_none_or(|set| set.contains(number));
        let node = nodes.iter().find(|(_, cpus)| cpus.contains(number));
        fact.node = node.map(|&(node, _)| node);
        fact.speed = speeds.as_ref().map(|speeds| speeds[at]);
    }
    let any = |lacks: fn(&Fact) -> bool| facts.iter().any(lacks);
    let unknown = [
        (Gap::Cores, any(|fact| fact.core.is_none())),
        (Gap::Caches, any(|fact| fact.cache.is_none())),
        (Gap::Nodes, any(|fact| fact.node.is_none())),
    ];
    gaps.extend(unknown.iter().filter(|(_, is)| *is).map(|&(gap, _)| gap));
    Facts {
        offline: present
            .iter()
            .filter(|&cpu| !online.contains(cpu))
            .collect(),
        online: facts,
        quota: cgroup::quota(files),
        gaps,
    }
}

struct Reader<'a, F> {
    files: &'a F,
    cores: Groups,
    caches: Groups,
}

impl<F: Files> Reader<'_, F> {
    fn fact(&mut self, cpu: u32) -> Fact {
        let folder = format!("/sys/devices/system/cpu/cpu{cpu}");
        let siblings = |name| read_list(self.files, &format!("{folder}/topology/{name}"));
        let core = siblings("core_cpus_list").or_else(|| siblings("thread_siblings_list"));
        let cache = self.last_cache(&folder);
        let package = self.number(cpu, "topology/physical_package_id");
        Fact {
            core: self.cores.group_of(cpu, core),
            cache: self.caches.group_of(cpu, cache),
            package: package.and_then(|package| u32::try_from(package).ok()),
            ..Fact::new(cpu)
        }
    }

    /// One unit for all CPUs, or none can be compared.
    fn speeds(&self, online: &CpuSet, name: &str) -> Option<Vec<u64>> {
        online.iter().map(|cpu| self.number(cpu, name)).collect()
    }

    /// A package of -1 is "unknown", and no number here.
    fn number(&self, cpu: u32, name: &str) -> Option<u64> {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/{name}");
        self.files.read(&path)?.trim_ascii().parse().ok()
    }

    /// Who shares the L3, or the last cache that there is, if that is an L2.
    fn last_cache(&self, folder: &str) -> Option<CpuSet> {
        let mut last: Option<(u32, CpuSet)> = None;
        for index in 0..CACHES_LIMIT {
            let folder = format!("{folder}/cache/index{index}");
            let Some(level) = self.files.read(&format!("{folder}/level")) else {
                break;
            };
            let Some(level @ 2..=3) = level.trim_ascii().parse().ok() else {
                continue;
            };
            let Some(cpus) = read_list(self.files, &format!("{folder}/shared_cpu_list")) else {
                continue;
            };
            if last.as_ref().is_none_or(|&(known, _)| known < level) {
                last = Some((level, cpus));
            }
        }
        last.map(|(_, cpus)| cpus)
    }
}

/// Groups of CPUs, each known by its place in this list.
#[derive(Default)]
struct Groups(Vec<CpuSet>);

impl Groups {
    /// A group that does not contain the CPU whose group it is said to be is nonsense.
    fn group_of(&mut self, cpu: u32, group: Option<CpuSet>) -> Option<u32> {
        let group = group.filter(|group| group.contains(cpu))?;
        let at = self.0.iter().rposition(|known| *known == group);
        let at = at.unwrap_or_else(|| {
            self.0.push(group);
            self.0.len() - 1
        });
        u32::try_from(at).ok()
    }
}

fn read_nodes(files: &impl Files) -> Vec<(u32, CpuSet)> {
    let online = read_list(files, "/sys/devices/system/node/online").unwrap_or_default();
    let cpus = |node| {
        read_list(
            files,
            &format!("/sys/devices/system/node/node{node}/cpulist"),
        )
    };
    online
        .iter()
        .filter_map(|node| Some((node, cpus(node)?)))
        .collect()
}

fn status_list(files: &impl Files) -> Option<CpuSet> {
    let status = files.read("/proc/thread-self/status")?;
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    CpuSet::parse(list).ok().filter(|set| !set.is_empty())
}

fn read_list(files: &impl Files, path: &str) -> Option<CpuSet> {
    CpuSet::parse(&files.read(path)?).ok()
}
