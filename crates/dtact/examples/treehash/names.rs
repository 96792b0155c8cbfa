//! The names of one directory, in the order of whole paths.
//!
//! # The order
//!
//! `sort` compares whole paths, and a `/` in one is a byte like any other: `-` and `.` come before
//! it, letters and digits after. So with a directory `a` the order is `a-b`, `a.txt`, `a/c`, `a0`,
//! and by names alone it would be another. A walk that goes depth first finds all paths in order
//! if it takes the entries of each directory by their *keys*: the name of a file, and the name of
//! a directory with `/` behind it.
//!
//! Proof. Let p and q be the keys of two entries, p < q. All paths of an entry begin with its key,
//! and that of a file is its key.
//!
//! - If p and q differ at a byte, every path of the one differs from every path of the other at
//!   that byte first. So all these paths are in the order of the keys.
//! - If not, p is a beginning of q. It does not end with `/`: q would have that byte too, at its
//!   end, for names contain none, and both would have one name. So p is a file, its one path is p,
//!   and all paths of q are longer and begin with it: they come after it.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt as _, path::Path};

/// The keys of one directory's files and directories, sorted. One block of bytes: a directory of
/// a million names takes two allocations, and not a million.
#[derive(Debug)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// The first byte of each key, and the one after its last.
    spans: Vec<(usize, usize)>,
}

impl Names {
    /// Reads a directory. What is neither a regular file nor a directory is left out, symbolic
    /// links too. What goes wrong with an entry is given to `fail`, with the entry's name, or
    /// with none if the directory does not give one; the others stay.
    ///
    /// # Errors
    ///
    /// The directory cannot be opened.
    pub(crate) fn read(directory: &Path, fail: impl Fn(&OsStr, &io::Error)) -> io::Result<Self> {
        let mut names = Self {
            bytes: Vec::new(),
            spans: Vec::new(),
        };
        for entry in fs::read_dir(directory)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    fail(OsStr::new(""), &error);
                    continue;
                }
            };
            let name = entry.file_name();
            match entry.file_type() {
                Ok(kind) if kind.is_file() || kind.is_dir() => {
                    names.push(name.as_bytes(), kind.is_dir());
                }
                Ok(_) => {}
                Err(error) => fail(&name, &error),
            }
        }
        let Self { bytes, spans } = &mut names;
        spans.sort_unstable_by(|&(a, a_end), &(b, b_end)| bytes[a..a_end].cmp(&bytes[b..b_end]));
        Ok(names)
    }

    fn push(&mut self, name: &[u8], is_directory: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        if is_directory {
            self.bytes.push(b'/');
        }
        self.spans.push((start, self.bytes.len()));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// A key: it ends with `/` if it is that of a directory.
    pub(crate) fn key(&self, index: usize) -> &[u8] {
        let (start, end) = self.spans[index];
        &self.bytes[start..end]
    }
}
