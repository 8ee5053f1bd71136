//! The demo's hand on the chain: it mines, and at the end it reads every block to see what was paid.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitcoin::consensus::encode::FromHexError;
use bitcoin::{Block, OutPoint, Transaction, consensus};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use super::error::Trouble;
use super::http::{self, HttpError};

/// Pays whoever comes first: blocks that make nobody of the demo richer.
const NOBODY: &str = "raw(51)";

/// Why the chain's RPC did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RpcError {
    /// It did not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It refused.
    #[error("it says {message:?} (code {code})")]
    Refused {
        /// The code, as bitcoind has it.
        code: i64,
        /// The words.
        message: String,
    },
    /// The credentials are not right.
    #[error("it does not know these credentials")]
    Unauthorised,
    /// The answer is not one of this method.
    #[error("its answer does not parse")]
    Answer(#[from] serde_json::Error),
    /// A block is not one.
    #[error("its block does not parse")]
    Block(#[from] FromHexError),
}

/// The chain's RPC.
#[derive(Debug)]
pub(super) struct Chain {
    /// Where it answers, as a URL.
    pub(super) rpc_url: String,
    /// The file with `user:password`.
    pub(super) cookie_file: PathBuf,
    address: SocketAddr,
    authorisation: String,
}

/// A transaction that is not a coinbase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnChain {
    /// Its id.
    pub(super) txid: String,
    /// Its size in virtual bytes.
    pub(super) size_vbytes: u64,
    /// What it paid to the miner.
    pub(super) fee_sat: u64,
}

/// What an RPC answers.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    result: Value,
    error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    code: i64,
    message: String,
}

impl Chain {
    /// A hand on the chain that answers at `rpc_url`, with the credentials of its cookie.
    pub(super) fn new(rpc_url: &str, cookie_file: &Path) -> Result<Self, Trouble> {
        let path = || cookie_file.to_owned();
        let credentials = fs::read_to_string(cookie_file)
            .map_err(|source| Trouble::File { path: path(), source })?;
        let host = rpc_url.strip_prefix("http://").unwrap_or(rpc_url);
        let address = host.parse().map_err(|_not_an_address| Trouble::NoAddress {
            who: super::Who::Chain,
            said: rpc_url.to_owned(),
        })?;
        Ok(Self {
            rpc_url: rpc_url.to_owned(),
            cookie_file: path(),
            address,
            authorisation: format!("Basic {}", STANDARD.encode(credentials.trim())),
        })
    }

    /// Makes blocks that pay nobody of the demo.
    pub(super) async fn mine(&self, blocks: u32) -> Result<(), Trouble> {
        let params = json!([blocks, NOBODY]);
        self.call::<Vec<String>>("generatetodescriptor", params).await.map(drop)
    }

    /// Makes blocks that pay an address.
    pub(super) async fn mine_to(&self, address: &str, blocks: u32) -> Result<(), Trouble> {
        let params = json!([blocks, address]);
        self.call::<Vec<String>>("generatetoaddress", params).await.map(drop)
    }

    /// The height of the tip.
    pub(super) async fn height(&self) -> Result<u32, Trouble> {
        self.call("getblockcount", json!([])).await
    }

    /// Transactions that wait for a block.
    pub(super) async fn waiting(&self) -> Result<Vec<String>, Trouble> {
        self.call("getrawmempool", json!([])).await
    }

    /// Every transaction in a block but the coinbases, in order.
    pub(super) async fn transactions(&self) -> Result<Vec<OnChain>, Trouble> {
        let mut ledger = Ledger::default();
        for height in 1..=self.height().await? {
            let hash: String = self.call("getblockhash", json!([height])).await?;
            let hex: String = self.call("getblock", json!([hash, 0])).await?;
            let block: Block = consensus::encode::deserialize_hex(&hex)
                .map_err(|error| Trouble::Chain { method: "getblock", source: error.into() })?;
            ledger.add(&block)?;
        }
        Ok(ledger.found)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Trouble> {
        self.ask(method, params).await.map_err(|source| Trouble::Chain { method, source })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, RpcError> {
        let body = json!({ "id": 1, "method": method, "params": params }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, &self.authorisation)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("base64 and a socket address are header values");
        let (status, body) = http::exchange(self.address, request).await?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(RpcError::Unauthorised);
        }
        let envelope: Envelope = serde_json::from_slice(&body)?;
        match envelope.error {
            Some(Failure { code, message }) => Err(RpcError::Refused { code, message }),
            None => Ok(serde_json::from_value(envelope.result)?),
        }
    }
}

/// All outputs there ever were, to know what the inputs are worth.
#[derive(Debug, Default)]
struct Ledger {
    outputs_sat: BTreeMap<OutPoint, u64>,
    found: Vec<OnChain>,
}

impl Ledger {
    fn add(&mut self, block: &Block) -> Result<(), Trouble> {
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            if !transaction.is_coinbase() {
                let paid = OnChain {
                    txid: txid.to_string(),
                    size_vbytes: u64::try_from(transaction.vsize()).expect("a block fits"),
                    fee_sat: self.fee_sat(transaction)?,
                };
                self.found.push(paid);
            }
            for (vout, output) in (0_u32..).zip(&transaction.output) {
                self.outputs_sat.insert(OutPoint { txid, vout }, output.value.to_sat());
            }
        }
        Ok(())
    }

    fn fee_sat(&self, transaction: &Transaction) -> Result<u64, Trouble> {
        let inputs: Vec<u64> = transaction
            .input
            .iter()
            .map(|input| {
                let outpoint = input.previous_output;
                let found = self.outputs_sat.get(&outpoint).copied();
                found.ok_or(Trouble::UnknownOutput { outpoint })
            })
            .collect::<Result<_, _>>()?;
        let outputs = transaction.output.iter().map(|output| output.value.to_sat());
        let (inputs, outputs) = (sum(inputs), sum(outputs));
        inputs.zip(outputs).and_then(|(i, o)| i.checked_sub(o)).ok_or(Trouble::Overflow)
    }
}

/// A sum; none beyond 64 bits.
pub(super) fn sum(amounts: impl IntoIterator<Item = u64>) -> Option<u64> {
    amounts.into_iter().try_fold(0_u64, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::absolute::LockTime;
    use bitcoin::block::{Header, Version};
    use bitcoin::hashes::Hash as _;
    use bitcoin::{
        Amount, BlockHash, CompactTarget, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Witness,
        transaction,
    };

    fn spend(previous_output: OutPoint, outputs_sat: &[u64]) -> Transaction {
        let witness = Witness::new();
        let output = outputs_sat.iter().map(|value_sat| TxOut {
            value: Amount::from_sat(*value_sat),
            script_pubkey: ScriptBuf::new(),
        });
        Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness,
            }],
            output: output.collect(),
        }
    }

    fn block(txdata: Vec<Transaction>) -> Block {
        let header = Header {
            version: Version::TWO,
            prev_blockhash: BlockHash::all_zeros(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: 0,
            bits: CompactTarget::from_consensus(0),
            nonce: 0,
        };
        Block { header, txdata }
    }

    #[test]
    fn a_fee_is_what_the_outputs_leave_of_the_inputs() {
        let coinbase = spend(OutPoint::null(), &[5_000]);
        let first = spend(OutPoint { txid: coinbase.compute_txid(), vout: 0 }, &[3_000, 1_900]);
        let second = spend(OutPoint { txid: first.compute_txid(), vout: 1 }, &[1_893]);
        let mut ledger = Ledger::default();
        ledger.add(&block(vec![coinbase])).unwrap();
        ledger.add(&block(vec![spend(OutPoint::null(), &[1]), first, second])).unwrap();
        let fees: Vec<u64> = ledger.found.iter().map(|found| found.fee_sat).collect();
        assert_eq!(fees, [100, 7]);
    }

    #[test]
    fn outputs_worth_more_than_the_inputs_are_an_error() {
        let coinbase = spend(OutPoint::null(), &[5_000]);
        let greedy = spend(OutPoint { txid: coinbase.compute_txid(), vout: 0 }, &[5_001]);
        let added = Ledger::default().add(&block(vec![coinbase, greedy]));
        assert!(matches!(added, Err(Trouble::Overflow)), "{added:?}");
    }
}
