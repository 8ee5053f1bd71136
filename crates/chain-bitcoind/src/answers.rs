//! What bitcoind answers, as far as this adapter reads it. Unknown members are ignored.

use std::collections::BTreeMap;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, TxMerkleNode, Txid, Wtxid};
use serde::Deserialize;

/// The envelope of every answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    /// The answer; null on failure.
    #[serde(default)]
    pub(crate) result: serde_json::Value,
    /// The failure.
    #[serde(default)]
    pub(crate) error: Option<RpcFailure>,
}

/// A failure.
#[derive(Debug, Deserialize)]
pub(crate) struct RpcFailure {
    /// bitcoind's code.
    pub(crate) code: i64,
    /// bitcoind's message.
    #[serde(default)]
    pub(crate) message: String,
}

/// `getblockchaininfo`.
#[derive(Debug, Deserialize)]
pub(crate) struct BlockchainInfo {
    pub(crate) blocks: u32,
    pub(crate) bestblockhash: BlockHash,
}

/// `getblockchaininfo` again, for how far the source itself is.
#[derive(Debug, Deserialize)]
pub(crate) struct DownloadProgress {
    pub(crate) initialblockdownload: bool,
    /// When the tip was mined, in seconds since 1970, as its miner's clock had it.
    pub(crate) time: u64,
}

/// `getnetworkinfo`.
#[derive(Debug, Deserialize)]
pub(crate) struct NetworkInfo {
    pub(crate) version: u64,
    #[serde(default)]
    pub(crate) localrelay: Option<bool>,
    /// Peers; every bitcoind since long ago says how many.
    #[serde(default)]
    pub(crate) connections: Option<u64>,
}

/// `getblockheader`.
#[derive(Debug, Deserialize)]
pub(crate) struct BlockHeader {
    pub(crate) height: u32,
    version: i32,
    previousblockhash: Option<BlockHash>,
    merkleroot: TxMerkleNode,
    time: u32,
    bits: String,
    nonce: u32,
}

impl BlockHeader {
    /// The header; `None` if its target is not a number.
    pub(crate) fn header(&self) -> Option<Header> {
        let bits = u32::from_str_radix(&self.bits, 16).ok()?;
        Some(Header {
            version: Version::from_consensus(self.version),
            prev_blockhash: self.previousblockhash.unwrap_or_else(BlockHash::all_zeros),
            merkle_root: self.merkleroot,
            time: self.time,
            bits: CompactTarget::from_consensus(bits),
            nonce: self.nonce,
        })
    }
}

/// `submitpackage`.
#[derive(Debug, Deserialize)]
pub(crate) struct PackageAnswer {
    pub(crate) package_msg: String,
    #[serde(rename = "tx-results")]
    pub(crate) results: BTreeMap<Wtxid, PackageResult>,
}

/// What `submitpackage` says of one transaction.
#[derive(Debug, Deserialize)]
pub(crate) struct PackageResult {
    pub(crate) txid: Txid,
    /// Why it was refused.
    pub(crate) error: Option<String>,
    /// Present if it waits with another witness.
    #[serde(rename = "other-wtxid")]
    pub(crate) other_wtxid: Option<Wtxid>,
    /// Present if it waits.
    pub(crate) fees: Option<PackageFees>,
}

/// The fees `submitpackage` reports.
#[derive(Debug, Deserialize)]
pub(crate) struct PackageFees {
    /// Present if it entered with this call.
    #[serde(rename = "effective-feerate")]
    pub(crate) effective_feerate: Option<f64>,
}

/// One element of `gettxspendingprevout`.
#[derive(Debug, Deserialize)]
pub(crate) struct SpendingPrevout {
    /// Present if a transaction is known that spends the output.
    pub(crate) spendingtxid: Option<Txid>,
    /// Present if that transaction is confirmed; only a bitcoind with an index of spends tells.
    pub(crate) blockhash: Option<BlockHash>,
}

/// `gettxout`.
#[derive(Debug, Deserialize)]
pub(crate) struct TxOutAnswer {
    pub(crate) confirmations: u32,
    pub(crate) value: f64,
    #[serde(rename = "scriptPubKey")]
    pub(crate) script: ScriptAnswer,
}

/// A script in an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct ScriptAnswer {
    pub(crate) hex: String,
}

/// `estimatesmartfee`.
#[derive(Debug, Deserialize)]
pub(crate) struct FeeEstimate {
    /// Bitcoin per 1,000 virtual bytes; absent if there is no estimate.
    pub(crate) feerate: Option<f64>,
}

/// `getmempoolinfo`.
#[derive(Debug, Deserialize)]
pub(crate) struct MempoolInfo {
    /// Bitcoin per 1,000 virtual bytes below which nothing enters.
    pub(crate) mempoolminfee: f64,
}
