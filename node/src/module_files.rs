//! The modules that contracts use, as files named by their hash in `data_dir/modules`.
//!
//! The log says which modules are allowed; the bytes are too large for it and, being named by their hash, need no trust.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use strait_contract::{ContractRuntime, LoadError};
use strait_primitives::ModuleHash;
use thiserror::Error;

use crate::whole_file;

/// Why a module cannot be kept or loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModuleFileError {
    /// The file cannot be read or written.
    #[error("the module file {path} could not be {action}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The bytes are no module that contracts may use.
    #[error("not a module for contracts")]
    Load(#[source] LoadError),
    /// The file holds another module than its name says.
    #[error("the file {path} holds module {actual}")]
    Renamed {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        actual: ModuleHash,
    },
}

/// The folder of modules.
#[derive(Debug, Clone)]
pub struct ModuleFiles {
    folder: PathBuf,
}

impl ModuleFiles {
    /// The folder inside a node's own.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("modules") }
    }

    fn path(&self, module: &ModuleHash) -> PathBuf {
        self.folder.join(format!("{module}.wasm"))
    }

    /// Checks a module, loads it, and keeps it: durable when this returns.
    ///
    /// # Errors
    /// [`ModuleFileError`]: nothing was kept.
    pub fn add(
        &self,
        runtime: &dyn ContractRuntime,
        wasm: &[u8],
    ) -> Result<ModuleHash, ModuleFileError> {
        let module = runtime.load(wasm).map_err(ModuleFileError::Load)?;
        let path = self.path(&module);
        let failed = |source| ModuleFileError::Io { path: path.clone(), action: "written", source };
        whole_file::create_folder(&self.folder)
            .and_then(|()| whole_file::replace(&path, wasm))
            .map_err(failed)?;
        Ok(module)
    }

    /// Loads a module that was kept before.
    ///
    /// # Errors
    /// [`ModuleFileError`] if it is gone, damaged, or not allowed by this version any more.
    pub fn load(
        &self,
        runtime: &dyn ContractRuntime,
        module: &ModuleHash,
    ) -> Result<(), ModuleFileError> {
        let path = self.path(module);
        let wasm = fs::read(&path).map_err(|source| ModuleFileError::Io {
            path: path.clone(),
            action: "read",
            source,
        })?;
        let actual = runtime.load(&wasm).map_err(ModuleFileError::Load)?;
        if actual == *module { Ok(()) } else { Err(ModuleFileError::Renamed { path, actual }) }
    }
}

#[cfg(test)]
mod tests {
    use strait_contract::ScriptedRuntime;
    use strait_contract::scripted::{PURSE, PURSE_MODULE};

    use super::*;

    #[test]
    fn a_module_is_kept_under_its_hash_and_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = ModuleFiles::new(folder.path());
        assert_eq!(files.add(&ScriptedRuntime::new(), PURSE_MODULE).unwrap(), PURSE);
        let fresh = ScriptedRuntime::new();
        files.load(&fresh, &PURSE).unwrap();
        assert!(fresh.is_loaded(&PURSE));
    }

    #[test]
    fn what_is_no_module_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let files = ModuleFiles::new(folder.path());
        let error = files.add(&ScriptedRuntime::new(), b"nonsense").unwrap_err();
        assert!(matches!(error, ModuleFileError::Load(_)));
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
