//! Modules that the log names and whose files are gone or broken: told loudly, and tried again.
//!
//! A node without a module still guards every channel. Its contracts in that module stand still until the operator puts
//! the file back, or adds the module again, and the node notices by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use strait_contract::ContractRuntime;
use strait_primitives::ModuleHash;
use strait_telemetry::{Component, Health, Outcome};

use super::now;
use crate::module_files::{ModuleFileError, ModuleFiles};

/// How often a missing module is looked for, so that health never forgets it.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// What cannot be loaded, and where it should be.
pub(super) struct MissingModules {
    /// Which, and why.
    missing: BTreeMap<ModuleHash, ModuleFileError>,
    files: ModuleFiles,
    contracts: Arc<dyn ContractRuntime>,
    health: Arc<Health>,
}

impl MissingModules {
    /// Loads every module the log names, and keeps those that do not load.
    pub(super) fn load<'log>(
        named: impl Iterator<Item = &'log ModuleHash>,
        files: &ModuleFiles,
        contracts: Arc<dyn ContractRuntime>,
        health: Arc<Health>,
    ) -> Self {
        let load = |module: &ModuleHash| Some((*module, files.load(&*contracts, module).err()?));
        let missing = named.filter_map(load).collect();
        let missing = Self { missing, files: files.clone(), contracts, health };
        missing.tell();
        missing
    }

    /// Looks again and again, until none is missing.
    pub(super) async fn watch(mut self) {
        while !self.missing.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
            let look = move || {
                self.look();
                self
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(looked) => self = looked,
                // The process is ending, or a fault that the next start would show again.
                Err(_) => return,
            }
        }
    }

    /// Looks once.
    fn look(&mut self) {
        let Self { missing, files, contracts, health } = self;
        missing.retain(|module, why| {
            if !contracts.is_loaded(module) {
                match files.load(&**contracts, module) {
                    Ok(()) => {}
                    Err(error) => {
                        *why = error;
                        return true;
                    }
                }
            }
            tracing::info!(%module, "a missing module is back");
            health.record(Component::Contracts, Outcome::Success, now());
            false
        });
        self.tell();
    }

    /// To the log and to health.
    fn tell(&self) {
        for (module, why) in &self.missing {
            let cause = std::error::Error::source(why).map(ToString::to_string);
            tracing::error!(
                %module, %why, cause,
                "a module cannot be loaded: its contracts stand still; put its file back, or add it again"
            );
            self.health.record_failure(Component::Contracts, now(), &why.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use strait_contract::ScriptedRuntime;
    use strait_contract::scripted::{PURSE, PURSE_MODULE};
    use strait_telemetry::Standing;

    use super::*;

    #[test]
    fn a_module_without_its_file_is_told_and_found_again_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let files = ModuleFiles::new(folder.path());
        let health = Arc::new(Health::new());
        health.started(Component::Contracts);
        let contracts: Arc<dyn ContractRuntime> = Arc::new(ScriptedRuntime::new());
        let load = || {
            let named = [PURSE];
            MissingModules::load(named.iter(), &files, Arc::clone(&contracts), Arc::clone(&health))
        };
        let mut missing = load();
        assert_eq!(missing.missing.keys().collect::<Vec<_>>(), [&PURSE]);
        let overview = health.overview(now());
        let told = overview.iter().find(|cause| cause.component == Component::Contracts).unwrap();
        assert_eq!(told.standing, Standing::Degraded, "{told:?}");
        missing.look();
        assert_eq!(missing.missing.len(), 1);
        files.add(&ScriptedRuntime::new(), PURSE_MODULE).unwrap();
        missing.look();
        assert!(missing.missing.is_empty() && contracts.is_loaded(&PURSE));
        assert!(load().missing.is_empty());
    }
}
