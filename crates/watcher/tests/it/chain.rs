//! A chain in memory: scripts, values, maturity and locktimes are judged; nothing else is.

use std::collections::BTreeMap;

use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Transaction, TxMerkleNode, TxOut,
};
use strait_primitives::BlockHeight;

/// Locktimes below are heights.
const LOCK_TIMES_FROM: u32 = 500_000_000;

#[derive(Debug, Clone)]
struct Coin {
    output: TxOut,
    height: u32,
}

/// One block and what undoes it.
#[derive(Debug)]
struct Mined {
    block: Block,
    before: BTreeMap<OutPoint, Coin>,
}

#[derive(Debug)]
pub(crate) struct Chain {
    coins: BTreeMap<OutPoint, Coin>,
    tip: u32,
    blocks: Vec<Mined>,
}

impl Chain {
    /// A chain whose tip holds one coin.
    pub(crate) fn new(tip: u32, outpoint: OutPoint, output: TxOut) -> Self {
        Self { coins: [(outpoint, Coin { output, height: tip })].into(), tip, blocks: Vec::new() }
    }

    pub(crate) fn tip(&self) -> BlockHeight {
        BlockHeight::new(self.tip)
    }

    /// What lies at this script.
    pub(crate) fn value_at(&self, script: &ScriptBuf) -> u64 {
        let coins = self.coins.values().filter(|coin| coin.output.script_pubkey == *script);
        coins.map(|coin| coin.output.value.to_sat()).sum()
    }

    /// What lies anywhere.
    pub(crate) fn value(&self) -> u64 {
        self.coins.values().map(|coin| coin.output.value.to_sat()).sum()
    }

    /// Says whether the next block may hold this transaction.
    pub(crate) fn judge(&self, transaction: &Transaction) -> Result<(), String> {
        let next = self.tip + 1;
        let lock_time = transaction.lock_time.to_consensus_u32();
        let mut spent = Vec::new();
        for input in &transaction.input {
            let place = input.previous_output;
            let coin = self.coins.get(&place).ok_or_else(|| format!("{place} is not there"))?;
            let wait = input.sequence.to_consensus_u32();
            if wait >> 31 == 0 && coin.height + (wait & 0xffff) > next {
                return Err(format!("{place} waits {wait} blocks from {}", coin.height));
            }
            spent.push(coin.output.clone());
        }
        if lock_time < LOCK_TIMES_FROM && lock_time >= next {
            return Err(format!("locked to {lock_time} at {}", self.tip));
        }
        let paid: u64 = transaction.output.iter().map(|output| output.value.to_sat()).sum();
        let had: u64 = spent.iter().map(|output| output.value.to_sat()).sum();
        if paid > had {
            return Err(format!("pays {paid} out of {had}"));
        }
        judge_scripts(transaction, &spent)
    }

    /// Mines one block: each transaction must be good, in the order given.
    pub(crate) fn mine(&mut self, transactions: &[Transaction]) -> (Block, BlockHeight) {
        let before = self.coins.clone();
        for transaction in transactions {
            self.judge(transaction).unwrap();
            for input in &transaction.input {
                self.coins.remove(&input.previous_output);
            }
            let txid = transaction.compute_txid();
            for (output, vout) in transaction.output.iter().zip(0..) {
                let coin = Coin { output: output.clone(), height: self.tip + 1 };
                self.coins.insert(OutPoint { txid, vout }, coin);
            }
        }
        self.tip += 1;
        let block = block(self.tip, transactions);
        self.blocks.push(Mined { block: block.clone(), before });
        (block, self.tip())
    }

    /// Loses the last block.
    pub(crate) fn disconnect(&mut self) -> (Block, BlockHeight) {
        let Mined { block, before } = self.blocks.pop().unwrap();
        self.coins = before;
        self.tip -= 1;
        (block, BlockHeight::new(self.tip + 1))
    }
}

fn block(height: u32, transactions: &[Transaction]) -> Block {
    let header = Header {
        version: Version::TWO,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: height,
        bits: CompactTarget::from_consensus(0),
        nonce: 0,
    };
    Block { header, txdata: transactions.to_vec() }
}

/// Asks Bitcoin Core's interpreter about every input, under all consensus rules.
fn judge_scripts(transaction: &Transaction, spent: &[TxOut]) -> Result<(), String> {
    let utxos: Vec<_> = spent
        .iter()
        .map(|output| bitcoinconsensus::Utxo {
            script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(output.script_pubkey.len()).unwrap(),
            value: i64::try_from(output.value.to_sat()).unwrap(),
        })
        .collect();
    let bytes = serialize(transaction);
    for (index, output) in spent.iter().enumerate() {
        let script = output.script_pubkey.as_bytes();
        let value = output.value.to_sat();
        bitcoinconsensus::verify(script, value, &bytes, Some(&utxos), index)
            .map_err(|error| format!("input {index}: {error:?}"))?;
    }
    Ok(())
}
