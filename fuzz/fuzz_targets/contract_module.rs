//! Modules of contracts, up to the compiler. The target itself is `strait_fuzz::contract_module`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::contract_module(data));
