//! Frames from a peer. The target itself is `strait_fuzz::wire_message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::wire_message(data));
