//! The shapes of answers: blocks, headers, transactions, scripts and amounts as bitcoind prints them.

use bitcoin::{Address, Amount, BlockHash, Network, Script, Transaction, TxIn, consensus};
use serde_json::{Map, Value, json};
use strait_primitives::VBytes;

use crate::chain::{Chain, StoredBlock, easiest_target};
use crate::coin::{Coin, CoinOrigin};
use crate::mempool::{Entry, Mempool, chunks};
use crate::standard::is_anchor;

/// An amount in bitcoin.
pub(super) fn amount(amount: Amount) -> Value {
    json!(amount.to_btc())
}

/// A fee rate in bitcoin per 1,000 virtual bytes, from a fee and the size it pays for.
pub(super) fn fee_rate(fee: Amount, size: VBytes) -> Value {
    let per_kvb = fee.to_sat().saturating_mul(1_000).checked_div(size.0).unwrap_or(0);
    amount(Amount::from_sat(per_kvb))
}

/// Adds the members of one object to another.
fn extend(target: &mut Value, more: Value) {
    if let (Value::Object(target), Value::Object(more)) = (target, more) {
        target.extend(more);
    }
}

/// A header and where it stands.
pub(super) fn header(chain: &Chain, hash: BlockHash, stored: &StoredBlock) -> Value {
    let header = &stored.block.header;
    let active = chain.active_height(&hash);
    let confirmations =
        active.map_or(-1, |height| i64::from(chain.height()) - i64::from(height) + 1);
    let mut object = json!({
        "hash": hash,
        "confirmations": confirmations,
        "height": stored.height,
        "version": header.version.to_consensus(),
        "versionHex": format!("{:08x}", header.version.to_consensus()),
        "merkleroot": header.merkle_root,
        "time": header.time,
        "mediantime": chain.median_time_of(hash),
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "target": target_hex(),
        "difficulty": easiest_target().difficulty_float(),
        "chainwork": stored.work.to_string_hex(),
        "nTx": stored.block.txdata.len(),
    });
    if stored.height > 0 {
        extend(&mut object, json!({ "previousblockhash": header.prev_blockhash }));
    }
    if let Some(next) = active.and_then(|height| chain.hash_at(height.saturating_add(1))) {
        extend(&mut object, json!({ "nextblockhash": next }));
    }
    object
}

/// The target of every block, in hex.
pub(super) fn target_hex() -> String {
    hex::encode(easiest_target().to_be_bytes())
}

/// How work is printed: 64 digits.
pub(super) trait WorkHex {
    /// The work in hex.
    fn to_string_hex(&self) -> String;
}

impl WorkHex for bitcoin::Work {
    fn to_string_hex(&self) -> String {
        hex::encode(self.to_be_bytes())
    }
}

/// A block with its transactions' ids, or with all of them decoded.
pub(super) fn block(
    chain: &Chain,
    hash: BlockHash,
    stored: &StoredBlock,
    decoded: Decoded,
) -> Value {
    let block = &stored.block;
    let mut object = header(chain, hash, stored);
    let stripped_bytes = block.weight().to_wu().saturating_sub(as_u64(block.total_size())) / 3;
    let transactions: Vec<Value> = block
        .txdata
        .iter()
        .map(|transaction| match decoded {
            Decoded::Ids => json!(transaction.compute_txid()),
            Decoded::Whole => self::transaction(transaction),
        })
        .collect();
    extend(
        &mut object,
        json!({
            "strippedsize": stripped_bytes,
            "size": block.total_size(),
            "weight": block.weight().to_wu(),
            "tx": transactions,
        }),
    );
    object
}

/// How much of a block's transactions to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoded {
    /// Their ids.
    Ids,
    /// Everything.
    Whole,
}

/// A length as a number of its own.
fn as_u64(length: usize) -> u64 {
    u64::try_from(length).expect("lengths fit in 64 bits")
}

/// A transaction, decoded.
pub(super) fn transaction(transaction: &Transaction) -> Value {
    let outputs = transaction.output.iter().enumerate().map(|(n, output)| {
        json!({
            "value": amount(output.value),
            "n": n,
            "scriptPubKey": script(&output.script_pubkey),
        })
    });
    json!({
        "txid": transaction.compute_txid(),
        "hash": transaction.compute_wtxid(),
        "version": transaction.version.0,
        "size": transaction.total_size(),
        "vsize": transaction.vsize(),
        "weight": transaction.weight().to_wu(),
        "locktime": transaction.lock_time.to_consensus_u32(),
        "vin": transaction.input.iter().map(input).collect::<Vec<_>>(),
        "vout": outputs.collect::<Vec<_>>(),
        "hex": consensus::encode::serialize_hex(transaction),
    })
}

/// An input, decoded.
fn input(input: &TxIn) -> Value {
    let mut object = Map::new();
    if input.previous_output.is_null() {
        object.insert("coinbase".into(), json!(input.script_sig.to_hex_string()));
    } else {
        object.insert("txid".into(), json!(input.previous_output.txid));
        object.insert("vout".into(), json!(input.previous_output.vout));
        let script = &input.script_sig;
        let script_sig = json!({ "asm": script.to_asm_string(), "hex": script.to_hex_string() });
        object.insert("scriptSig".into(), script_sig);
    }
    if !input.witness.is_empty() {
        let items: Vec<String> = input.witness.iter().map(hex::encode).collect();
        object.insert("txinwitness".into(), json!(items));
    }
    object.insert("sequence".into(), json!(input.sequence.to_consensus_u32()));
    Value::Object(object)
}

/// An output script, decoded.
pub(super) fn script(script: &Script) -> Value {
    let kind = match () {
        () if is_anchor(script) => "anchor",
        () if script.is_p2pk() => "pubkey",
        () if script.is_p2pkh() => "pubkeyhash",
        () if script.is_p2sh() => "scripthash",
        () if script.is_p2wpkh() => "witness_v0_keyhash",
        () if script.is_p2wsh() => "witness_v0_scripthash",
        () if script.is_p2tr() => "witness_v1_taproot",
        () if script.is_witness_program() => "witness_unknown",
        () if script.is_op_return() => "nulldata",
        () if script.is_multisig() => "multisig",
        () => "nonstandard",
    };
    let mut object = json!({
        "asm": script.to_asm_string(),
        "hex": script.to_hex_string(),
        "type": kind,
    });
    if let Ok(address) = Address::from_script(script, Network::Regtest) {
        extend(&mut object, json!({ "address": address.to_string() }));
    }
    object
}

/// An unspent output.
pub(super) fn unspent(chain: &Chain, coin: &Coin) -> Value {
    let depth = |height: u32| chain.height().saturating_sub(height).saturating_add(1);
    let (confirmations, is_coinbase) = match coin.origin {
        CoinOrigin::Coinbase(height) => (depth(height), true),
        CoinOrigin::Block(height) => (depth(height), false),
        CoinOrigin::Mempool => (0, false),
    };
    json!({
        "bestblock": chain.tip_hash(),
        "confirmations": confirmations,
        "value": amount(coin.output.value),
        "scriptPubKey": script(&coin.output.script_pubkey),
        "coinbase": is_coinbase,
    })
}

/// A waiting transaction and its place among the others.
pub(super) fn mempool_entry(mempool: &Mempool, entry: &Entry) -> Value {
    let sum = |ids: &std::collections::BTreeSet<bitcoin::Txid>| {
        let found = ids.iter().filter_map(|txid| mempool.entry(txid));
        found.fold((VBytes(0), Amount::ZERO), |(size, fee), other| {
            let fee = fee.checked_add(other.fee).unwrap_or(Amount::MAX_MONEY);
            (VBytes(size.0.saturating_add(other.size.0)), fee)
        })
    };
    let (ancestors, descendants) =
        (mempool.ancestors_of(entry.txid), mempool.descendants_of(entry.txid));
    let ((ancestor_size, ancestor_fee), (descendant_size, descendant_fee)) =
        (sum(&ancestors), sum(&descendants));
    let cluster = mempool.cluster_of([entry.txid]);
    let cut = chunks(cluster.iter().filter_map(|txid| mempool.entry(txid)));
    let chunk = cut.iter().find(|chunk| chunk.txids.contains(&entry.txid));
    let chunk_fee = chunk.map_or(entry.fee, |chunk| Amount::from_sat(chunk.fee_sat));
    json!({
        "vsize": entry.size.0,
        "weight": entry.transaction.weight().to_wu(),
        "time": entry.entered_s,
        "height": entry.entered_height,
        "descendantcount": descendants.len(),
        "descendantsize": descendant_size.0,
        "ancestorcount": ancestors.len(),
        "ancestorsize": ancestor_size.0,
        "wtxid": entry.wtxid,
        "fees": {
            "base": amount(entry.fee),
            "modified": amount(entry.fee),
            "ancestor": amount(ancestor_fee),
            "descendant": amount(descendant_fee),
            "chunk": amount(chunk_fee),
        },
        "depends": mempool.parents_of(&entry.transaction),
        "spentby": mempool.children_of(entry.txid),
        "unbroadcast": true,
    })
}
