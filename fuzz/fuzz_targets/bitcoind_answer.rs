//! A bitcoind's answers. The target itself is `strait_fuzz::bitcoind_answer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::bitcoind_answer(data));
