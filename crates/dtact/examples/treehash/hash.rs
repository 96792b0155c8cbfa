//! The fiber of one file, and the buffers that all of them share.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
    thread,
};

use async_channel::{Receiver, Sender};
use dtact::yield_now;
use sha2::{Digest as _, Sha256};

use crate::Run;

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// Large enough that calls into the system cost nothing beside the hashing, and small enough to
/// stay in a second-level cache.
const BUFFER_BYTES: usize = 128 << 10;

/// How much of a file is hashed before the others get their turn: a few milliseconds' worth.
const TURN_BYTES: usize = 4 << 20;

type Buffer = Box<[u8]>;

/// The pool of buffers. A file is open only while its fiber has one, so there are no more open
/// files than buffers.
pub(crate) struct Hasher {
    spare: Receiver<Buffer>,
    spares: Sender<Buffer>,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        // A worker needs one. The others are for large files that have had their turn, so that
        // small ones need not wait for those to end.
        let count = 4 * thread::available_parallelism().map_or(1, usize::from);
        let (spares, spare) = async_channel::bounded(count);
        for _ in 0..count {
            let is_taken = spares
                .try_send(vec![0; BUFFER_BYTES].into_boxed_slice())
                .is_ok();
            debug_assert!(is_taken, "there is room for all");
        }
        Self { spare, spares }
    }

    /// Hashes a file.
    pub(crate) async fn hash(&self, run: &Run, path: Arc<Path>) -> io::Result<Digest> {
        let buffer = self.spare.recv().await.map_err(io::Error::other)?;
        let mut lent = Lent {
            buffer,
            spares: &self.spares,
        };
        let mut file = File::open(path)?;
        let mut sha = Sha256::new();
        while turn(run, &mut file, &mut lent.buffer, &mut sha)? {
            yield_now().await;
        }
        Ok(sha.finalize().into())
    }
}

/// Hashes some more. Returns whether there may be more of it.
fn turn(run: &Run, file: &mut File, buffer: &mut [u8], sha: &mut Sha256) -> io::Result<bool> {
    let mut turn_bytes = 0;
    while turn_bytes < TURN_BYTES {
        // Only a read of nothing is the end: there are file systems that give less than asked.
        let count = match file.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sha.update(&buffer[..count]);
        turn_bytes += count;
        run.report.add_bytes(count);
    }
    Ok(true)
}

/// A buffer that goes back into the pool, however its fiber ends.
struct Lent<'pool> {
    buffer: Buffer,
    spares: &'pool Sender<Buffer>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let buffer = core::mem::take(&mut self.buffer);
        // The channel has room for all buffers, and lives as long as the process.
        drop(self.spares.try_send(buffer));
    }
}
