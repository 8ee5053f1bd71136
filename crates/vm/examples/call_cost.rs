//! What a warm call costs, beside the bare engine: `cargo run --release -p strait-vm --example call_cost`.
//!
//! The bare figures are the same module, as it came, in the same kind of engine: an instance and one call, without
//! admission, counters, gate or limits. Both are taken in turns, and the best of several rounds is printed, because
//! the machines that this runs on change their pace from second to second.

use std::time::{Duration, Instant};

use strait_contract::ContractRuntime as _;
use strait_contract::{Action, Collateral, Limits, Params, Party, State, Step, Terms};
use strait_primitives::{BlockHeight, Fuel, MilliSats};
use strait_vm::{Options, Vm};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

const MODULE: &[u8] = include_bytes!("../../../contracts/metered/metered.wasm");
const ROUNDS: u32 = 10;
const CALLS: u32 = 5_000;

/// Parameters: the opener pays, 70,000 msat at most, one step of 1 msat.
const PARAMS: &[u8] =
    &[0, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Use one call.
const ACTION: &[u8] = &[1, 0, 0, 0, 1];

#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn per_call(calls: u32, mut call: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed() / calls
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn main() {
    let vm = Vm::start(&Options::default()).expect("the engine starts");
    let compile = per_call(1, || {
        vm.load(MODULE).expect("metered is sound");
    });
    let terms = Terms {
        module: vm.load(MODULE).expect("loaded above"),
        params: Params::new(PARAMS).expect("short"),
        collateral: Collateral::new(MilliSats::from_const(70_000), MilliSats::ZERO).expect("some"),
        limits: Limits::default(),
    };
    let round = Fuel(10_000_000);
    let state = terms.init(&vm, round).expect("metered accepts its parameters").value;
    let action = Action::new(ACTION).expect("short");
    let bare = Bare::new();

    let mut best = [Duration::MAX; 4];
    let mut used = Fuel(0);
    for _ in 0..ROUNDS {
        let height = BlockHeight::new(1);
        let step = Step { state: &state, who: Party::First, action: &action, height };
        let figures = [
            per_call(CALLS, || used = terms.apply(&vm, &step, round).expect("a use").used),
            per_call(CALLS, || drop(terms.outcome(&vm, &state, round).expect("an outcome"))),
            per_call(CALLS, || bare.apply(&state)),
            per_call(CALLS, || bare.instance()),
        ];
        for (best, figure) in best.iter_mut().zip(figures) {
            *best = (*best).min(figure);
        }
    }
    println!("load ({} bytes): {compile:?}", MODULE.len());
    println!("apply: {:?}, {} fuel", best[0], used.0);
    println!("outcome: {:?}", best[1]);
    println!("bare wasmtime, instance and apply: {:?}", best[2]);
    println!("bare wasmtime, instance alone: {:?}", best[3]);
}

/// wasmtime without anything of ours.
struct Bare {
    engine: Engine,
    pre: wasmtime::component::InstancePre<()>,
    apply: wasmtime::component::ComponentExportIndex,
}

impl Bare {
    fn new() -> Self {
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

    fn instance(&self) {
        let mut store = Store::new(&self.engine, ());
        self.pre.instantiate(&mut store).expect("room");
    }

    fn apply(&self, state: &State) {
        use wasmtime::component::{ComponentType, Lift, Lower};
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
        type Arguments<'a> = (&'a [u8], Who, &'a [u8], u32);
        let mut store = Store::new(&self.engine, ());
        let instance = self.pre.instantiate(&mut store).expect("room");
        let apply = instance
            .get_typed_func::<Arguments<'_>, (Result<Vec<u8>, Refusal>,)>(&mut store, self.apply)
            .expect("its type");
        let (answer,) =
            apply.call(&mut store, (state.as_bytes(), Who::First, ACTION, 1)).expect("a use");
        assert!(answer.is_ok(), "the bare call was refused");
    }
}
