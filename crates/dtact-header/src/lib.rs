#![doc = include_str!("../README.md")]
//!
//! # How it is done
//!
//! ```text
//!   sources ──► files.rs ──► scan.rs ──► types.rs ─────────────► emit.rs ──► the header
//!               which, and   functions   what C needs of them,   plain Rust,
//!               under which  and types   or why it cannot have   which cbindgen
//!               `cfg`        by name     it, with the line       turns into C
//! ```
//!
//! What it promises of functions, their names above all, is what `export.rs` of `dtact-macros`
//! writes; `tests/headers/agrees.rs` compares the two.
#![forbid(unsafe_code)]

mod condition;
mod emit;
mod error;
mod files;
mod number;
mod scan;
mod types;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

pub use error::{HeaderError, Place};

/// Writes the header `path` for what is exported in `sources`: files of Rust, and folders of them.
///
/// It is what a `build.rs` calls; [`Header`] has more to say.
///
/// # Errors
///
/// As [`Header::write`].
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (source, header) = (folder.path().join("lib.rs"), folder.path().join("exports.h"));
/// std::fs::write(&source, "#[dtact::export_fiber] fn add(a: u32, b: u32) -> u32 { a + b }")?;
/// dtact_header::generate(&header, [&source])?;
/// let text = std::fs::read_to_string(&header)?;
/// assert!(text.contains("dtact_handle_t dtact_export_fiber_add(uint32_t a, uint32_t b);"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn generate<P: Into<PathBuf>>(
    path: impl Into<PathBuf>,
    sources: impl IntoIterator<Item = P>,
) -> Result<(), HeaderError> {
    let header = Header::new(path);
    sources.into_iter().fold(header, Header::source).write()
}

/// A header to be, and what it is made of.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (source, path) = (folder.path().join("lib.rs"), folder.path().join("exports.h"));
/// std::fs::write(
///     &source,
///     "#[cfg(feature = \"slow\")] #[dtact::export_async] async fn dawdle() {}",
/// )?;
/// let header = dtact_header::Header::new(&path)
///     .source(&source)
///     .define("feature = \"slow\"", "HAS_SLOW");
/// assert!(header.text()?.contains("#if defined(HAS_SLOW)"));
/// header.write()?;
/// header.check()?; // what a test compares, where the header is committed
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Header {
    path: PathBuf,
    sources: Vec<PathBuf>,
    defines: Vec<(String, String)>,
}

impl Header {
    /// A header at this path. Its include guard is made of the name of the file, so that two
    /// headers of one program have two names.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            sources: Vec::new(),
            defines: Vec::new(),
        }
    }

    /// Reads a file of Rust too, or all `.rs` files in a folder and below, by name. Functions come
    /// in the order of the files, and in each in that of the lines.
    #[must_use]
    pub fn source(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.push(path.into());
        self
    }

    /// What C has in place of one condition of Rust: `unix`, or `feature = "slow"`. What is under
    /// `#[cfg(…)]` is declared under `#if defined(name)`; a condition that nothing was said of is
    /// an error. What is there for `test` alone is left out.
    #[must_use]
    pub fn define(mut self, condition: impl Into<String>, name: impl Into<String>) -> Self {
        self.defines.push((condition.into(), name.into()));
        self
    }

    /// The text of the header.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Read`] and [`HeaderError::Parse`] of the sources, [`HeaderError::Refused`] of
    /// what C cannot have, [`HeaderError::Twice`] of names, [`HeaderError::Condition`],
    /// [`HeaderError::NothingExported`], and [`HeaderError::Translation`].
    pub fn text(&self) -> Result<String, HeaderError> {
        let defines = condition::Defines::read(&self.defines)?;
        let found = scan::scan(&files::read(&self.sources)?)?;
        if found.functions.is_empty() {
            return Err(HeaderError::NothingExported {
                sources: self.sources.clone(),
            });
        }
        let needed = types::needed(&found)?;
        emit::header(&self.path, &found, &needed, &defines)
    }

    /// Writes the header, if it is not what the file has already: a build system that looks at
    /// times rebuilds nothing for nothing.
    ///
    /// # Errors
    ///
    /// As [`Header::text`], and [`HeaderError::Write`].
    pub fn write(&self) -> Result<(), HeaderError> {
        let text = self.text()?;
        if fs::read_to_string(&self.path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        fs::write(&self.path, text).map_err(|error| HeaderError::Write {
            path: self.path.clone(),
            error,
        })
    }

    /// Compares the header with what the file has, and writes nothing.
    ///
    /// # Errors
    ///
    /// As [`Header::text`], and [`HeaderError::Differs`], also where there is no file.
    pub fn check(&self) -> Result<(), HeaderError> {
        let text = self.text()?;
        let old = match fs::read_to_string(&self.path) {
            Ok(old) => old,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(read_error(&self.path, error)),
        };
        if old == text {
            return Ok(());
        }
        // Where they have the same lines, they differ in how these end.
        let lines = old.lines().chain([""]).zip(text.lines().chain([""]));
        let (at, (is, should_be)) = lines
            .enumerate()
            .find(|(_, (is, should_be))| is != should_be)
            .unwrap_or((0, ("other ends of lines", "line feeds alone")));
        Err(HeaderError::Differs {
            place: Place::new(&self.path, at + 1),
            is: is.to_owned(),
            should_be: should_be.to_owned(),
        })
    }
}

fn read_error(path: &Path, error: std::io::Error) -> HeaderError {
    HeaderError::Read {
        path: path.to_owned(),
        error,
    }
}
