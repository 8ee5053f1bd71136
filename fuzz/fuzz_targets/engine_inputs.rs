//! Two engines and a network that mutates what they say. The target itself is `strait_fuzz::engine_inputs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::engine_inputs(data));
