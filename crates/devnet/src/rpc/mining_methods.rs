//! Methods that make blocks, take them back, and steer the server.

use bitcoin::{BlockHash, ScriptBuf, Transaction, Txid};
use serde_json::{Value, json};

use super::descriptor::{script_of, script_of_address};
use super::params::{Params, parse_transaction};
use super::{Context, RpcCode, RpcError};
use crate::limits::GENERATE_BLOCKS_MAX;

/// Mines so many blocks and lists their hashes.
fn generate(context: &Context, count: i64, payout: &ScriptBuf) -> Result<Value, RpcError> {
    let count = u64::try_from(count).ok().filter(|count| *count <= GENERATE_BLOCKS_MAX);
    let count = count.ok_or_else(|| {
        let message = format!("the devnet mines 0 to {GENERATE_BLOCKS_MAX} blocks at a time");
        RpcError::parameter(message)
    })?;
    let now_s = context.now_s();
    let mut node = context.node();
    let hashes: Vec<BlockHash> = (0..count).map(|_| node.mine(payout.clone(), now_s)).collect();
    Ok(json!(hashes))
}

/// The script of a descriptor.
fn descriptor_script(descriptor: &str) -> Result<ScriptBuf, RpcError> {
    script_of(descriptor)
        .map_err(|error| RpcError::new(RpcCode::InvalidAddressOrKey, error.to_string()))
}

/// `generatetodescriptor`.
pub(super) fn generate_to_descriptor(
    context: &Context,
    params: &Params,
) -> Result<Value, RpcError> {
    let payout = descriptor_script(params.text(1)?)?;
    generate(context, params.integer(0)?, &payout)
}

/// `generatetoaddress`.
pub(super) fn generate_to_address(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let payout = script_of_address(params.text(1)?)
        .ok_or_else(|| RpcError::new(RpcCode::InvalidAddressOrKey, "Error: Invalid address"))?;
    generate(context, params.integer(0)?, &payout)
}

/// `generateblock`: a block of exactly these transactions, given in hex or, if they wait, by id.
pub(super) fn generate_block(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let output = params.text(0)?;
    let payout = match script_of_address(output) {
        Some(script) => script,
        None => descriptor_script(output)?,
    };
    if params.flag(2)? == Some(false) {
        return Err(RpcError::parameter("the devnet only mines blocks that it submits"));
    }
    let now_s = context.now_s();
    let mut node = context.node();
    let find = |value: &Value| -> Result<Transaction, RpcError> {
        let text = value.as_str().unwrap_or_default();
        if let Ok(txid) = text.parse::<Txid>() {
            let entry = node.mempool().entry(&txid);
            return entry.map(|entry| entry.transaction.clone()).ok_or_else(|| {
                let message = format!("Transaction {text} not in mempool.");
                RpcError::new(RpcCode::InvalidAddressOrKey, message)
            });
        }
        parse_transaction(text).ok_or_else(|| {
            let message = format!(
                "Transaction decode failed for {text}. Make sure the tx has at least one input."
            );
            RpcError::new(RpcCode::Deserialization, message)
        })
    };
    let transactions: Vec<Transaction> =
        params.array(1)?.iter().map(find).collect::<Result<_, _>>()?;
    let hash = node.mine_exactly(payout, transactions, now_s).map_err(|reject| {
        RpcError::new(RpcCode::Verify, format!("TestBlockValidity failed: {reject}"))
    })?;
    Ok(json!({ "hash": hash }))
}

/// `invalidateblock`.
pub(super) fn invalidate_block(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let hash = params.hash(0)?;
    let now_s = context.now_s();
    let mut node = context.node();
    match node.chain().block(&hash).map(|stored| stored.height) {
        None => return Err(RpcError::block_not_found()),
        Some(0) => return Err(RpcError::parameter("the genesis block cannot be invalidated")),
        Some(_) => node.rule_out(hash, now_s),
    }
    Ok(Value::Null)
}

/// `reconsiderblock`.
pub(super) fn reconsider_block(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let hash = params.hash(0)?;
    let now_s = context.now_s();
    let mut node = context.node();
    if node.chain().block(&hash).is_none() {
        return Err(RpcError::block_not_found());
    }
    node.reconsider(hash, now_s);
    Ok(Value::Null)
}

/// `setmocktime`.
pub(super) fn set_mock_time(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let now_s = u64::try_from(params.integer(0)?)
        .map_err(|_| RpcError::parameter("Mocktime must be in the range of a time"))?;
    context.set_mock_time(now_s);
    Ok(Value::Null)
}

/// `uptime`.
pub(super) fn uptime(context: &Context, _: &Params) -> Result<Value, RpcError> {
    Ok(json!(context.now_s().saturating_sub(context.started_s)))
}

/// `stop`.
pub(super) fn stop(context: &Context, _: &Params) -> Result<Value, RpcError> {
    context.stop.send_replace(true);
    Ok(json!("Bitcoin Core stopping"))
}
