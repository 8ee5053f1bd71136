//! The simulated world. The target itself is `strait_fuzz::sim_bytes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::sim_bytes(data));
