//! Requests to the devnet's RPC: a tool of tests and demos, which reads JSON, scripts and transactions of whoever can reach it.

use serde_json::Value;
use strait_devnet::Offline;

/// Bodies of one run, at most.
const BODIES_MAX: usize = 8;
/// Requests of one batch, at most.
const BATCH_MAX: usize = 4;
/// Blocks that one request may ask for: the devnet takes more, and a fuzzer has no time for them.
const BLOCKS_MAX: u64 = 150;

/// Sends each line as the body of a request to a chain that has just begun.
///
/// # Panics
/// If an answer is neither a result nor an error.
pub fn devnet_rpc(data: &[u8]) {
    let devnet = Offline::new(|| 1_700_000_000);
    for body in data.split(|byte| *byte == b'\n').take(BODIES_MAX) {
        if serde_json::from_slice(body).is_ok_and(|request| !is_cheap(&request)) {
            continue;
        }
        let answer = devnet.answer(body);
        let is_answer = answer.is_null() || answer.is_array() || answer.is_object();
        assert!(is_answer, "an answer is an object, a list of them, or nothing: {answer}");
    }
}

/// True if the request mines few blocks.
fn is_cheap(request: &Value) -> bool {
    if let Some(batch) = request.as_array() {
        return batch.len() <= BATCH_MAX && batch.iter().all(is_cheap);
    }
    let is_few = |value: &Value| value.as_u64().is_none_or(|count| count <= BLOCKS_MAX);
    match (request.get("method").and_then(Value::as_str), request.get("params")) {
        (Some("generatetodescriptor" | "generatetoaddress"), Some(Value::Array(params))) => {
            params.iter().all(is_few)
        }
        (Some("generatetodescriptor" | "generatetoaddress"), Some(Value::Object(params))) => {
            params.values().all(is_few)
        }
        _ => true,
    }
}
