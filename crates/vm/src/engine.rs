//! The engine's settings: what keeps answers the same on every machine, and what keeps calls fast.

use wasmtime::{
    Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
};

use strait_contract::limits::MEMORY_PAGES_MAX;

use crate::limits::{ENGINE_STACK_BYTES, KEEP_RESIDENT_BYTES, TABLE_ELEMENTS_MAX};
use crate::options::Options;

/// Settings for an engine with these options.
pub(crate) fn config(options: &Options) -> Config {
    let mut config = Config::new();
    config
        // Answers: admission has refused all features but a few; NaNs get one pattern.
        .cranelift_nan_canonicalization(true)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .max_wasm_stack(ENGINE_STACK_BYTES)
        .epoch_interruption(true)
        // The innermost frame tells which counter ended a call; nobody reads the others.
        .wasm_backtrace_max_frames(core::num::NonZeroUsize::new(1))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Speed.
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    config
}

/// Room for as many instances as may run at once, each with one memory and one table.
fn pool(options: &Options) -> PoolingAllocationConfig {
    let count = options.calls_at_once.get();
    let whole = |number: u64| usize::try_from(number).expect("a few million fit a machine word");
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count)
        .total_core_instances(count)
        .total_memories(count)
        .total_tables(count)
        .max_unused_warm_slots(count)
        .max_core_instances_per_component(1)
        .max_memories_per_component(1)
        .max_tables_per_component(1)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(whole(MEMORY_PAGES_MAX.to_bytes()))
        .table_elements(whole(TABLE_ELEMENTS_MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
