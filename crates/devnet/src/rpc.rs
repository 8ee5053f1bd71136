//! bitcoind's RPC methods over a [`Node`](crate::node::Node): names, parameters, answers and error codes as bitcoind has them.
//!
//! [`crate::server`] calls [`call`] with a parsed request. Nothing here knows HTTP.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

mod chain_methods;
mod descriptor;
mod error;
mod json;
mod mempool_methods;
mod mining_methods;
mod params;

pub(crate) use error::{RpcCode, RpcError};

use crate::node::Node;
use params::{Method, Params};

/// What every method may look at.
#[derive(Debug)]
pub(crate) struct Context {
    /// The devnet.
    node: Mutex<Node>,
    /// The time methods go by.
    clock: Mutex<Clock>,
    /// When the server started, in seconds since 1970.
    started_s: u64,
    /// Where `stop` is heard.
    stop: tokio::sync::watch::Sender<bool>,
}

/// The source of time: the machine's, or what `setmocktime` said.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// The machine's clock, by this function.
    Real(fn() -> u64),
    /// Standing still, with the function to come back to.
    Mock { now_s: u64, real: fn() -> u64 },
}

impl Context {
    /// A fresh chain, and the channel on which `stop` is heard.
    pub(crate) fn new(now_s: fn() -> u64) -> (Self, tokio::sync::watch::Receiver<bool>) {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let context = Self {
            node: Mutex::new(Node::new()),
            clock: Mutex::new(Clock::Real(now_s)),
            started_s: now_s(),
            stop,
        };
        (context, stopped)
    }

    /// The devnet, locked.
    pub(crate) fn node(&self) -> MutexGuard<'_, Node> {
        // A panic while the lock is held is a bug of ours; the state is as the last completed step left it.
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, in seconds since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        match *self.clock.lock().unwrap_or_else(PoisonError::into_inner) {
            Clock::Real(now_s) => now_s(),
            Clock::Mock { now_s, .. } => now_s,
        }
    }

    /// Stops the clock at this second; 0 lets it run again.
    fn set_mock_time(&self, now_s: u64) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let real = match *clock {
            Clock::Real(real) | Clock::Mock { real, .. } => real,
        };
        *clock = if now_s == 0 { Clock::Real(real) } else { Clock::Mock { now_s, real } };
    }
}

/// Answers one request.
///
/// # Errors
/// [`RpcError`] as bitcoind would send it.
pub(crate) fn call(context: &Context, method: &str, params: Value) -> Result<Value, RpcError> {
    let found = METHODS.iter().find(|known| known.name == method);
    let Some(found) = found else { return Err(RpcError::method_not_found()) };
    let params = Params::new(found, params)?;
    (found.run)(context, &params)
}

/// Every method: its name, its parameters in order, and what runs it.
const METHODS: &[Method] = &[
    Method { name: "getblockchaininfo", params: &[], run: chain_methods::blockchain_info },
    Method { name: "getnetworkinfo", params: &[], run: chain_methods::network_info },
    Method { name: "getbestblockhash", params: &[], run: chain_methods::best_block_hash },
    Method { name: "getblockcount", params: &[], run: chain_methods::block_count },
    Method { name: "getblockhash", params: &["height"], run: chain_methods::block_hash },
    Method {
        name: "getblockheader",
        params: &["blockhash", "verbose"],
        run: chain_methods::block_header,
    },
    Method { name: "getblock", params: &["blockhash", "verbosity"], run: chain_methods::block },
    Method {
        name: "gettxout",
        params: &["txid", "n", "include_mempool"],
        run: chain_methods::tx_out,
    },
    Method {
        name: "getrawtransaction",
        params: &["txid", "verbosity", "blockhash"],
        run: chain_methods::raw_transaction,
    },
    Method {
        name: "decoderawtransaction",
        params: &["hexstring", "iswitness"],
        run: chain_methods::decode_raw_transaction,
    },
    Method { name: "validateaddress", params: &["address"], run: chain_methods::validate_address },
    Method { name: "getconnectioncount", params: &[], run: chain_methods::connection_count },
    Method {
        name: "getrawmempool",
        params: &["verbose", "mempool_sequence"],
        run: mempool_methods::raw_mempool,
    },
    Method { name: "getmempoolentry", params: &["txid"], run: mempool_methods::mempool_entry },
    Method { name: "getmempoolinfo", params: &[], run: mempool_methods::mempool_info },
    Method {
        name: "gettxspendingprevout",
        params: &["outputs", "options"],
        run: mempool_methods::tx_spending_prevout,
    },
    Method {
        name: "sendrawtransaction",
        params: &["hexstring", "maxfeerate", "maxburnamount"],
        run: mempool_methods::send_raw_transaction,
    },
    Method {
        name: "testmempoolaccept",
        params: &["rawtxs", "maxfeerate"],
        run: mempool_methods::test_mempool_accept,
    },
    Method {
        name: "submitpackage",
        params: &["package", "maxfeerate", "maxburnamount"],
        run: mempool_methods::submit_package,
    },
    Method {
        name: "estimatesmartfee",
        params: &["conf_target", "estimate_mode"],
        run: mempool_methods::estimate_smart_fee,
    },
    Method {
        name: "generatetodescriptor",
        params: &["num_blocks", "descriptor", "maxtries"],
        run: mining_methods::generate_to_descriptor,
    },
    Method {
        name: "generatetoaddress",
        params: &["nblocks", "address", "maxtries"],
        run: mining_methods::generate_to_address,
    },
    Method {
        name: "generateblock",
        params: &["output", "transactions", "submit"],
        run: mining_methods::generate_block,
    },
    Method {
        name: "invalidateblock",
        params: &["blockhash"],
        run: mining_methods::invalidate_block,
    },
    Method {
        name: "reconsiderblock",
        params: &["blockhash"],
        run: mining_methods::reconsider_block,
    },
    Method { name: "setmocktime", params: &["timestamp"], run: mining_methods::set_mock_time },
    Method { name: "uptime", params: &[], run: mining_methods::uptime },
    Method { name: "stop", params: &[], run: mining_methods::stop },
];
