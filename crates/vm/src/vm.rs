//! The engine and its modules: starting, loading, finding. Calls are in [`call`].

mod call;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use strait_contract::LoadError;
use strait_contract::limits::MEMORY_PAGES_MAX;
use strait_primitives::ModuleHash;
use thiserror::Error;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, ResourceLimiter, Store};

use crate::admit::INSTANCE;
use crate::clock::Clock;
use crate::engine::config;
use crate::interface::{ApplyParams, InitParams, OutcomeParams, OutcomeResult, StateResult};
use crate::limits::{CALL_FUEL, FREE_PAGES, PAGE_FUEL};
use crate::meter::{Counters, LEFT, SET};
use crate::options::Options;
use crate::prepare::prepare;
use crate::slots::Slots;
use crate::verdict::MemoryStop;

/// Why the engine did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The machine does not give what the engine needs, mostly address space for its pool.
    #[error("the contract engine does not start: {detail}")]
    Engine {
        /// The engine's own account.
        detail: String,
    },
    /// No thread for the clock.
    #[error("no thread for the contract engine's clock")]
    Clock(#[source] std::io::Error),
}

/// Runs contracts in wasmtime.
///
/// Shared by reference between threads. A call blocks the caller's thread while it runs and uses its stack: the thread
/// needs 1 MiB of it, half of which contracts may fill.
pub struct Vm {
    /// The compiler and its settings.
    engine: Engine,
    /// Has no definitions: contracts import nothing.
    linker: Linker<Guard>,
    /// Every module that was loaded, by the hash of the bytes as they came. Never shrinks.
    modules: RwLock<BTreeMap<ModuleHash, Arc<Loaded>>>,
    /// As many places as the engine's pool has.
    slots: Slots,
    /// Ticks of the clock that a call may take.
    ticks: u64,
    /// Runs as long as the engine does.
    _clock: Clock,
}

/// A compiled module with everything that a call looks up.
struct Loaded {
    /// The compiled module, its imports (none) resolved.
    pre: InstancePre<Guard>,
    /// Tells a counter's stop from a trap of the module's own.
    counters: Counters,
    /// The functions of the interface and of the counters.
    exports: Exports,
    /// Fuel that a call costs before its first instruction and byte.
    entry_fuel: u64,
}

/// Where the functions are.
struct Exports {
    /// Sets both counters.
    set: ComponentExportIndex,
    /// Reads the fuel left.
    left: ComponentExportIndex,
    init: ComponentExportIndex,
    apply: ComponentExportIndex,
    outcome: ComponentExportIndex,
}

/// What one call may have of this machine.
struct Guard {
    /// The largest memory that its terms give.
    memory_bytes: u64,
}

impl core::fmt::Debug for Vm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Vm").finish_non_exhaustive()
    }
}

impl Vm {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    /// [`StartError`] if the machine refuses address space or a thread.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let engine = Engine::new(&config(options))
            .map_err(|e| StartError::Engine { detail: format!("{e:#}") })?;
        let clock = Clock::start(engine.clone()).map_err(StartError::Clock)?;
        Ok(Self {
            linker: Linker::new(&engine),
            engine,
            modules: RwLock::default(),
            slots: Slots::new(options.calls_at_once),
            ticks: Clock::ticks(options.call_timeout),
            _clock: clock,
        })
    }

    fn module(&self, hash: &ModuleHash) -> Option<Arc<Loaded>> {
        self.modules.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn store(&self, memory_bytes: u64) -> Store<Guard> {
        let mut store = Store::new(&self.engine, Guard { memory_bytes });
        store.limiter(|guard| guard);
        store.set_epoch_deadline(self.ticks);
        store
    }

    /// Admits, meters and compiles a module, and proves that it answers to the interface.
    fn compiled(&self, wasm: &[u8]) -> Result<Loaded, LoadError> {
        let engine = |e: wasmtime::Error| LoadError::Engine { detail: format!("{e:#}") };
        let prepared = prepare(wasm)?;
        let component =
            Component::from_binary(&self.engine, &prepared.component).map_err(engine)?;
        let exports = Exports::find(&component)?;
        let pre = self.linker.instantiate_pre(&component).map_err(engine)?;

        let _slot = self.slots.take();
        let mut store = self.store(MEMORY_PAGES_MAX.to_bytes());
        let instance = pre.instantiate(&mut store).map_err(|e| match e.downcast_ref() {
            Some(wasmtime::Trap::MemoryOutOfBounds | wasmtime::Trap::TableOutOfBounds) => {
                LoadError::Invalid { detail: format!("{e:#}") }
            }
            _ => engine(e),
        })?;
        let wrong = |expected| move |_| LoadError::WrongInterface { expected };
        instance
            .get_typed_func::<InitParams<'_>, StateResult>(&mut store, exports.init)
            .map_err(wrong("init: func(collateral, list<u8>) -> result<list<u8>, refusal>"))?;
        instance
            .get_typed_func::<ApplyParams<'_>, StateResult>(&mut store, exports.apply)
            .map_err(wrong(
                "apply: func(list<u8>, party, list<u8>, u32) -> result<list<u8>, refusal>",
            ))?;
        instance
            .get_typed_func::<OutcomeParams<'_>, OutcomeResult>(&mut store, exports.outcome)
            .map_err(wrong("outcome: func(list<u8>) -> division"))?;
        let paid_pages = prepared.memory_pages.saturating_sub(FREE_PAGES);
        let entry_fuel = CALL_FUEL + paid_pages * u64::from(PAGE_FUEL);
        Ok(Loaded { pre, counters: prepared.counters, exports, entry_fuel })
    }
}

impl Exports {
    fn find(component: &Component) -> Result<Self, LoadError> {
        let at = |parent: Option<&ComponentExportIndex>, name: &'static str| {
            component
                .get_export_index(parent, name)
                .ok_or(LoadError::WrongInterface { expected: name })
        };
        let instance = at(None, INSTANCE)?;
        Ok(Self {
            set: at(None, SET)?,
            left: at(None, LEFT)?,
            init: at(Some(&instance), "init")?,
            apply: at(Some(&instance), "apply")?,
            outcome: at(Some(&instance), "outcome")?,
        })
    }
}

impl ResourceLimiter for Guard {
    /// Growing beyond the module's own maximum fails as WebAssembly says; growing beyond the terms ends the call.
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if u64::try_from(desired).is_ok_and(|bytes| bytes <= self.memory_bytes) {
            return Ok(true);
        }
        Err(MemoryStop::Limit.into())
    }

    /// Growing that the terms allow and the machine refuses must not be seen by the code: it ends the call as a fault.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error.context(MemoryStop::Machine))
    }

    /// Tables never grow: no admitted instruction asks for it, and admission bounds their first size.
    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
