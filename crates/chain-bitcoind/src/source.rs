//! [`ChainSource`] over bitcoind's RPC.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::consensus::Decodable;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Amount, Block, BlockHash, Network, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use bitcoin::{constants, hex::FromHex};
use serde_json::{Value, json};
use strait_chain::{
    BlockId, ChainError, ChainSource, Download, FEE_RATE_FLOOR, FeeAnswer, HeaderAt, SubmitOutcome,
    TransactionOutcome, Unspent,
};
use strait_primitives::{BlockDelta, BlockHeight, FeeRate, Timestamp};

use crate::answers::{
    BlockHeader, BlockchainInfo, DownloadProgress, FeeEstimate, MempoolInfo, NetworkInfo,
    PackageAnswer, PackageResult, SpendingPrevout, TxOutAnswer,
};
use crate::endpoint::{Endpoint, Options, OptionsError};
use crate::limits::{
    CORE_VERSION_MIN, ESTIMATE_BLOCKS_MAX, MEMPOOL_TRANSACTIONS_PER_CALL, OUTPOINTS_PER_CALL,
};
use crate::rpc::{RpcClient, code, from_value, refused, shortened};

/// What `submitpackage` says of a package that entered whole.
const PACKAGE_SUCCESS: &str = "success";
/// What `submitpackage` says of a package one of whose transactions failed, whose own error says more.
const PACKAGE_TRANSACTION_FAILED: &str = "transaction failed";
/// Refusals that mean the source has the transaction.
const KNOWN_REASONS: [&str; 3] =
    ["txn-already-in-mempool", "txn-already-known", "txn-same-nonwitness-data-in-mempool"];

/// A chain seen through a bitcoind (or a devnet) and its RPC.
pub struct BitcoindSource {
    client: RpcClient,
    network: Network,
    /// Ids of mempool transactions that `mempool_transactions` has returned and that still wait.
    seen: BTreeSet<Txid>,
}

impl core::fmt::Debug for BitcoindSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BitcoindSource").field("network", &self.network).finish_non_exhaustive()
    }
}

impl BitcoindSource {
    /// Prepares a source; nothing is sent before the first question.
    ///
    /// # Errors
    /// [`OptionsError`] if the URL is malformed or nothing says how to sign in.
    pub fn new(options: &Options) -> Result<Self, OptionsError> {
        let client = RpcClient::new(Endpoint::new(options)?, Arc::clone(&options.policies));
        Ok(Self { client, network: options.network, seen: BTreeSet::new() })
    }

    /// Checks that the source knows `submitpackage` and is recent enough to pass packages on.
    fn check_package_relay(&mut self) -> Result<(), ChainError> {
        let info: NetworkInfo = self.client.call("getnetworkinfo", json!([]))?;
        let version = info.version;
        if version < CORE_VERSION_MIN {
            return Err(ChainError::NoPackageRelay { version });
        }
        if info.localrelay == Some(false) {
            tracing::warn!("bitcoind runs with -blocksonly: it will not pass on what others send");
        }
        let method = "submitpackage";
        match self.client.call_raw(method, json!([[]]))? {
            Err(failure) if failure.code == code::METHOD_NOT_FOUND => {
                Err(ChainError::NoPackageRelay { version })
            }
            Err(failure) if failure.code == code::INVALID_PARAMETER => Ok(()),
            Err(failure) => Err(refused(method, failure)),
            Ok(_) => {
                let detail = "it accepted a package of nothing".into();
                Err(ChainError::Nonsense { method, detail })
            }
        }
    }

    /// Asks for something by block hash.
    fn by_block(
        &mut self,
        method: &'static str,
        hash: BlockHash,
        verbosity: Value,
    ) -> Result<Value, ChainError> {
        match self.client.call_raw(method, json!([hash, verbosity]))? {
            Ok(answer) => Ok(answer),
            Err(failure) if failure.code == code::NOT_FOUND => {
                Err(ChainError::UnknownBlock { hash })
            }
            Err(failure) => Err(refused(method, failure)),
        }
    }

    /// A waiting transaction; `None` if it is gone by now.
    fn waiting(&mut self, txid: Txid) -> Result<Option<Transaction>, ChainError> {
        let method = "getrawtransaction";
        match self.client.call_raw(method, json!([txid, 0]))? {
            Ok(answer) => {
                let transaction: Transaction = decoded(method, answer)?;
                let actual = transaction.compute_txid();
                if actual != txid {
                    let detail = format!("asked for {txid}, got {actual}");
                    return Err(ChainError::Nonsense { method, detail });
                }
                Ok(Some(transaction))
            }
            Err(failure) if failure.code == code::NOT_FOUND => Ok(None),
            Err(failure) => Err(refused(method, failure)),
        }
    }

    /// Submits one transaction.
    fn submit_alone(
        &mut self,
        transaction: &Transaction,
    ) -> Result<TransactionOutcome, ChainError> {
        let method = "sendrawtransaction";
        // The limit on the fee rate is lifted: what to pay was decided elsewhere, with knowledge of what is at stake.
        let params = json!([serialize_hex(transaction), 0]);
        let failure = match self.client.call_raw(method, params)? {
            Ok(answer) => {
                let txid: Txid = from_value(method, answer)?;
                let expected = transaction.compute_txid();
                if txid != expected {
                    let detail = format!("submitted {expected}, got {txid}");
                    return Err(ChainError::Nonsense { method, detail });
                }
                return Ok(TransactionOutcome::Accepted);
            }
            Err(failure) => failure,
        };
        match failure.code {
            code::ALREADY_IN_UTXO_SET => Ok(TransactionOutcome::AlreadyKnown),
            code::VERIFY | code::VERIFY_REJECTED => Ok(rejected(failure.message)),
            _ => Err(refused(method, failure)),
        }
    }

    /// Submits a parent and its child.
    fn submit_package(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<Vec<(Txid, TransactionOutcome)>, ChainError> {
        let method = "submitpackage";
        let package: Vec<String> = transactions.iter().map(serialize_hex).collect();
        let answer: PackageAnswer = match self.client.call_raw(method, json!([package, 0]))? {
            Ok(answer) => from_value(method, answer)?,
            Err(failure) if [code::VERIFY, code::VERIFY_REJECTED].contains(&failure.code) => {
                let reason = failure.message;
                let all = transactions.iter().map(Transaction::compute_txid);
                return Ok(all.map(|txid| (txid, rejected(reason.clone()))).collect());
            }
            Err(failure) => return Err(refused(method, failure)),
        };
        let mut outcomes = Vec::new();
        for transaction in transactions {
            let (txid, wtxid) = (transaction.compute_txid(), transaction.compute_wtxid());
            let result = answer.results.get(&wtxid).filter(|result| result.txid == txid);
            let Some(result) = result else {
                let detail = format!("no result for {txid}");
                return Err(ChainError::Nonsense { method, detail });
            };
            let outcome = package_outcome(&answer.package_msg, result).ok_or_else(|| {
                let detail = format!("neither error nor fees for {txid}");
                ChainError::Nonsense { method, detail }
            })?;
            outcomes.push((txid, outcome));
        }
        Ok(outcomes)
    }
}

/// What a result of `submitpackage` means; `None` if it means nothing.
fn package_outcome(message: &str, result: &PackageResult) -> Option<TransactionOutcome> {
    if let Some(error) = &result.error {
        return Some(match message {
            PACKAGE_SUCCESS | PACKAGE_TRANSACTION_FAILED => rejected(error.clone()),
            _ => rejected(format!("{error} (package: {message})")),
        });
    }
    if result.other_wtxid.is_some() {
        return Some(TransactionOutcome::AlreadyKnown);
    }
    result.fees.as_ref().map(|fees| match fees.effective_feerate {
        Some(_) => TransactionOutcome::Accepted,
        None => TransactionOutcome::AlreadyKnown,
    })
}

/// A refusal, unless it says that the transaction is there.
fn rejected(reason: String) -> TransactionOutcome {
    if KNOWN_REASONS.iter().any(|known| reason.starts_with(known)) {
        return TransactionOutcome::AlreadyKnown;
    }
    TransactionOutcome::Rejected { reason: shortened(reason) }
}

/// Reads hex as a block or transaction.
fn decoded<T: Decodable>(method: &'static str, answer: Value) -> Result<T, ChainError> {
    let text: String = from_value(method, answer)?;
    deserialize_hex(&text)
        .map_err(|error| ChainError::Nonsense { method, detail: shortened(error.to_string()) })
}

/// Reads bitcoin per 1,000 virtual bytes.
fn fee_rate(method: &'static str, btc_per_kvb: f64) -> Result<FeeRate, ChainError> {
    let amount = Amount::from_btc(btc_per_kvb).map_err(|error| ChainError::Nonsense {
        method,
        detail: format!("{btc_per_kvb} is not a fee rate, {error}"),
    })?;
    Ok(FeeRate::from_sat_per_kvb(amount.to_sat()))
}

impl ChainSource for BitcoindSource {
    fn self_test(&mut self) -> Result<(), ChainError> {
        let actual: BlockHash = self.client.call("getblockhash", json!([0]))?;
        let expected = constants::genesis_block(self.network).block_hash();
        if actual != expected {
            let network = self.network;
            return Err(ChainError::WrongNetwork { network, expected, actual });
        }
        self.check_package_relay()
    }

    fn tip(&mut self) -> Result<BlockId, ChainError> {
        let info: BlockchainInfo = self.client.call("getblockchaininfo", json!([]))?;
        Ok(BlockId { height: BlockHeight::new(info.blocks), hash: info.bestblockhash })
    }

    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError> {
        let method = "getblockheader";
        let answer: BlockHeader = from_value(method, self.by_block(method, hash, json!(true))?)?;
        let header = answer.header().filter(|header| header.block_hash() == hash);
        let header = header.ok_or_else(|| ChainError::Nonsense {
            method,
            detail: format!("a header that does not hash to {hash}"),
        })?;
        Ok(HeaderAt { height: BlockHeight::new(answer.height), header })
    }

    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError> {
        let method = "getblockhash";
        match self.client.call_raw(method, json!([height.to_u32()]))? {
            Ok(answer) => from_value(method, answer).map(Some),
            Err(failure) if failure.code == code::INVALID_PARAMETER => Ok(None),
            Err(failure) => Err(refused(method, failure)),
        }
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError> {
        decoded("getblock", self.by_block("getblock", hash, json!(0))?)
    }

    fn submit(&mut self, transactions: &[Transaction]) -> Result<SubmitOutcome, ChainError> {
        ChainError::check_submission(transactions)?;
        let transactions = match transactions {
            [single] => vec![(single.compute_txid(), self.submit_alone(single)?)],
            package => self.submit_package(package)?,
        };
        Ok(SubmitOutcome { transactions })
    }

    fn mempool_spends(&mut self, outpoints: &[OutPoint]) -> Result<Vec<Transaction>, ChainError> {
        let mut spenders = BTreeSet::new();
        for some in outpoints.chunks(OUTPOINTS_PER_CALL) {
            let asked: Vec<Value> = some
                .iter()
                .map(|outpoint| json!({ "txid": outpoint.txid, "vout": outpoint.vout }))
                .collect();
            let answer: Vec<SpendingPrevout> =
                self.client.call("gettxspendingprevout", json!([asked]))?;
            let waiting = answer.into_iter().filter(|spend| spend.blockhash.is_none());
            spenders.extend(waiting.filter_map(|spend| spend.spendingtxid));
        }
        let found = spenders.into_iter().map(|txid| self.waiting(txid));
        found.filter_map(Result::transpose).collect()
    }

    fn mempool_transactions(&mut self) -> Result<Vec<Transaction>, ChainError> {
        let waiting: BTreeSet<Txid> = self.client.call("getrawmempool", json!([]))?;
        self.seen.retain(|txid| waiting.contains(txid));
        let news: Vec<Txid> =
            waiting.difference(&self.seen).take(MEMPOOL_TRANSACTIONS_PER_CALL).copied().collect();
        let mut found = Vec::new();
        for txid in news {
            let transaction = match self.waiting(txid) {
                Ok(transaction) => transaction,
                // What was fetched is returned; the failure shows at the next call.
                Err(_) if !found.is_empty() => break,
                Err(error) => return Err(error),
            };
            self.seen.insert(txid);
            found.extend(transaction);
        }
        Ok(found)
    }

    fn unspent(&mut self, outpoint: OutPoint) -> Result<Option<Unspent>, ChainError> {
        let method = "gettxout";
        let params = json!([outpoint.txid, outpoint.vout, false]);
        let Some(answer): Option<TxOutAnswer> = self.client.call(method, params)? else {
            return Ok(None);
        };
        let nonsense = |detail: String| ChainError::Nonsense { method, detail };
        let value = Amount::from_btc(answer.value)
            .map_err(|error| nonsense(format!("{} is not an amount, {error}", answer.value)))?;
        let script = Vec::<u8>::from_hex(&answer.script.hex)
            .map_err(|error| nonsense(format!("a script that is not hex, {error}")))?;
        let output = TxOut { value, script_pubkey: ScriptBuf::from(script) };
        Ok(Some(Unspent { output, depth: BlockDelta::new(answer.confirmations) }))
    }

    fn estimate_fee(&mut self, target: BlockDelta) -> Result<FeeAnswer, ChainError> {
        let blocks = target.to_u32().clamp(1, ESTIMATE_BLOCKS_MAX);
        let estimate: FeeEstimate = self.client.call("estimatesmartfee", json!([blocks]))?;
        let info: MempoolInfo = self.client.call("getmempoolinfo", json!([]))?;
        let least = fee_rate("getmempoolinfo", info.mempoolminfee)?.max(FEE_RATE_FLOOR);
        match estimate.feerate {
            Some(rate) => Ok(FeeAnswer::Estimate(fee_rate("estimatesmartfee", rate)?.max(least))),
            None => Ok(FeeAnswer::Unknown { least }),
        }
    }

    fn download(&mut self) -> Result<Download, ChainError> {
        if self.network == Network::Regtest {
            // Nothing is downloaded there, from nobody, yet bitcoind calls itself downloading while its tip is a day old.
            return Ok(Download::Over { mined: None });
        }
        let progress: DownloadProgress = self.client.call("getblockchaininfo", json!([]))?;
        if progress.initialblockdownload {
            return Ok(Download::Running);
        }
        let info: NetworkInfo = self.client.call("getnetworkinfo", json!([]))?;
        if info.connections == Some(0) {
            return Ok(Download::Alone);
        }
        let mined = progress.time.checked_mul(1_000).map(Timestamp::from_unix_ms);
        Ok(Download::Over { mined: Some(mined.unwrap_or(Timestamp::from_unix_ms(u64::MAX))) })
    }
}
