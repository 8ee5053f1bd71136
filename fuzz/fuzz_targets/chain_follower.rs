//! Chains that a source makes up. The target itself is `strait_fuzz::chain_follower`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::chain_follower(data));
