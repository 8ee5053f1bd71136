//! Methods that read the mempool or put something into it.

use bitcoin::{Amount, OutPoint, Transaction, Txid, consensus};
use serde_json::{Map, Value, json};

use super::chain_methods::rate_btc;
use super::json as shape;
use super::params::{Params, parse_hash};
use super::{Context, RpcCode, RpcError};
use crate::limits::{INCREMENTAL_FEE_RATE, PACKAGE_TRANSACTIONS_MAX, RELAY_FEE_RATE_MIN};
use crate::mempool::admission::FeeCap;
use crate::mempool::package::{
    PackageOutcome, PackageState, TransactionResult, is_child_with_parents, valid_alone,
};
use crate::node::Node;
use crate::reject::{Reject, RejectKind};

/// Bytes a mempool may take, as `getmempoolinfo` reports it; the devnet's is not limited.
const MEMPOOL_BYTES_MAX: u64 = 300_000_000;
/// The longest horizon of a fee estimate.
const ESTIMATE_BLOCKS_MAX: i64 = 1_008;

/// `getrawmempool`.
pub(super) fn raw_mempool(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let node = context.node();
    let mempool = node.mempool();
    if params.flag(0)?.unwrap_or(false) {
        let entries = mempool
            .entries()
            .map(|entry| (entry.txid.to_string(), shape::mempool_entry(mempool, entry)));
        return Ok(Value::Object(entries.collect()));
    }
    let txids: Vec<Txid> = mempool.entries().map(|entry| entry.txid).collect();
    if params.flag(1)?.unwrap_or(false) {
        return Ok(json!({ "txids": txids, "mempool_sequence": mempool.changes() }));
    }
    Ok(json!(txids))
}

/// `getmempoolentry`.
pub(super) fn mempool_entry(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let txid = params.hash(0)?;
    let node = context.node();
    let entry = node
        .mempool()
        .entry(&txid)
        .ok_or_else(|| RpcError::new(RpcCode::InvalidAddressOrKey, "Transaction not in mempool"))?;
    Ok(shape::mempool_entry(node.mempool(), entry))
}

/// `getmempoolinfo`.
pub(super) fn mempool_info(context: &Context, _: &Params) -> Result<Value, RpcError> {
    let node = context.node();
    let mempool = node.mempool();
    let size: u64 = mempool.entries().map(|entry| entry.size.0).sum();
    let fee: Amount = mempool.entries().map(|entry| entry.fee).sum();
    Ok(json!({
        "loaded": true,
        "size": mempool.len(),
        "bytes": size,
        "usage": size,
        "total_fee": shape::amount(fee),
        "maxmempool": MEMPOOL_BYTES_MAX,
        "mempoolminfee": rate_btc(RELAY_FEE_RATE_MIN),
        "minrelaytxfee": rate_btc(RELAY_FEE_RATE_MIN),
        "incrementalrelayfee": rate_btc(INCREMENTAL_FEE_RATE),
        "unbroadcastcount": mempool.len(),
    }))
}

/// `gettxspendingprevout`.
pub(super) fn tx_spending_prevout(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let outputs = params.array(0)?;
    if outputs.is_empty() {
        return Err(RpcError::parameter("Invalid parameter, outputs are missing"));
    }
    let shows_transaction = params.value(1).get("return_spending_tx") == Some(&Value::Bool(true));
    let node = context.node();
    let mut answer = Vec::new();
    for output in outputs {
        let txid = output.get("txid").and_then(Value::as_str).unwrap_or_default();
        let txid: Txid = parse_hash("txid", txid)?;
        let vout = output.get("vout").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let vout =
            vout.ok_or_else(|| RpcError::parameter("Invalid parameter, vout cannot be negative"))?;
        let mut object = json!({ "txid": txid, "vout": vout });
        if let (Some(spender), Value::Object(members)) =
            (node.mempool().spender(&OutPoint { txid, vout }), &mut object)
        {
            members.insert("spendingtxid".into(), json!(spender.txid));
            if shows_transaction {
                let hex = consensus::encode::serialize_hex(&spender.transaction);
                members.insert("spendingtx".into(), json!(hex));
            }
        }
        answer.push(object);
    }
    Ok(Value::Array(answer))
}

/// Refuses to burn more than the caller said.
fn check_burn(transaction: &Transaction, most: Option<Amount>) -> Result<(), RpcError> {
    let most = most.unwrap_or(Amount::ZERO);
    let mut outputs = transaction.output.iter();
    if outputs.any(|output| output.script_pubkey.is_op_return() && output.value > most) {
        let message = "Unspendable output exceeds maximum configured by user (maxburnamount)";
        return Err(RpcError::new(RpcCode::Verify, message));
    }
    Ok(())
}

/// True if any output of the transaction is an unspent coin of the chain.
fn is_confirmed(node: &Node, txid: Txid, transaction: &Transaction) -> bool {
    let mut outputs = (0_u32..).zip(&transaction.output);
    outputs.any(|(vout, _)| node.chain().coin(&OutPoint { txid, vout }).is_some())
}

/// `sendrawtransaction`.
pub(super) fn send_raw_transaction(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let transaction = params.transaction(0)?;
    let cap = params.fee_cap(1)?;
    check_burn(&transaction, params.amount(2)?)?;
    let (txid, now_s) = (transaction.compute_txid(), context.now_s());
    let mut node = context.node();
    if is_confirmed(&node, txid, &transaction) {
        let message = "Transaction outputs already in utxo set";
        return Err(RpcError::new(RpcCode::AlreadyInUtxoSet, message));
    }
    if node.mempool().contains(&txid) {
        return Ok(json!(txid));
    }
    if let FeeCap::Rate(rate) = cap {
        let entry = node.rehearse(&transaction, now_s)?;
        if entry.fee.to_sat() > rate.fee(entry.size).to_sat() {
            let message = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)";
            return Err(RpcError::new(RpcCode::Verify, message));
        }
    }
    node.submit(&transaction, now_s)?;
    Ok(json!(txid))
}

/// Checks the number of transactions in a package.
fn check_count(transactions: &[Transaction]) -> Result<(), RpcError> {
    if (1..=PACKAGE_TRANSACTIONS_MAX).contains(&transactions.len()) {
        return Ok(());
    }
    Err(RpcError::parameter(format!(
        "Array must contain between 1 and {PACKAGE_TRANSACTIONS_MAX} transactions."
    )))
}

/// `testmempoolaccept`.
pub(super) fn test_mempool_accept(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let transactions = params.transactions(0)?;
    check_count(&transactions)?;
    let cap = params.fee_cap(1)?;
    let (node, now_s) = (context.node(), context.now_s());
    let outcome = match transactions.as_slice() {
        [single] => {
            let result = match node.rehearse(single, now_s) {
                Ok(entry) => valid_alone(&entry),
                Err(reject) => TransactionResult::Invalid(reject),
            };
            PackageOutcome {
                state: PackageState::Success,
                results: [(single.compute_wtxid(), result)].into(),
                replaced: std::collections::BTreeSet::new(),
            }
        }
        package => node.rehearse_package(package, now_s),
    };
    let mut answer = Vec::new();
    let mut is_over_cap = false;
    for transaction in &transactions {
        let wtxid = transaction.compute_wtxid();
        let mut object = Map::new();
        object.insert("txid".into(), json!(transaction.compute_txid()));
        object.insert("wtxid".into(), json!(wtxid));
        if let PackageState::PolicyBroken(reject) = &outcome.state {
            object.insert("package-error".into(), json!(reject.to_string()));
        }
        if let Some(result) = outcome.results.get(&wtxid).filter(|_| !is_over_cap) {
            is_over_cap = show_rehearsal(&mut object, result, cap) == Verdict::OverCap;
        }
        answer.push(Value::Object(object));
    }
    Ok(Value::Array(answer))
}

/// Whether later transactions of a rehearsal are still shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Go on.
    Shown,
    /// The fee is above the caller's limit.
    OverCap,
}

/// Adds what `testmempoolaccept` says about one transaction.
fn show_rehearsal(
    object: &mut Map<String, Value>,
    result: &TransactionResult,
    cap: FeeCap,
) -> Verdict {
    let refuse = |object: &mut Map<String, Value>, reason: &str| {
        object.insert("allowed".into(), json!(false));
        object.insert("reject-reason".into(), json!(reason));
    };
    match result {
        TransactionResult::Valid { size, fee, .. } => {
            if let FeeCap::Rate(rate) = cap
                && fee.to_sat() > rate.fee(*size).to_sat()
            {
                refuse(object, "max-fee-exceeded");
                return Verdict::OverCap;
            }
            object.insert("allowed".into(), json!(true));
            show_valid(object, result);
        }
        TransactionResult::Invalid(Reject { kind: RejectKind::MissingInputs, .. }) => {
            refuse(object, "missing-inputs");
        }
        TransactionResult::Invalid(reject) => {
            refuse(object, reject.reason);
            object.insert("reject-details".into(), json!(reject.to_string()));
        }
        TransactionResult::AlreadyWaiting { .. } | TransactionResult::OtherWitness { .. } => {
            unreachable!("a rehearsal refuses what waits already")
        }
    }
    Verdict::Shown
}

/// Adds size and fees of a transaction that passed or was there before.
fn show_valid(object: &mut Map<String, Value>, result: &TransactionResult) {
    let (size, fees) = match result {
        TransactionResult::Valid {
            size,
            fee,
            effective_fee,
            effective_size,
            effective_includes,
        } => {
            let fees = json!({
                "base": shape::amount(*fee),
                "effective-feerate": shape::fee_rate(*effective_fee, *effective_size),
                "effective-includes": effective_includes,
            });
            (size, fees)
        }
        TransactionResult::AlreadyWaiting { size, fee } => {
            (size, json!({ "base": shape::amount(*fee) }))
        }
        TransactionResult::OtherWitness { .. } | TransactionResult::Invalid(_) => return,
    };
    object.insert("vsize".into(), json!(size.0));
    object.insert("fees".into(), fees);
}

/// `submitpackage`.
pub(super) fn submit_package(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let package = params.transactions(0)?;
    check_count(&package)?;
    let (cap, burn) = (params.fee_cap(1)?, params.amount(2)?);
    package.iter().try_for_each(|transaction| check_burn(transaction, burn))?;
    if package.len() > 1 && !is_child_with_parents(&package) {
        let message = "package topology disallowed. not child-with-parents or parents depend on \
                       each other.";
        return Err(RpcError::new(RpcCode::Verify, message));
    }
    let now_s = context.now_s();
    let outcome = context.node().submit_package(&package, now_s, cap);
    let message = match &outcome.state {
        PackageState::Success => "success".to_owned(),
        PackageState::TransactionFailed(message) => (*message).to_owned(),
        PackageState::PolicyBroken(reject) => reject.to_string(),
    };
    let mut results = Map::new();
    for transaction in &package {
        let wtxid = transaction.compute_wtxid();
        let mut object = Map::new();
        object.insert("txid".into(), json!(transaction.compute_txid()));
        match outcome.results.get(&wtxid) {
            None => {
                object.insert("error".into(), json!("package-not-validated"));
            }
            Some(TransactionResult::Invalid(reject)) => {
                object.insert("error".into(), json!(reject.to_string()));
            }
            Some(TransactionResult::OtherWitness { wtxid }) => {
                object.insert("other-wtxid".into(), json!(wtxid));
            }
            Some(result) => show_valid(&mut object, result),
        }
        results.insert(wtxid.to_string(), Value::Object(object));
    }
    Ok(json!({
        "package_msg": message,
        "tx-results": results,
        "replaced-transactions": outcome.replaced,
    }))
}

/// `estimatesmartfee`: there is no history to learn from, and the answer says so.
pub(super) fn estimate_smart_fee(_: &Context, params: &Params) -> Result<Value, RpcError> {
    let blocks = params.integer(0)?;
    if !(1..=ESTIMATE_BLOCKS_MAX).contains(&blocks) {
        let message = format!("Invalid conf_target, must be between 1 and {ESTIMATE_BLOCKS_MAX}");
        return Err(RpcError::parameter(message));
    }
    Ok(json!({ "errors": ["Insufficient data or no feerate found"], "blocks": blocks }))
}
