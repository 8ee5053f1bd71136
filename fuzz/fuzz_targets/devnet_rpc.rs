//! Requests to the devnet's RPC. The target itself is `strait_fuzz::devnet_rpc`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::devnet_rpc(data));
