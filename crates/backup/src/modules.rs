//! The modules of contracts: files beside the log, each named by its SHA-256.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bitcoin::hashes::{Hash, sha256};
use strait_store_sqlite::NamedFile;

use crate::durable;

/// No module has more bytes, and no sealed one, with what the seal adds: the node takes none that has more than half of it.
pub(crate) const BYTES_MAX: u64 = 2 << 20;

/// The folder of modules in a data directory.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("modules")
}

/// The names of all modules in a folder, in order. What is none of them is passed over.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().into_string();
        names.extend(name.ok().filter(|name| hash_in(name).is_some()));
    }
    names.sort();
    Ok(names)
}

/// All modules of a data directory.
pub(crate) fn all(data_dir: &Path) -> io::Result<Vec<NamedFile>> {
    let folder = folder(data_dir);
    let read = |name: String| Ok(NamedFile { bytes: fs::read(folder.join(&name))?, name });
    names(&folder)?.into_iter().map(read).collect()
}

/// True if the file is what its name says.
pub(crate) fn is_sound(file: &NamedFile) -> bool {
    let hash = sha256::Hash::hash(&file.bytes).to_string();
    hash_in(&file.name) == Some(hash.as_str())
}

/// Puts modules into a data directory, those that are not there; returns how many are sound and there now.
pub(crate) fn put(data_dir: &Path, files: &[NamedFile]) -> io::Result<u64> {
    let folder = folder(data_dir);
    let mut there = 0;
    for file in files.iter().filter(|file| is_sound(file)) {
        fs::create_dir_all(&folder)?;
        let path = folder.join(&file.name);
        if !path.exists() {
            durable::replace(&path, &file.bytes)?;
        }
        there += 1;
    }
    Ok(there)
}

/// True for the name of a module's file.
pub(crate) fn is_name(name: &str) -> bool {
    hash_in(name).is_some()
}

/// The hash in the name of a module's file: 64 lower-case hexadecimal digits before `.wasm`.
fn hash_in(name: &str) -> Option<&str> {
    let hash = name.strip_suffix(".wasm")?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (hash.len() == 64 && hash.bytes().all(is_digit)).then_some(hash)
}
