//! The wallet's own records. The target itself is `strait_fuzz::wallet_record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::wallet_record(data));
