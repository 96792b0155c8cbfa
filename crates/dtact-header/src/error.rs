//! Why there is no header, and what to do about it.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl Place {
    pub(crate) fn new(path: &Path, line: usize) -> Self {
        Self {
            path: path.to_owned(),
            line,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// Why a header could not be written, or is not what it should be.
///
/// Each message names the file, with the line where there is one, and says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum HeaderError {
    /// A file or a folder cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is not Rust.
    Parse {
        /// Where.
        place: Place,
        /// What it should have been.
        text: String,
    },
    /// Something that C cannot have.
    Refused {
        /// Where.
        place: Place,
        /// What it is, and what to write in place of it.
        text: String,
    },
    /// Two things of one name, which C has once.
    Twice {
        /// The name.
        name: String,
        /// Where it was first.
        first: Place,
        /// Where it is again.
        second: Place,
    },
    /// What [`Header::define`](crate::Header::define) was given is no condition, or no name in C.
    Condition {
        /// What it was given.
        condition: String,
        /// What is wrong with it.
        text: String,
    },
    /// None of the sources exports anything.
    NothingExported {
        /// The sources, as they were named.
        sources: Vec<PathBuf>,
    },
    /// cbindgen has left out something, or failed: a defect of this crate or of that.
    Translation {
        /// What it said, or did not.
        text: String,
    },
    /// The header cannot be written.
    Write {
        /// Where it would be.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file has another header than the sources ask for.
    Differs {
        /// The first line that differs.
        place: Place,
        /// What it is; empty beyond the end.
        is: String,
        /// What it should be; empty beyond the end.
        should_be: String,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => {
                write!(f, "{}: cannot be read: {error}", path.display())
            }
            Self::Parse { place, text } => {
                write!(f, "{place}: this is not Rust: {text}")
            }
            Self::Refused { place, text } => write!(f, "{place}: {text}"),
            Self::Twice {
                name,
                first,
                second,
            } => write!(
                f,
                "{second}: `{name}` is there already, by {first}, and C has each name once: \
                 rename one of the two"
            ),
            Self::Condition { condition, text } => {
                write!(f, "the define for `{condition}`: {text}")
            }
            Self::NothingExported { sources } => {
                write!(f, "nothing is exported")?;
                for (at, source) in sources.iter().enumerate() {
                    let before = if at == 0 { " in " } else { ", " };
                    write!(f, "{before}{}", source.display())?;
                }
                write!(
                    f,
                    ": name files, or folders of them, that have functions with \
                     `#[export_async]` or `#[export_fiber]`"
                )
            }
            Self::Translation { text } => write!(
                f,
                "cbindgen did not give what it was asked for, which is a defect: {text}"
            ),
            Self::Write { path, error } => {
                write!(f, "{}: cannot be written: {error}", path.display())
            }
            Self::Differs {
                place,
                is,
                should_be,
            } => write!(
                f,
                "{place}: not what the sources ask for: write the header again\n  \
                 is:        {is}\n  should be: {should_be}"
            ),
        }
    }
}

impl Error for HeaderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { error, .. } | Self::Write { error, .. } => Some(error),
            _ => None,
        }
    }
}
