//! Snapshots of the state. The target itself is `strait_fuzz::store_snapshot`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::store_snapshot(data));
