//! Methods that read the chain: blocks, headers, transactions, outputs.

use bitcoin::{BlockHash, OutPoint, Txid, consensus};
use serde_json::{Value, json};

use super::descriptor::script_of_address;
use super::json::{self as shape, Decoded, WorkHex};
use super::params::Params;
use super::{Context, RpcCode, RpcError};
use crate::chain::{Chain, StoredBlock, easiest_target};
use crate::coin::{Coin, CoinOrigin};
use crate::limits::{INCREMENTAL_FEE_RATE, RELAY_FEE_RATE_MIN};

/// The version this server claims: the Bitcoin Core release whose rules and answers it follows.
const CORE_VERSION: u32 = 310_000;
/// The version of the peer protocol of that release; the devnet has no peers.
const PROTOCOL_VERSION: u32 = 70_016;

/// A rate in bitcoin per 1,000 virtual bytes.
pub(super) fn rate_btc(rate: strait_primitives::FeeRate) -> Value {
    shape::amount(bitcoin::Amount::from_sat(rate.to_sat_per_kvb()))
}

/// `getblockchaininfo`.
pub(super) fn blockchain_info(context: &Context, _: &Params) -> Result<Value, RpcError> {
    let node = context.node();
    let chain = node.chain();
    let tip = chain.tip();
    Ok(json!({
        "chain": "regtest",
        "blocks": chain.height(),
        "headers": chain.height(),
        "bestblockhash": chain.tip_hash(),
        "bits": format!("{:08x}", tip.block.header.bits.to_consensus()),
        "target": shape::target_hex(),
        "difficulty": easiest_target().difficulty_float(),
        "time": tip.block.header.time,
        "mediantime": chain.median_time(chain.height()),
        "verificationprogress": 1,
        "initialblockdownload": false,
        "chainwork": tip.work.to_string_hex(),
        "size_on_disk": 0,
        "pruned": false,
        "warnings": [],
    }))
}

/// `getnetworkinfo`.
pub(super) fn network_info(_: &Context, _: &Params) -> Result<Value, RpcError> {
    Ok(json!({
        "version": CORE_VERSION,
        "subversion": concat!("/strait-devnet:", env!("CARGO_PKG_VERSION"), "/"),
        "protocolversion": PROTOCOL_VERSION,
        "localservices": "0000000000000000",
        "localservicesnames": [],
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": false,
        "connections": 0,
        "connections_in": 0,
        "connections_out": 0,
        "networks": [],
        "relayfee": rate_btc(RELAY_FEE_RATE_MIN),
        "incrementalfee": rate_btc(INCREMENTAL_FEE_RATE),
        "localaddresses": [],
        "warnings": [],
    }))
}

/// `getconnectioncount`.
pub(super) fn connection_count(_: &Context, _: &Params) -> Result<Value, RpcError> {
    Ok(json!(0))
}

/// `getbestblockhash`.
pub(super) fn best_block_hash(context: &Context, _: &Params) -> Result<Value, RpcError> {
    Ok(json!(context.node().chain().tip_hash()))
}

/// `getblockcount`.
pub(super) fn block_count(context: &Context, _: &Params) -> Result<Value, RpcError> {
    Ok(json!(context.node().chain().height()))
}

/// `getblockhash`.
pub(super) fn block_hash(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let height = u32::try_from(params.integer(0)?).ok();
    let hash = height.and_then(|height| context.node().chain().hash_at(height));
    let hash = hash.ok_or_else(|| RpcError::parameter("Block height out of range"))?;
    Ok(json!(hash))
}

/// The block with this hash.
fn stored<'a>(chain: &'a Chain, hash: &BlockHash) -> Result<&'a StoredBlock, RpcError> {
    chain.block(hash).ok_or_else(RpcError::block_not_found)
}

/// `getblockheader`.
pub(super) fn block_header(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let hash = params.hash(0)?;
    let node = context.node();
    let stored = stored(node.chain(), &hash)?;
    if params.flag(1)?.unwrap_or(true) {
        return Ok(shape::header(node.chain(), hash, stored));
    }
    Ok(json!(consensus::encode::serialize_hex(&stored.block.header)))
}

/// `getblock`.
pub(super) fn block(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let hash = params.hash(0)?;
    let node = context.node();
    let stored = stored(node.chain(), &hash)?;
    let decoded = match params.verbosity(1, 1)? {
        ..=0 => return Ok(json!(consensus::encode::serialize_hex(&*stored.block))),
        1 => Decoded::Ids,
        2.. => Decoded::Whole,
    };
    Ok(shape::block(node.chain(), hash, stored, decoded))
}

/// `gettxout`.
pub(super) fn tx_out(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let txid = params.hash(0)?;
    let Ok(vout) = u32::try_from(params.integer(1)?) else { return Ok(Value::Null) };
    let looks_at_mempool = params.flag(2)?.unwrap_or(true);
    let node = context.node();
    let (chain, outpoint) = (node.chain(), OutPoint { txid, vout });
    if looks_at_mempool && node.mempool().spender(&outpoint).is_some() {
        return Ok(Value::Null);
    }
    if let Some(coin) = chain.coin(&outpoint) {
        return Ok(shape::unspent(chain, coin));
    }
    let waiting = node.mempool().entry(&txid).filter(|_| looks_at_mempool);
    let output = waiting.and_then(|entry| {
        let output = entry.transaction.output.get(usize::try_from(vout).ok()?)?;
        Some(Coin { output: output.clone(), origin: CoinOrigin::Mempool })
    });
    Ok(output.map_or(Value::Null, |coin| shape::unspent(chain, &coin)))
}

/// `getrawtransaction`.
pub(super) fn raw_transaction(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let txid: Txid = params.hash(0)?;
    let verbosity = params.verbosity(1, 0)?;
    let node = context.node();
    let chain = node.chain();
    let waiting = || node.mempool().entry(&txid).map(|entry| (&entry.transaction, None));
    let confirmed = || chain.transaction(&txid).map(|(found, hash)| (found, Some(hash)));
    let found = if params.value(2).is_null() {
        waiting().or_else(confirmed)
    } else {
        let hash: BlockHash = params.hash(2)?;
        let mut all = stored(chain, &hash)?.block.txdata.iter();
        all.find(|other| other.compute_txid() == txid).map(|found| (found, Some(hash)))
    };
    let (transaction, block) = found.ok_or_else(|| {
        let message = "No such mempool or blockchain transaction. \
                       Use gettransaction for wallet transactions.";
        RpcError::new(RpcCode::InvalidAddressOrKey, message)
    })?;
    if verbosity <= 0 {
        return Ok(json!(consensus::encode::serialize_hex(transaction)));
    }
    let mut object = shape::transaction(transaction);
    if let (Value::Object(members), Some(hash)) = (&mut object, block) {
        let stored = stored(chain, &hash)?;
        let confirmations = chain
            .active_height(&hash)
            .map_or(0, |height| chain.height().saturating_sub(height).saturating_add(1));
        members.insert("blockhash".into(), json!(hash));
        members.insert("confirmations".into(), json!(confirmations));
        members.insert("time".into(), json!(stored.block.header.time));
        members.insert("blocktime".into(), json!(stored.block.header.time));
    }
    Ok(object)
}

/// `decoderawtransaction`.
pub(super) fn decode_raw_transaction(_: &Context, params: &Params) -> Result<Value, RpcError> {
    let mut object = shape::transaction(&params.transaction(0)?);
    if let Value::Object(members) = &mut object {
        members.remove("hex");
    }
    Ok(object)
}

/// `validateaddress`.
pub(super) fn validate_address(_: &Context, params: &Params) -> Result<Value, RpcError> {
    let address = params.text(0)?;
    Ok(match script_of_address(address) {
        None => json!({
            "isvalid": false,
            "error_locations": [],
            "error": "Invalid or unsupported Segwit (Bech32) or Base58 encoding.",
        }),
        Some(script) => json!({
            "isvalid": true,
            "address": address,
            "scriptPubKey": script.to_hex_string(),
            "isscript": script.is_p2sh() || script.is_p2wsh() || script.is_p2tr(),
            "iswitness": script.is_witness_program(),
        }),
    })
}
