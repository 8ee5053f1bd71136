//! Modules of contracts, up to the compiler: admission and metering of what a user or a peer hands in.

use strait_vm::prepare;
use wasmparser::{Validator, WasmFeatures};

/// Admits and meters the bytes. What passes is still a valid module with its counters in it.
///
/// # Panics
/// If that promise is broken.
pub fn contract_module(data: &[u8]) {
    let Ok(prepared) = prepare(data) else { return };
    let verdict =
        Validator::new_with_features(WasmFeatures::all()).validate_all(&prepared.component);
    assert!(verdict.is_ok(), "a metered module is valid: {:?}", verdict.err());
}
