//! `treehash PATH…`: the SHA-256 of every regular file under the paths, sorted by path.
//!
//! It prints, byte for byte, what `find PATH… -type f | LC_ALL=C sort | xargs sha256sum` prints
//! for names without odd characters, and for all names what `sha256sum -c` accepts.
//!
//! ```text
//!  PATH ──► walk ──► bounded channel of (path, handle of its hash) ──┐
//!  PATH ──► walk ──► …                                               ├──► merge ──► print
//!  PATH ──► walk ──► …                                               ┘
//!            └──► hash, hash, hash …   one fiber for each file
//! ```
//!
//! | module | owns |
//! | --- | --- |
//! | `walk` | the recursion: a plain function that waits in its depth |
//! | `names` | the names of one directory, in the order of whole paths |
//! | `hash` | the fiber of one file, and the buffers that all share |
//! | `merge` | one order out of several walks |
//! | `print` | the lines, and standard output |
//! | `report` | standard error: messages, the progress bar, the totals |
//!
//! # Why fibers with stacks
//!
//! A walk is a recursive function. When it is ahead of the hashes, its channel is full, and it has
//! to wait with a frame for every level above it. As a future it would have to be boxed at each
//! level; here it calls [`wait`](dtact::WaitExt::wait) at the bottom, and the worker goes on with
//! the hashes on another stack. The hashes are futures: they suspend at one level, and keep a cell
//! and nothing else.
//!
//! # What it holds
//!
//! However many files there are: for each walk at most [`walk::IN_FLIGHT`] files in its channel;
//! a fixed number of buffers, which also bounds the open files; a fixed number of walks begun
//! before their turn. Two things do grow: the names of one directory on each level of a walk, for
//! a directory has to be read to its end before it can be sorted; and a walk for each of the
//! different PATHs that the file being printed begins with, which is one unless they overlap.
//!
//! # Blocking calls
//!
//! Directories and files are read right on the fiber. Linux has no readiness for regular files:
//! a read returns when it has the bytes, most often from the page cache. A pool of threads would
//! block just so, with two more hand-overs for each file.
//!
//! # Limits
//!
//! Files are opened by whole path, so a path longer than the system's limit (4,096 bytes) is
//! reported as an error.

mod hash;
mod merge;
mod names;
mod print;
mod report;
mod walk;

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    os::unix::ffi::OsStringExt as _,
    process::ExitCode,
};

use dtact::{Runtime, spawn};

use crate::{hash::Hasher, merge::Merge, report::Report};

const USAGE: &str = "\
Usage: treehash [--] PATH...
Print the SHA-256 of every regular file under each PATH, sorted by path, in the
format of sha256sum. Symbolic links are not followed.

      --help  print this, and exit

Exit status: 0 if every file was read, 1 if one was not, 2 for wrong usage.
";

/// What all fibers share, for as long as the process lives.
struct Run {
    hasher: Hasher,
    report: Report,
}

#[dtact::dtact_init(unsafe(stackful))]
async fn main() -> ExitCode {
    let paths = match parse(env::args_os().skip(1)) {
        Ok(paths) => paths,
        Err(Refused::Help) => {
            let is_written = io::stdout().write_all(USAGE.as_bytes()).is_ok();
            return if is_written {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        Err(Refused::NoPath) => {
            // Nobody is left to tell if this fails.
            drop(io::stderr().write_all(USAGE.as_bytes()));
            return ExitCode::from(2);
        }
    };
    let run: &'static Run = Box::leak(Box::new(Run {
        hasher: Hasher::new(),
        report: Report::new(),
    }));
    // On a fiber of its own, so that a hash that ends wakes a fiber, and not a thread.
    match spawn(print::all(run, Merge::new(run, paths))).await {
        Ok(Ok(())) => {}
        // Nobody reads any more: there are no totals, and nothing to complain about.
        Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::FAILURE,
        Ok(Err(error)) => run.report.error(b"standard output", &error),
        Err(error) => run.report.error(b"standard output", &error),
    }
    if let Ok(runtime) = Runtime::global() {
        run.report.totals(&runtime.metrics());
    }
    if run.report.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Why there is nothing to hash.
#[derive(Debug)]
enum Refused {
    Help,
    NoPath,
}

/// The paths among the arguments. `--help` is the only option: what else begins with `-` is a
/// path, and after `--` so is everything.
fn parse(args: impl Iterator<Item = OsString>) -> Result<Vec<Vec<u8>>, Refused> {
    let mut paths = Vec::new();
    let mut has_options = true;
    for arg in args {
        match arg.as_encoded_bytes() {
            b"--help" if has_options => return Err(Refused::Help),
            b"--" if has_options => has_options = false,
            _ => paths.push(arg.into_vec()),
        }
    }
    if paths.is_empty() {
        Err(Refused::NoPath)
    } else {
        Ok(paths)
    }
}
