//! Builds and mines the next block: real regtest blocks, with BIP-0034 height and witness commitment.
//!
//! Pure but for the work itself, which on regtest is two hashes on average.

use std::collections::BTreeSet;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    WitnessMerkleNode, transaction,
};

use crate::chain::{Chain, easiest_target};
use crate::limits::{
    BLOCK_FEE_RATE_MIN, BLOCK_SIGOPS_COST_MAX, BLOCK_SIGOPS_COST_RESERVED, BLOCK_WEIGHT_MAX,
    BLOCK_WEIGHT_RESERVED, SUBSIDY_HALVING_BLOCKS, SUBSIDY_START_SAT,
};
use crate::mempool::{Chunk, Mempool, chunks};

/// The four bytes that mark a witness commitment (BIP-0141).
const WITNESS_COMMITMENT_MARK: [u8; 4] = [0xaa, 0x21, 0xa9, 0xed];
/// The witness reserved value (BIP-0141).
const WITNESS_RESERVED: [u8; 32] = [0; 32];
/// The block version that signals nothing (BIP-0009).
const BLOCK_VERSION: i32 = 0x2000_0000;

/// Transactions chosen for a block, and what they pay.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Parents before children.
    pub(crate) transactions: Vec<Transaction>,
    /// Their fees together.
    pub(crate) fees: Amount,
}

/// What a block pays its miner beside fees.
pub(crate) fn subsidy(height: u32) -> Amount {
    let halvings = height / SUBSIDY_HALVING_BLOCKS;
    Amount::from_sat(SUBSIDY_START_SAT.checked_shr(halvings).unwrap_or(0))
}

/// Chooses what pays best from the mempool.
pub(crate) fn select(mempool: &Mempool) -> Selection {
    select_where(mempool, |_| Taste::Takes)
}

/// What a miner thinks of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taste {
    /// It takes it.
    Takes,
    /// It leaves it out, and whatever depends on it.
    Leaves,
}

/// Chooses what pays best from the mempool among the chunks that a miner likes.
pub(crate) fn select_where(mempool: &Mempool, taste: impl Fn(&Chunk) -> Taste) -> Selection {
    let mut selection = Selection::default();
    let mut left_out = BTreeSet::new();
    let mut weight_left = BLOCK_WEIGHT_MAX.saturating_sub(BLOCK_WEIGHT_RESERVED);
    let mut sigops_left = BLOCK_SIGOPS_COST_MAX.saturating_sub(BLOCK_SIGOPS_COST_RESERVED);
    for chunk in best_first(mempool) {
        let entries: Vec<_> = chunk.txids.iter().filter_map(|txid| mempool.entry(txid)).collect();
        let parents = entries.iter().flat_map(|entry| mempool.parents_of(&entry.transaction));
        let lacks_parent = parents.into_iter().any(|parent| left_out.contains(&parent));
        if lacks_parent || taste(&chunk) == Taste::Leaves {
            left_out.extend(chunk.txids);
            continue;
        }
        let weight = entries.iter().map(|entry| entry.transaction.weight().to_wu()).sum();
        let sigops = entries.iter().map(|entry| entry.sigops_cost).sum();
        let least = BLOCK_FEE_RATE_MIN.fee(strait_primitives::VBytes(chunk.size_vbytes)).to_sat();
        // A chunk that is left out may have children in later chunks; they pay worse, so stopping loses little.
        let (Some(weight_after), Some(sigops_after)) =
            (weight_left.checked_sub(weight), sigops_left.checked_sub(sigops))
        else {
            break;
        };
        if chunk.fee_sat < least {
            break;
        }
        (weight_left, sigops_left) = (weight_after, sigops_after);
        for entry in entries {
            selection.transactions.push(entry.transaction.clone());
            selection.fees = selection.fees.checked_add(entry.fee).unwrap_or(Amount::MAX_MONEY);
        }
    }
    selection
}

/// All chunks of the mempool, best paying first; within a cluster their order holds.
fn best_first(mempool: &Mempool) -> Vec<Chunk> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for entry in mempool.entries() {
        if seen.contains(&entry.txid) {
            continue;
        }
        let cluster = mempool.cluster_of([entry.txid]);
        all.extend(chunks(cluster.iter().filter_map(|txid| mempool.entry(txid))));
        seen.extend(cluster);
    }
    // The sort is stable and chunks of one cluster never pay better than those before them.
    all.sort_by(|a, b| b.cmp_rate(a));
    all
}

/// Builds the block that extends the tip and finds its nonce.
///
/// `extra_nonce` makes coinbases differ that would else be the same transaction.
pub(crate) fn mine(
    chain: &Chain,
    payout: ScriptBuf,
    selection: Selection,
    extra_nonce: u64,
    now_s: u32,
) -> Block {
    let height = chain.height().saturating_add(1);
    let reward = subsidy(height).checked_add(selection.fees).unwrap_or(Amount::MAX_MONEY);
    let mut block = Block {
        header: Header {
            version: Version::from_consensus(BLOCK_VERSION),
            prev_blockhash: chain.tip_hash(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: now_s.max(chain.median_time(chain.height()).saturating_add(1)),
            bits: easiest_target().to_compact_lossy(),
            nonce: 0,
        },
        txdata: vec![coinbase(height, payout, reward, extra_nonce)],
    };
    block.txdata.extend(selection.transactions);
    commit_to_witnesses(&mut block);
    block.header.merkle_root = block.compute_merkle_root().expect("a block has a coinbase");
    while block.header.validate_pow(easiest_target()).is_err() {
        block.header.nonce = block.header.nonce.checked_add(1).expect("half of all nonces work");
    }
    assert!(block.check_witness_commitment(), "a mined block commits to its witnesses");
    block
}

/// The transaction that pays the miner.
fn coinbase(height: u32, payout: ScriptBuf, reward: Amount, extra_nonce: u64) -> Transaction {
    let script_sig = Builder::new()
        .push_int(i64::from(height))
        .push_slice(PushBytesBuf::from(extra_nonce.to_be_bytes()))
        .into_script();
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[WITNESS_RESERVED]),
        }],
        output: vec![TxOut { value: reward, script_pubkey: payout }],
    }
}

/// Adds the output of the coinbase that commits to every witness (BIP-0141).
fn commit_to_witnesses(block: &mut Block) {
    let root = block.witness_root().unwrap_or_else(WitnessMerkleNode::all_zeros);
    let commitment = Block::compute_witness_commitment(&root, &WITNESS_RESERVED);
    let mut data = PushBytesBuf::from(WITNESS_COMMITMENT_MARK);
    data.extend_from_slice(commitment.as_byte_array()).expect("36 bytes fit in a push");
    let script_pubkey = Builder::new().push_opcode(OP_RETURN).push_slice(data).into_script();
    let coinbase = block.txdata.first_mut().expect("a block has a coinbase");
    coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey });
}
