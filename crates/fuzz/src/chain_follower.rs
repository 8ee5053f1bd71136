//! Chains that a source makes up: what the follower believes of them, and what it passes on.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxMerkleNode, TxOut, Witness, transaction,
};
use strait_chain::{
    BlockId, ChainError, ChainSource, ChainStep, Download, FeeAnswer, Follower, HeaderAt,
    SubmitOutcome, Unspent,
};
use strait_primitives::{BlockDelta, BlockHeight};
use strait_sim::Choices;

/// What happens in one run, at most.
const TURNS_MAX: usize = 64;
/// Steps that one question may bring.
const STEPS_MAX: usize = 8;
/// Headers are tried so often until one has work: on regtest every second has.
const NONCES_MAX: u32 = 1_000;

/// Lets a follower ask a source that tells true blocks, wrong ones and none, as the bytes say. Whatever it is told, what it
/// passes on is a chain, and a refusal leaves it where it was.
///
/// # Panics
/// If that promise is broken.
pub fn chain_follower(data: &[u8]) {
    let mut source = Liar::new(data);
    let mut chain = vec![source.genesis()];
    let mut follower =
        Follower::new(Network::Regtest, chain.clone()).expect("a known block is a start");
    for _ in 0..TURNS_MAX {
        if source.is_used_up(data) {
            return;
        }
        source.grow();
        let before = follower.tip();
        match follower.poll(&mut source, STEPS_MAX) {
            Ok(steps) => {
                assert!(
                    steps.len() <= STEPS_MAX,
                    "{} steps where {STEPS_MAX} may come",
                    steps.len()
                );
                steps.into_iter().for_each(|step| follow(&mut chain, step));
            }
            Err(_) => assert_eq!(follower.tip(), before, "a refusal moves nothing"),
        }
        assert_eq!(Some(&follower.tip()), chain.last(), "the tip is where the steps lead");
        assert!(follower.known().last() == chain.last().copied(), "the window ends at the tip");
    }
}

/// Takes a step along the chain of those told so far.
fn follow(chain: &mut Vec<BlockId>, step: ChainStep) {
    let tip = *chain.last().expect("the first block is never lost");
    match step {
        ChainStep::Connected { height, block } => {
            assert_eq!(height, tip.height.saturating_add(BlockDelta::new(1)), "one above the tip");
            assert_eq!(block.header.prev_blockhash, tip.hash, "it extends the tip");
            assert!(block.check_merkle_root(), "the header commits to what is in the block");
            let target = block.header.target();
            let hash = block.header.validate_pow(target).expect("it has the work that it claims");
            chain.push(BlockId { height, hash });
        }
        ChainStep::Disconnected { height, hash } => {
            assert_eq!(BlockId { height, hash }, tip, "only the tip is lost");
            chain.pop();
        }
    }
}

/// A source whose answers the bytes decide.
struct Liar {
    choices: Choices,
    /// Draws so far: when the bytes are used up there is nothing more to try.
    drawn: usize,
    blocks: BTreeMap<BlockHash, (BlockHeight, Block)>,
    /// The best chain, as it tells today.
    best: Vec<BlockHash>,
}

impl Liar {
    fn new(data: &[u8]) -> Self {
        let genesis = bitcoin::constants::genesis_block(Network::Regtest);
        let hash = genesis.block_hash();
        Self {
            choices: Choices::from_bytes(data.to_vec()),
            drawn: 0,
            blocks: BTreeMap::from([(hash, (BlockHeight::new(0), genesis))]),
            best: vec![hash],
        }
    }

    fn genesis(&self) -> BlockId {
        BlockId { height: BlockHeight::new(0), hash: *self.best.first().expect("the genesis") }
    }

    const fn is_used_up(&self, data: &[u8]) -> bool {
        self.drawn > data.len()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.drawn += 1;
        self.choices.below(limit)
    }

    /// Loses some blocks of the best chain and adds some, sound or not.
    fn grow(&mut self) {
        let lost = self.below(4);
        for _ in 0..lost {
            if self.best.len() > 1 {
                self.best.pop();
            }
        }
        for _ in 0..self.below(6) {
            let block = self.made_up();
            let hash = block.block_hash();
            let height = u32::try_from(self.best.len()).expect("a short chain");
            self.blocks.insert(hash, (BlockHeight::new(height), block));
            self.best.push(hash);
        }
    }

    /// A block on the tip: a sound one, or one with a fault.
    fn made_up(&mut self) -> Block {
        let parent = *self.best.last().expect("the genesis");
        let bits = if self.below(16) == 15 { 0x1d00_ffff } else { 0x207f_ffff };
        let mut transactions = vec![coinbase(self.best.len(), self.below(256))];
        if self.below(8) == 7 {
            transactions.push(coinbase(self.best.len(), 0));
        }
        let mut block = Block {
            header: Header {
                version: Version::TWO,
                prev_blockhash: parent,
                merkle_root: TxMerkleNode::all_zeros(),
                time: 1_700_000_000,
                bits: CompactTarget::from_consensus(bits),
                nonce: 0,
            },
            txdata: transactions,
        };
        if let Some(root) = block.compute_merkle_root().filter(|_| self.below(16) != 15) {
            block.header.merkle_root = root;
        }
        if self.below(16) != 15 {
            let tried = (0..NONCES_MAX).find(|nonce| {
                block.header.nonce = *nonce;
                block.header.validate_pow(block.header.target()).is_ok()
            });
            let _ = tried;
        }
        match self.below(32) {
            31 => block.header.prev_blockhash = BlockHash::all_zeros(),
            30 => block.txdata.clear(),
            _ => {}
        }
        block
    }

    /// Now and then it fails, or says something else.
    fn fault(&mut self) -> Option<ChainError> {
        (self.below(32) == 31)
            .then(|| ChainError::Nonsense { method: "a fuzzer", detail: String::new() })
    }
}

/// A coinbase, told from others by where it stands and a mark.
fn coinbase(height: usize, mark: u64) -> Transaction {
    let height = u32::try_from(height).expect("a short chain");
    let mark = u32::try_from(mark).expect("a byte");
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::from_consensus(height * 256 + mark),
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(vec![0x51, 0x51]),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::new() }],
    }
}

impl ChainSource for Liar {
    fn self_test(&mut self) -> Result<(), ChainError> {
        Ok(())
    }

    fn tip(&mut self) -> Result<BlockId, ChainError> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let height = u32::try_from(self.best.len() - 1).expect("a short chain");
        let hash = *self.best.last().expect("the genesis");
        Ok(BlockId { height: BlockHeight::new(height), hash })
    }

    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError> {
        let (height, block) = self.blocks.get(&hash).ok_or(ChainError::UnknownBlock { hash })?;
        Ok(HeaderAt { height: *height, header: block.header })
    }

    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let place = usize::try_from(height.to_u32()).expect("a height fits memory");
        Ok(self.best.get(place).copied())
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError> {
        let other = self.below(32) == 31;
        let asked = if other { *self.best.first().expect("the genesis") } else { hash };
        let (_, block) = self.blocks.get(&asked).ok_or(ChainError::UnknownBlock { hash })?;
        Ok(block.clone())
    }

    fn submit(&mut self, _: &[Transaction]) -> Result<SubmitOutcome, ChainError> {
        Ok(SubmitOutcome { transactions: Vec::new() })
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
        Ok(FeeAnswer::Unknown { least: strait_chain::FEE_RATE_FLOOR })
    }

    fn download(&mut self) -> Result<Download, ChainError> {
        Ok(Download::Over { mined: None })
    }
}
