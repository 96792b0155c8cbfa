//! Owns how much CPU time the control groups of this process allow it (Linux).
//!
//! ```text
//!   /proc/self/cgroup:     0::/app/web                 the group, as seen from the mount's root
//!   /proc/self/mountinfo:  … / /sys/fs/cgroup … - cgroup2 …      where that hierarchy is mounted
//!   quota = the least of cpu.max in /sys/fs/cgroup/app/web, /sys/fs/cgroup/app, /sys/fs/cgroup
//! ```
//!
//! Sources: `cgroups(7)`; `proc_pid_mountinfo(5)`; the kernel's `cgroup-v2.rst` (`cpu.max`) and
//! `sched-bwc.rst` (`cpu.cfs_quota_us`). A process may be under both versions at a time.

use super::{Quota, files::Files};

/// The least quota of all groups that this process is in. `None`: there is no limit, or no control
/// groups.
pub(super) fn quota(files: &impl Files) -> Option<Quota> {
    let groups = files.read("/proc/self/cgroup")?;
    let mounts = files.read("/proc/self/mountinfo")?;
    groups
        .lines()
        .filter_map(Membership::parse)
        .filter_map(|member| member.quota(files, &mounts))
        .reduce(Quota::smaller)
}

/// A line of `/proc/self/cgroup` that has to do with CPU time.
struct Membership<'a> {
    version: Version,
    group: &'a str,
}

#[derive(Copy, Clone, Eq, PartialEq)]
enum Version {
    V1,
    V2,
}

impl<'a> Membership<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // `hierarchy-ID:controller-list:cgroup-path`; version 2 is `0::path`.
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let version = if hierarchy == "0" && controllers.is_empty() {
            Version::V2
        } else if controllers.split(',').any(|name| name == "cpu") {
            Version::V1
        } else {
            return None;
        };
        Some(Self { version, group })
    }

    fn quota(&self, files: &impl Files, mounts: &str) -> Option<Quota> {
        let mount = mounts
            .lines()
            .filter_map(Mount::parse)
            .find(|mount| mount.is_for(self.version))?;
        let mut group = mount.below(self.group);
        let mut least = None;
        loop {
            let folder = format!("{}{}", mount.at, group);
            let here = self.version.read(files, folder.trim_end_matches('/'));
            least = [least, here].into_iter().flatten().reduce(Quota::smaller);
            match group.rfind('/') {
                Some(end) => group = &group[..end],
                None => return least,
            }
        }
    }
}

impl Version {
    fn read(self, files: &impl Files, folder: &str) -> Option<Quota> {
        match self {
            Self::V2 => {
                let text = files.read(&format!("{folder}/cpu.max"))?;
                let (quota, period) = text.trim_ascii().split_once(' ')?;
                // "max" is no number, and no limit.
                Quota::new(quota.parse().ok()?, period.parse().ok()?)
            }
            Self::V1 => {
                let number = |name| -> Option<u64> {
                    // -1 is no limit, and no u64.
                    let text = files.read(&format!("{folder}/cpu.{name}_us"))?;
                    text.trim_ascii().parse().ok()
                };
                Quota::new(number("cfs_quota")?, number("cfs_period")?)
            }
        }
    }
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    /// Which folder of the file system is mounted.
    root: &'a str,
    /// Where.
    at: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // `36 35 98:0 /root /at options optional… - kind source options`
        let (place, file_system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut file_system = file_system.split(' ');
        Some(Self {
            root: place.next()?,
            at: place.next()?,
            kind: file_system.next()?,
            options: file_system.nth(1).unwrap_or(""),
        })
    }

    fn is_for(&self, version: Version) -> bool {
        match version {
            Version::V2 => self.kind == "cgroup2",
            Version::V1 => {
                self.kind == "cgroup" && self.options.split(',').any(|option| option == "cpu")
            }
        }
    }

    /// A group's path below this mount, empty for the mount's root. A container sees a part of the
    /// hierarchy: what leads to that part is not below the mount, and neither is a group outside.
    fn below<'g>(&self, group: &'g str) -> &'g str {
        let root = self.root.trim_end_matches('/');
        let rest = group.strip_prefix(root).unwrap_or("");
        if rest.starts_with('/') && !rest.contains("/../") {
            rest.trim_end_matches('/')
        } else {
            ""
        }
    }
}

#[cfg(all(test, not(dtact_loom), not(miri)))]
mod tests {
    use super::{super::files::Recording, Quota, quota};

    const V2_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw";

    fn of(recording: &str) -> Option<Quota> {
        quota(&Recording::parse(recording).expect("it is a recording"))
    }

    #[test]
    fn the_least_quota_on_the_way_to_the_root_counts() {
        let found = of(&format!(
            "/proc/self/cgroup: 0::/app/web\\n\n\
             /proc/self/mountinfo: {V2_MOUNT}\\n\n\
             /sys/fs/cgroup/app/web/cpu.max: 400000 100000\\n\n\
             /sys/fs/cgroup/app/cpu.max: 30000 20000\\n\n\
             /sys/fs/cgroup/cpu.max: max 100000\\n"
        ));
        assert_eq!(found, Quota::new(30_000, 20_000));
    }

    #[test]
    fn no_limit_is_no_quota() {
        let found = of(&format!(
            "/proc/self/cgroup: 0::/\\n\n\
             /proc/self/mountinfo: {V2_MOUNT}\\n\n\
             /sys/fs/cgroup/cpu.max: max 100000\\n"
        ));
        assert_eq!(found, None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn version_1_is_found_by_its_mount_in_a_container() {
        // As a container sees it: the mount shows the container's own part of the hierarchy.
        let found = of(
            "/proc/self/cgroup: 5:cpu,cpuacct:/docker/c1/x\\n4:memory:/docker/c1\\n0::/\\n\n\
             /proc/self/mountinfo: \
             31 23 0:28 /docker/c1 /cg/cpu rw master:1 - cgroup cgroup rw,cpu,cpuacct\\n\n\
             /cg/cpu/x/cpu.cfs_quota_us: -1\\n\n\
             /cg/cpu/x/cpu.cfs_period_us: 100000\\n\n\
             /cg/cpu/cpu.cfs_quota_us: 50000\\n\n\
             /cg/cpu/cpu.cfs_period_us: 100000\\n",
        );
        assert_eq!(found, Quota::new(50_000, 100_000));
    }

    #[test]
    fn nonsense_is_no_quota() {
        for text in [
            "0 100000",
            "100000 0",
            "-5 100000",
            "abc",
            "99999999999999999999 1",
            "",
        ] {
            let found = of(&format!(
                "/proc/self/cgroup: 0::/../elsewhere\\n:::\\n\n\
                 /proc/self/mountinfo: garbage\\n{V2_MOUNT}\\n\n\
                 /sys/fs/cgroup/cpu.max: {text}"
            ));
            assert_eq!(found, None, "{text}");
        }
    }
}
