//! Ids, addresses, seed words and tokens as text. The target itself is `strait_fuzz::text_forms`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::text_forms(data));
