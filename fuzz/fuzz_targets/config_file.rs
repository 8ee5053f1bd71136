//! Configuration files, variables and flags. The target itself is `strait_fuzz::config_file`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::config_file(data));
