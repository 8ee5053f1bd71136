//! Contracts in wasmtime: limits, determinism, cache.
