//! What the fuzzers call: one function for each target, from any bytes to assertions about our own code.
//!
//! `fuzz/` wraps each of [`TARGETS`] into a libFuzzer binary; the tests of this crate replay the corpora that are checked
//! in there, so that an ordinary `cargo test` runs every input that was ever worth keeping. A target never fails because of what
//! the bytes say, only because our code panicked or broke a promise: decoding undoes encoding, a fold is the state, nothing is
//! signed twice.
//!
//! **Invariant:** the same bytes do the same on every machine: no clock, no entropy, no files.

mod api_request;
mod bitcoind_answer;
mod chain_follower;
mod config_file;
mod contract_module;
mod devnet_rpc;
mod engine_inputs;
mod onchain_transaction;
mod sim_bytes;
mod store_record;
mod store_snapshot;
mod text_forms;
mod wallet_record;
mod wire_message;

pub use api_request::api_request;
pub use bitcoind_answer::bitcoind_answer;
pub use chain_follower::chain_follower;
pub use config_file::config_file;
pub use contract_module::contract_module;
pub use devnet_rpc::devnet_rpc;
pub use engine_inputs::engine_inputs;
pub use onchain_transaction::onchain_transaction;
pub use sim_bytes::sim_bytes;
pub use store_record::store_record;
pub use store_snapshot::store_snapshot;
pub use text_forms::text_forms;
pub use wallet_record::wallet_record;
pub use wire_message::wire_message;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the function, of the binary in `fuzz/fuzz_targets`, and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
}

/// Builds [`TARGETS`] from the names of the functions.
macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $name }),+];
    };
}

targets![
    api_request,
    bitcoind_answer,
    chain_follower,
    config_file,
    contract_module,
    devnet_rpc,
    engine_inputs,
    onchain_transaction,
    sim_bytes,
    store_record,
    store_snapshot,
    text_forms,
    wallet_record,
    wire_message,
];
