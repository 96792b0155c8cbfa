//! What the tests share: sources of one file.

use std::{fs, path::PathBuf};

use dtact_header::{Header, HeaderError};
use tempfile::TempDir;

/// A folder with one source, and the path of a header to be.
pub(crate) struct One {
    _folder: TempDir,
    pub(crate) source: PathBuf,
    pub(crate) header: PathBuf,
}

pub(crate) fn one(text: &str) -> One {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("lib.rs");
    fs::write(&source, text).expect("it can be written");
    One {
        source,
        header: folder.path().join("exports.h"),
        _folder: folder,
    }
}

impl One {
    pub(crate) fn to_be(&self) -> Header {
        Header::new(&self.header).source(&self.source)
    }
}

/// The header of one source.
pub(crate) fn text(source: &str) -> Result<String, HeaderError> {
    one(source).to_be().text()
}
