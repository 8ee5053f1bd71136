//! Transactions and scripts of others. The target itself is `strait_fuzz::onchain_transaction`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::onchain_transaction(data));
