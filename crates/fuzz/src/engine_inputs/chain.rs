//! A chain without work or scripts: whatever spends unspent outputs is mined.

use std::collections::BTreeSet;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxMerkleNode, TxOut, Txid, Witness, transaction,
};
use strait_primitives::BlockHeight;
use strait_sim::Choices;

/// Transactions that may wait; older ones are forgotten.
const WAITING_MAX: usize = 256;

/// What becomes of a lost block's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// They wait again.
    Wait,
    /// Nobody remembers them.
    Vanish,
}

/// The blocks above the genesis, and what waits.
pub(super) struct Chain {
    blocks: Vec<Block>,
    waiting: Vec<Transaction>,
    /// Blocks ever mined: no two are the same.
    mined: u32,
}

impl Chain {
    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new(), waiting: Vec::new(), mined: 0 }
    }

    pub(super) fn height(&self) -> BlockHeight {
        BlockHeight::new(u32::try_from(self.blocks.len()).expect("a short chain"))
    }

    /// Somebody pays this script.
    pub(super) fn pay(&mut self, script_pubkey: ScriptBuf, sat: u64) {
        let count = u32::try_from(self.waiting.len()).expect("a few wait");
        let source = OutPoint::new(Txid::from_byte_array([0xee; 32]), count);
        let output = TxOut { value: Amount::from_sat(sat), script_pubkey };
        self.waiting.push(Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: source,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![output],
        });
    }

    /// A node hands transactions in.
    pub(super) fn submit(&mut self, transactions: Vec<Transaction>) {
        for transaction in transactions {
            if !self.waiting.contains(&transaction) {
                self.waiting.push(transaction);
            }
        }
        let excess = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..excess);
    }

    /// This goes before all that waits.
    pub(super) fn replace(&mut self, transaction: Transaction) {
        self.waiting.insert(0, transaction);
    }

    /// One of the transactions that wait or were mined of late.
    pub(super) fn any_transaction(&self, choices: &mut Choices) -> Option<Transaction> {
        let mined = self.blocks.iter().rev().take(6).flat_map(|block| &block.txdata);
        let all: Vec<&Transaction> = self.waiting.iter().chain(mined).collect();
        (!all.is_empty()).then(|| (*choices.pick(&all)).clone())
    }

    /// Mines what waits and spends nothing twice.
    pub(super) fn mine(&mut self) -> Block {
        let mut spent: BTreeSet<OutPoint> = self
            .blocks
            .iter()
            .flat_map(|block| &block.txdata)
            .flat_map(|transaction| &transaction.input)
            .map(|input| input.previous_output)
            .collect();
        let mut txdata = Vec::new();
        for transaction in core::mem::take(&mut self.waiting) {
            let inputs = || transaction.input.iter().map(|input| input.previous_output);
            if inputs().all(|outpoint| !spent.contains(&outpoint)) {
                spent.extend(inputs());
                txdata.push(transaction);
            }
        }
        self.mined += 1;
        let genesis = bitcoin::constants::genesis_block(Network::Regtest).block_hash();
        let header = Header {
            version: Version::TWO,
            prev_blockhash: self.blocks.last().map_or(genesis, Block::block_hash),
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: self.mined,
        };
        let mut block = Block { header, txdata };
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
        }
        self.blocks.push(block.clone());
        block
    }

    /// Loses the last block, unless it is the only one.
    pub(super) fn lose(&mut self, transactions: Lost) -> Option<BlockHash> {
        if self.blocks.len() < 2 {
            return None;
        }
        let block = self.blocks.pop()?;
        let hash = block.block_hash();
        match transactions {
            Lost::Wait => self.submit(block.txdata),
            Lost::Vanish => {}
        }
        Some(hash)
    }
}
