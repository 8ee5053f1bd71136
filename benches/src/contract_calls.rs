//! Calls of the example contract, and the floor: the same module in wasmtime without anything of ours.

use strait_contract::ContractRuntime as _;
use strait_contract::{Action, Collateral, Limits, Params, Party, State, Step, Terms};
use strait_primitives::{BlockHeight, Fuel, MilliSats};
use strait_vm::{Options, Vm};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower,
};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

const MODULE: &[u8] = include_bytes!("../../contracts/metered/metered.wasm");
/// The opener pays, 70,000 msat at most, one step of 1 msat.
const PARAMS: &[u8] =
    &[0, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Use one call.
const ACTION: &[u8] = &[1, 0, 0, 0, 1];
/// More than a call uses.
const ROUND: Fuel = Fuel(10_000_000);

/// The metered contract, loaded, with a state to act on.
#[derive(Debug)]
pub struct Meter {
    vm: Vm,
    terms: Terms,
    state: State,
    action: Action,
}

impl Default for Meter {
    fn default() -> Self {
        let vm = Vm::start(&Options::default()).expect("the engine starts");
        let terms = Terms {
            module: vm.load(MODULE).expect("metered is sound"),
            params: Params::new(PARAMS).expect("short"),
            collateral: Collateral::new(MilliSats::from_const(70_000), MilliSats::ZERO)
                .expect("some"),
            limits: Limits::default(),
        };
        let state = terms.init(&vm, ROUND).expect("metered accepts its parameters").value;
        let action = Action::new(ACTION).expect("short");
        Self { vm, terms, state, action }
    }
}

impl Meter {
    /// A warm call: one use.
    ///
    /// # Panics
    /// Never: the state allows it.
    pub fn apply(&self) {
        let height = BlockHeight::new(1);
        let step = Step { state: &self.state, who: Party::First, action: &self.action, height };
        self.terms.apply(&self.vm, &step, ROUND).expect("a use");
    }

    /// A warm call: what the state is worth.
    ///
    /// # Panics
    /// Never: every state has an outcome.
    pub fn outcome(&self) {
        self.terms.outcome(&self.vm, &self.state, ROUND).expect("an outcome");
    }

    /// A cold call: an engine that never saw the module checks, compiles and keeps it, and makes the first call.
    ///
    /// # Panics
    /// If the machine has no room for the engine.
    pub fn cold(&self) {
        let vm = Vm::start(&Options::default()).expect("the engine starts");
        vm.load(MODULE).expect("metered is sound");
        self.terms.init(&vm, ROUND).expect("metered accepts its parameters");
    }

    /// The state that warm calls act on.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }
}

/// wasmtime alone: an instance and a call, without admission, counters, gate or limits.
pub struct BareWasmtime {
    engine: Engine,
    pre: InstancePre<()>,
    apply: ComponentExportIndex,
}

impl core::fmt::Debug for BareWasmtime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BareWasmtime")
    }
}

impl Default for BareWasmtime {
    fn default() -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(256 * 1024)
            .table_keep_resident(256 * 1024)
            .total_memories(16)
            .total_tables(16)
            .max_memory_size(16 << 20);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("the engine starts");
        let component = Component::from_binary(&engine, MODULE).expect("metered is sound");
        let instance = component
            .get_export_index(None, "strait:contract/contract@1.0.0")
            .expect("metered exports it");
        let apply = component.get_export_index(Some(&instance), "apply").expect("part of it");
        let pre = Linker::new(&engine).instantiate_pre(&component).expect("no imports");
        Self { engine, pre, apply }
    }
}

impl BareWasmtime {
    /// A fresh instance and the call that [`Meter::apply`] makes.
    ///
    /// # Panics
    /// Never: the module is the same.
    pub fn apply(&self, state: &State) {
        let mut store = Store::new(&self.engine, ());
        let instance = self.pre.instantiate(&mut store).expect("room");
        let apply = instance
            .get_typed_func::<Arguments<'_>, (Result<Vec<u8>, Refusal>,)>(&mut store, self.apply)
            .expect("its type");
        let (answer,) =
            apply.call(&mut store, (state.as_bytes(), Who::First, ACTION, 1)).expect("a use");
        assert!(answer.is_ok(), "the bare call was refused");
    }

    /// An engine that compiles the module and calls it once.
    ///
    /// # Panics
    /// If the machine has no room for the engine.
    pub fn cold(state: &State) {
        Self::default().apply(state);
    }
}

type Arguments<'a> = (&'a [u8], Who, &'a [u8], u32);

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum Who {
    #[component(name = "first")]
    First,
    #[component(name = "second")]
    #[expect(dead_code, reason = "part of the type")]
    Second,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Refusal {
    #[expect(dead_code, reason = "part of the type")]
    code: u32,
    #[expect(dead_code, reason = "part of the type")]
    reason: String,
}
