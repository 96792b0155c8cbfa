//! Owns where the text comes from that a topology is read from: the machine's files, or a recording
//! of another machine's.
//!
//! ```text
//!   # A recording: one file a line, its path and its first line.
//!   /sys/devices/system/cpu/online: 0-3
//!   # A list in brackets stands for one file for each of its numbers.
//!   /sys/devices/system/cpu/cpu[0-1]/topology/core_cpus_list: 0-1
//!   # A \n stands for the end of a line inside a file.
//!   /proc/self/cgroup: 0::/app\n
//! ```

use std::collections::BTreeMap;

use super::{
    cpu_list::{CpuListError, CpuSet},
    error::TopologyError,
};

/// Text files by absolute path.
pub(crate) trait Files {
    /// The text of a file; `None` if there is none, or it cannot be read.
    fn read(&self, path: &str) -> Option<String>;
}

/// The files of a recorded machine.
#[derive(Debug)]
pub(crate) struct Recording(BTreeMap<String, String>);

impl Recording {
    pub(crate) fn parse(text: &str) -> Result<Self, TopologyError> {
        let mut files = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_ascii();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some((path, content)) = text.split_once(": ").or_else(|| {
                let path = text.strip_suffix(':')?;
                Some((path, ""))
            }) else {
                return Err(TopologyError::NotARecord { line });
            };
            let content = content.replace("\\n", "\n");
            let paths = expand(path).map_err(|error| TopologyError::BadList { line, error })?;
            files.extend(paths.into_iter().map(|path| (path, content.clone())));
        }
        Ok(Self(files))
    }
}

/// The paths that one with lists in brackets stands for.
fn expand(path: &str) -> Result<Vec<String>, CpuListError> {
    let brackets = path
        .split_once('[')
        .and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    let Some((before, (list, after))) = brackets else {
        return Ok(vec![path.to_owned()]);
    };
    let ends = expand(after)?;
    let numbers = CpuSet::parse(list)?;
    let all = numbers.iter().flat_map(|number| {
        let ends = ends.iter();
        ends.map(move |end| format!("{before}{number}{end}"))
    });
    Ok(all.collect())
}

impl Files for Recording {
    fn read(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }
}
