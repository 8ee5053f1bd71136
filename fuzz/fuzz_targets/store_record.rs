//! Records of the log. The target itself is `strait_fuzz::store_record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::store_record(data));
