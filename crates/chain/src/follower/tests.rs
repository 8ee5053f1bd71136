//! The follower against a chain in memory that can fork, lie and fail.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{BlockFault, Download, FEE_RATE_FLOOR, FeeAnswer, HeaderAt, SubmitOutcome, Unspent};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::transaction;
use bitcoin::{
    Amount, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Witness,
};

/// A chain in memory: what it says is best, and how it misbehaves.
#[derive(Default)]
struct MemorySource {
    best: Vec<Block>,
    replaced_bodies: BTreeMap<BlockHash, Block>,
    failing: BTreeSet<BlockHash>,
}

fn unavailable() -> ChainError {
    ChainError::Unavailable { endpoint: "memory".into(), detail: "switched off".into() }
}

impl MemorySource {
    fn with_blocks(count: u32) -> Self {
        let mut source = Self::default();
        source.best.push(bitcoin::constants::genesis_block(Network::Regtest));
        source.mine(count, 0);
        source
    }

    fn mine(&mut self, count: u32, branch: u8) {
        for _ in 0..count {
            let parent = self.best.last().unwrap().block_hash();
            self.best.push(mined(parent, u8::try_from(self.best.len() % 250).unwrap(), branch));
        }
    }

    fn id(&self, height: usize) -> BlockId {
        BlockId {
            height: BlockHeight::new(u32::try_from(height).unwrap()),
            hash: self.best[height].block_hash(),
        }
    }

    fn find(&self, hash: BlockHash) -> Result<(usize, &Block), ChainError> {
        let found = self.best.iter().enumerate().find(|(_, block)| block.block_hash() == hash);
        found.ok_or(ChainError::UnknownBlock { hash })
    }
}

impl ChainSource for MemorySource {
    fn self_test(&mut self) -> Result<(), ChainError> {
        Ok(())
    }

    fn tip(&mut self) -> Result<BlockId, ChainError> {
        Ok(self.id(self.best.len() - 1))
    }

    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError> {
        let (height, block) = self.find(hash)?;
        let height = BlockHeight::new(u32::try_from(height).unwrap());
        Ok(HeaderAt { height, header: block.header })
    }

    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError> {
        Ok(self.best.get(height.to_u32() as usize).map(Block::block_hash))
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError> {
        if self.failing.contains(&hash) {
            return Err(unavailable());
        }
        match self.replaced_bodies.get(&hash) {
            Some(block) => Ok(block.clone()),
            None => self.find(hash).map(|(_, block)| block.clone()),
        }
    }

    fn submit(&mut self, transactions: &[Transaction]) -> Result<SubmitOutcome, ChainError> {
        ChainError::check_submission(transactions)?;
        Err(unavailable())
    }

    fn mempool_spends(&mut self, _: &[OutPoint]) -> Result<Vec<Transaction>, ChainError> {
        Ok(Vec::new())
    }

    fn mempool_transactions(&mut self) -> Result<Vec<Transaction>, ChainError> {
        Ok(Vec::new())
    }

    fn unspent(&mut self, _: OutPoint) -> Result<Option<Unspent>, ChainError> {
        Ok(None)
    }

    fn estimate_fee(&mut self, _: BlockDelta) -> Result<FeeAnswer, ChainError> {
        Ok(FeeAnswer::Unknown { least: FEE_RATE_FLOOR })
    }

    fn download(&mut self) -> Result<Download, ChainError> {
        Ok(Download::Over { mined: None })
    }
}

fn coinbase(tag: [u8; 2]) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::builder().push_slice(tag).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(50),
            script_pubkey: ScriptBuf::builder().push_opcode(OP_RETURN).into_script(),
        }],
    }
}

fn mined(parent: BlockHash, tag: u8, branch: u8) -> Block {
    let txdata = vec![coinbase([tag, branch])];
    let mut block = Block {
        header: Header {
            version: Version::TWO,
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        },
        txdata,
    };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

fn follower(source: &MemorySource, from: usize, to: usize) -> Follower {
    Follower::new(Network::Regtest, (from..=to).map(|height| source.id(height))).unwrap()
}

/// `+h` for a connected block, `-h` for a disconnected one.
fn story(steps: &[ChainStep]) -> String {
    let shown = steps.iter().map(|step| match step {
        ChainStep::Connected { height, .. } => format!("+{height}"),
        ChainStep::Disconnected { height, .. } => format!("-{height}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn new_blocks_are_connected_in_order_and_each_once() {
    let mut source = MemorySource::with_blocks(4);
    let mut follower = follower(&source, 0, 0);
    assert_eq!(story(&follower.poll(&mut source, 3).unwrap()), "+1 +2 +3");
    assert_eq!(story(&follower.poll(&mut source, 3).unwrap()), "+4");
    assert_eq!(story(&follower.poll(&mut source, 3).unwrap()), "");
    assert_eq!(follower.tip(), source.id(4));
}

#[test]
fn a_reorganisation_is_undone_before_the_new_branch_is_connected() {
    let mut source = MemorySource::with_blocks(5);
    let mut follower = follower(&source, 0, 5);
    source.best.truncate(4);
    source.mine(3, 1);
    assert_eq!(story(&follower.poll(&mut source, 100).unwrap()), "-5 -4 +4 +5 +6");
    assert_eq!(follower.tip(), source.id(6));
}

#[test]
fn a_reorganisation_can_be_told_in_small_pieces() {
    let mut source = MemorySource::with_blocks(5);
    let mut follower = follower(&source, 0, 5);
    source.best.truncate(3);
    source.mine(4, 1);
    let mut told = Vec::new();
    for _ in 0..7 {
        told.extend(follower.poll(&mut source, 1).unwrap());
    }
    assert_eq!(story(&told), "-5 -4 -3 +3 +4 +5 +6");
}

#[test]
fn a_source_whose_chain_became_shorter_is_followed_back() {
    let mut source = MemorySource::with_blocks(5);
    let mut follower = follower(&source, 0, 5);
    source.best.truncate(4);
    assert_eq!(story(&follower.poll(&mut source, 100).unwrap()), "-5 -4");
}

#[test]
fn a_reorganisation_deeper_than_the_window_is_an_error_and_moves_nothing() {
    let mut source = MemorySource::with_blocks(6);
    let mut follower = follower(&source, 4, 6);
    source.best.truncate(3);
    source.mine(6, 1);
    let expect = Err(ChainError::ReorganisationTooDeep { oldest: BlockHeight::new(4), window: 3 });
    assert_eq!(follower.poll(&mut source, 100), expect);
    assert_eq!(follower.known().count(), 3);
}

#[test]
fn the_window_forgets_the_oldest_block_and_no_more() {
    let count = u32::try_from(FOLLOWER_WINDOW_BLOCKS).unwrap() + 10;
    let mut source = MemorySource::with_blocks(count);
    let mut follower = follower(&source, 0, 0);
    let steps = follower.poll(&mut source, usize::MAX).unwrap();
    assert_eq!(steps.len(), FOLLOWER_WINDOW_BLOCKS + 10);
    assert_eq!(follower.known().count(), FOLLOWER_WINDOW_BLOCKS);
    assert_eq!(follower.known().last(), Some(follower.tip()));
}

#[test]
fn a_source_that_fails_half_way_loses_no_step() {
    let mut source = MemorySource::with_blocks(3);
    let mut follower = follower(&source, 0, 0);
    let third = source.best[3].block_hash();
    source.failing.insert(third);
    assert_eq!(story(&follower.poll(&mut source, 100).unwrap()), "+1 +2");
    assert_eq!(follower.poll(&mut source, 100), Err(unavailable()));
    source.failing.clear();
    assert_eq!(story(&follower.poll(&mut source, 100).unwrap()), "+3");
}

#[test]
fn every_kind_of_bad_block_is_refused_with_its_fault() {
    let check = |spoil: fn(&mut Block), expect: fn(&BlockFault) -> bool| {
        let mut source = MemorySource::with_blocks(2);
        let mut follower = follower(&source, 0, 0);
        let hash = source.best[1].block_hash();
        let mut block = source.best[1].clone();
        spoil(&mut block);
        if block.block_hash() == hash {
            source.replaced_bodies.insert(hash, block);
        } else {
            source.best[1] = block;
        }
        match follower.poll(&mut source, 100) {
            Err(ChainError::InvalidBlock { height, fault, .. }) => {
                assert_eq!(height, BlockHeight::new(1));
                assert!(expect(&fault), "{fault:?}");
            }
            other => panic!("a bad block passed: {other:?}"),
        }
        assert_eq!(follower.tip().height, BlockHeight::new(0));
    };
    check(|block| block.txdata.clear(), |fault| *fault == BlockFault::Coinbase);
    check(
        |block| block.txdata.push(block.txdata[0].clone()),
        |fault| *fault == BlockFault::Coinbase,
    );
    check(
        |block| block.txdata[0].output[0].value = Amount::from_sat(51),
        |fault| *fault == BlockFault::MerkleRoot,
    );
    check(
        |block| block.txdata[0].input[0].witness.push([0; 32]),
        |fault| *fault == BlockFault::WitnessCommitment,
    );
    check(
        |block| {
            while block.header.validate_pow(block.header.target()).is_ok() {
                block.header.nonce += 1;
            }
        },
        |fault| *fault == BlockFault::ProofOfWork,
    );
    check(
        |block| block.header.prev_blockhash = BlockHash::from_byte_array([7; 32]),
        |fault| matches!(fault, BlockFault::Parent { .. }),
    );
    check(
        |block| block.header.bits = CompactTarget::from_consensus(0x2100_ffff),
        |fault| *fault == BlockFault::TargetTooEasy,
    );
}

#[test]
fn on_mainnet_a_block_easier_than_the_one_below_is_refused_also_after_a_restart() {
    let with_bits = |parent, bits| {
        let mut block = mined(parent, 1, 0);
        block.header.bits = CompactTarget::from_consensus(bits);
        block
    };
    let mut source = MemorySource::default();
    source.best.push(with_bits(BlockHash::all_zeros(), 0x1703_a30c));
    source.best.push(with_bits(source.best[0].block_hash(), 0x1d00_ffff));
    let mut follower = Follower::new(Network::Bitcoin, [source.id(0)]).unwrap();
    match follower.poll(&mut source, 100) {
        Err(ChainError::InvalidBlock { fault, .. }) => assert_eq!(fault, BlockFault::TargetJump),
        outcome => panic!("an easy block passed: {outcome:?}"),
    }
}

#[test]
fn a_body_that_belongs_to_another_header_is_refused() {
    let mut source = MemorySource::with_blocks(2);
    let mut follower = follower(&source, 0, 0);
    let other = mined(source.best[0].block_hash(), 9, 9);
    source.replaced_bodies.insert(source.best[1].block_hash(), other.clone());
    match follower.poll(&mut source, 100) {
        Err(ChainError::InvalidBlock { fault: BlockFault::Hash { actual }, .. }) => {
            assert_eq!(actual, other.block_hash());
        }
        outcome => panic!("a foreign body passed: {outcome:?}"),
    }
}

#[test]
fn known_blocks_without_order_or_without_any_are_refused() {
    let source = MemorySource::with_blocks(3);
    let check = |heights: &[usize], expect| {
        let known = heights.iter().map(|height| source.id(*height));
        assert_eq!(Follower::new(Network::Regtest, known).err(), expect);
    };
    check(&[], Some(CheckpointError::Empty));
    check(&[1, 2, 3], None);
    let gap = |previous, actual| {
        let (previous, actual) = (BlockHeight::new(previous), BlockHeight::new(actual));
        Some(CheckpointError::Gap { previous, actual })
    };
    check(&[1, 3], gap(1, 3));
    check(&[2, 1], gap(2, 1));
}

#[test]
fn a_submission_has_one_or_two_transactions() {
    let mut source = MemorySource::default();
    let transactions = vec![coinbase([0, 0]); 3];
    for (count, expect) in [
        (0, ChainError::SubmissionSize { actual: 0, limit: 2 }),
        (1, unavailable()),
        (2, unavailable()),
        (3, ChainError::SubmissionSize { actual: 3, limit: 2 }),
    ] {
        assert_eq!(source.submit(&transactions[..count]), Err(expect));
    }
}
