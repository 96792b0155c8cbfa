//! The lines, and standard output.

use std::{
    io::{self, IsTerminal as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    time::{Duration, Instant},
};

use crate::{Run, hash::Digest, merge::Merge};

/// How much is written at a time.
const BLOCK_BYTES: usize = 32 << 10;

/// How old a line gets before it is written even so.
const AGE_MAX: Duration = Duration::from_millis(100);

/// Prints all files of a merge: waits for each in turn. What goes wrong with one is reported, and
/// the others are printed.
///
/// # Errors
///
/// Standard output takes no more. With the merge the channels are gone, and so end the walks; the
/// hashes end with the runtime, at their next suspension.
pub(crate) async fn all(run: &Run, mut merge: Merge) -> io::Result<()> {
    let mut out = Out::new();
    while let Some((item, count)) = merge.next().await {
        if !item.digest.is_finished() {
            out.flush_old()?;
        }
        let path = item.path.as_os_str().as_bytes();
        match item.digest.await {
            Ok(Ok(digest)) => {
                for _ in 0..count {
                    line(&mut out.block, &digest, path);
                    run.report.add_file();
                    out.written()?;
                }
            }
            Ok(Err(error)) => run.report.error(path, &error),
            Err(error) => run.report.error(path, &error),
        }
    }
    out.flush()
}

/// Standard output, in blocks.
struct Out {
    block: Vec<u8>,
    flushed: Instant,
    is_terminal: bool,
}

impl Out {
    fn new() -> Self {
        Self {
            block: Vec::with_capacity(BLOCK_BYTES + 8192),
            flushed: Instant::now(),
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// After each line.
    fn written(&mut self) -> io::Result<()> {
        if self.block.len() >= BLOCK_BYTES || self.is_terminal {
            return self.flush();
        }
        self.flush_old()
    }

    fn flush_old(&mut self) -> io::Result<()> {
        if self.flushed.elapsed() < AGE_MAX {
            Ok(())
        } else {
            self.flush()
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.block)?;
        stdout.flush()?;
        self.block.clear();
        self.flushed = Instant::now();
        Ok(())
    }
}

/// Appends a line as `sha256sum` writes it: of a name with a newline, a carriage return or a
/// backslash, these are escaped, and a backslash in front of the line says so.
fn line(block: &mut Vec<u8>, digest: &Digest, path: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if path.iter().any(|&byte| escape(byte).is_some()) {
        block.push(b'\\');
    }
    for byte in digest {
        block.push(DIGITS[usize::from(byte >> 4)]);
        block.push(DIGITS[usize::from(byte & 15)]);
    }
    block.extend_from_slice(b"  ");
    escaped(block, path);
    block.push(b'\n');
}

/// Appends a path such that it stays within its line.
pub(crate) fn escaped(block: &mut Vec<u8>, path: &[u8]) {
    for &byte in path {
        match escape(byte) {
            Some(letter) => block.extend_from_slice(&[b'\\', letter]),
            None => block.push(byte),
        }
    }
}

fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\\' => Some(b'\\'),
        _ => None,
    }
}
