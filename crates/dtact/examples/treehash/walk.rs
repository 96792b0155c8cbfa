//! The recursion: a plain function that goes down a tree, and waits in its depth.

use std::{
    ffi::OsStr, fs, io, ops::ControlFlow, os::unix::ffi::OsStrExt as _, path::Path, sync::Arc,
};

use async_channel::{Receiver, Sender};
use dtact::{JoinHandle, WaitExt as _, spawn, spawn_with_stack};

use crate::{Run, hash::Digest, names::Names};

/// How many files of one walk are hashed, or done and not yet printed, at a time. Enough that the
/// workers have something to do while one file of many megabytes holds up the printer.
pub(crate) const IN_FLIGHT: usize = 256;

/// What a walk stands on. The system's longest path has 2,048 levels, each with a small frame.
const STACK: &str = "2M";

/// A file on its way to the printer.
pub(crate) struct Item {
    pub(crate) path: Arc<Path>,
    pub(crate) digest: JoinHandle<io::Result<Digest>>,
}

/// A walk that has begun: its files in the order of their paths, and how it ends.
pub(crate) struct Walk {
    pub(crate) root: Vec<u8>,
    /// How often the root was given.
    pub(crate) root_count: usize,
    pub(crate) files: Receiver<Item>,
    pub(crate) end: JoinHandle<Flow>,
}

impl Walk {
    /// Begins to walk a tree on a fiber of its own. Dropping the walk ends it.
    pub(crate) fn start(run: &'static Run, root: Vec<u8>, root_count: usize) -> Self {
        let (sender, files) = async_channel::bounded(IN_FLIGHT);
        let walker = Walker {
            run,
            path: root.clone(),
            root_bytes: root.len(),
            files: sender,
        };
        let end = spawn_with_stack(STACK, move || walker.root());
        Self {
            root,
            root_count,
            files,
            end,
        }
    }
}

struct Walker {
    run: &'static Run,
    /// Where the walk is. A directory below the root ends with `/`.
    path: Vec<u8>,
    /// How much of it was given.
    root_bytes: usize,
    files: Sender<Item>,
}

/// Whether to go on. A walk breaks off when nobody listens.
pub(crate) type Flow = ControlFlow<()>;

impl Walker {
    fn root(mut self) -> Flow {
        match fs::symlink_metadata(as_path(&self.path)) {
            Ok(metadata) if metadata.is_dir() => {
                if self.path.last() != Some(&b'/') {
                    self.path.push(b'/');
                }
                self.directory()
            }
            Ok(metadata) if metadata.is_file() => self.file(),
            Ok(_) => Flow::Continue(()),
            Err(error) => {
                self.run.report.error(&self.path, &error);
                Flow::Continue(())
            }
        }
    }

    /// Walks the directory at `path`. Each level has one frame of this function on the stack, and
    /// the names of its directory.
    fn directory(&mut self) -> Flow {
        // A tree without files sends nothing, so the channel alone would not stop it.
        if self.files.is_closed() {
            return Flow::Break(());
        }
        let Some(names) = self.names() else {
            return Flow::Continue(());
        };
        let path_bytes = self.path.len();
        for index in 0..names.len() {
            let key = names.key(index);
            self.path.extend_from_slice(key);
            if key.ends_with(b"/") {
                self.directory()?;
            } else {
                self.file()?;
            }
            self.path.truncate(path_bytes);
        }
        Flow::Continue(())
    }

    /// Out of line, so that what it needs is off the stack while the recursion goes on.
    #[inline(never)]
    fn names(&self) -> Option<Names> {
        let fail = |name: &OsStr, error: &io::Error| {
            let path = [&self.path, name.as_bytes()].concat();
            // The last slash of a directory is shown where it was given.
            let shown = path
                .strip_suffix(b"/")
                .filter(|shown| shown.len() >= self.root_bytes);
            self.run.report.error(shown.unwrap_or(&path), error);
        };
        match Names::read(as_path(&self.path), fail) {
            Ok(names) => Some(names),
            Err(error) => {
                fail(OsStr::new(""), &error);
                None
            }
        }
    }

    /// Spawns the hash of the file at `path`, and queues it for the printer. Here is where the
    /// whole recursion waits while the queue is full.
    #[inline(never)]
    fn file(&self) -> Flow {
        let path: Arc<Path> = Arc::from(as_path(&self.path));
        let digest = spawn(self.run.hasher.hash(self.run, Arc::clone(&path)));
        match self.files.send(Item { path, digest }).wait() {
            Ok(()) => Flow::Continue(()),
            Err(_closed) => Flow::Break(()),
        }
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
