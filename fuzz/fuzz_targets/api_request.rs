//! Requests and answers of the REST interface. The target itself is `strait_fuzz::api_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strait_fuzz::api_request(data));
