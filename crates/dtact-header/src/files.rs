//! Which files are read, and under which conditions what is in them is there.
//!
//! A file of a module has the conditions of the line that declares it: `#[cfg(test)] mod tests;`
//! makes `tests.rs`, and all in the folder `tests`, a part of the tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{Item, ItemMod, Meta, ext::IdentExt as _};

use crate::{
    HeaderError, Place,
    condition::{self, Conditions},
    read_error,
};

/// A file of Rust.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) syntax: syn::File,
    /// What those ask for who declare it as a module.
    pub(crate) conditions: Conditions,
}

/// Reads these files, and those in these folders.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, HeaderError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| read_error(path, error))?;
        if metadata.is_dir() {
            below(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    let mut sources: Vec<Source> = Vec::new();
    for path in files {
        if sources.iter().any(|source| source.path == path) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| read_error(&path, error))?;
        let syntax = syn::parse_file(&text).map_err(|error| HeaderError::Parse {
            place: Place::new(&path, error.span().start().line),
            text: error.to_string(),
        })?;
        sources.push(Source {
            path,
            syntax,
            conditions: Vec::new(),
        });
    }
    let mut modules = Vec::new();
    for source in &sources {
        let folder = folder(&source.path);
        let outer: Conditions = condition::of(&source.syntax.attrs).collect();
        let items = &source.syntax.items;
        declared(items, &folder, &source.path, &outer, &mut modules);
    }
    for source in &mut sources {
        for module in modules.iter().filter(|module| module.has(&source.path)) {
            source.conditions.extend(module.conditions.iter().cloned());
        }
    }
    Ok(sources)
}

/// All files of Rust in a folder and below, by name.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), HeaderError> {
    let failed = |error| read_error(folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Links are not followed, so that there is an end.
        entries.push((entry.path(), entry.file_type().map_err(failed)?.is_dir()));
    }
    entries.sort();
    for (path, is_dir) in entries {
        if is_dir {
            below(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// A module with conditions that is in a file of its own.
struct Module {
    file: PathBuf,
    /// Where the modules inside of it are.
    folder: PathBuf,
    conditions: Conditions,
}

impl Module {
    fn has(&self, path: &Path) -> bool {
        path == self.file || path.starts_with(&self.folder)
    }
}

/// Where the modules are that a file declares.
fn folder(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    if stem == "lib" || stem == "main" || stem == "mod" {
        path.parent().unwrap_or(path).to_owned()
    } else {
        path.with_extension("")
    }
}

/// The modules that these items of a file declare, in files of their own.
fn declared(items: &[Item], folder: &Path, path: &Path, outer: &[Meta], modules: &mut Vec<Module>) {
    for item in items {
        let Item::Mod(item) = item else { continue };
        let name = item.ident.unraw().to_string();
        let own = condition::of(&item.attrs);
        let conditions: Conditions = outer.iter().cloned().chain(own).collect();
        if let Some((_, items)) = &item.content {
            declared(items, &folder.join(name), path, &conditions, modules);
            continue;
        }
        if conditions.is_empty() {
            continue;
        }
        // The root of a crate may have any name; its modules are beside it.
        let beside = path.parent().unwrap_or(path);
        let found = [folder, beside].into_iter().find_map(|folder| {
            let inside = folder.join(&name);
            let candidates = [inside.with_extension("rs"), inside.join("mod.rs")];
            let file = candidates.into_iter().find(|file| file.exists())?;
            Some((file, inside))
        });
        let named = named_path(item).map(|file| {
            let file = beside.join(file);
            let folder = file.with_extension("");
            (file, folder)
        });
        if let Some((file, folder)) = named.or(found) {
            modules.push(Module {
                file,
                folder,
                conditions,
            });
        }
    }
}

/// What `#[path = "…"]` says.
fn named_path(item: &ItemMod) -> Option<String> {
    let attr = item
        .attrs
        .iter()
        .find(|attr| attr.path().is_ident("path"))?;
    match &attr.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}
