//! The chain's thread, look by look, against a chain in memory that can be long, away, or downloading itself.

use std::sync::{Arc, Mutex, MutexGuard};

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, transaction,
};
use strait_chain::{BlockId, HeaderAt, SubmitOutcome, TransactionOutcome, Unspent};
use strait_primitives::{BlockHeight, FeeRate};
use strait_telemetry::{Component, Health, Metrics, Standing};
use tokio::sync::mpsc;

use super::*;
use crate::inbox::{Place, Queued};
use crate::orders::Orders;

/// What the source is and saw.
struct World {
    best: Vec<Block>,
    is_away: bool,
    download: Download,
    submitted: Vec<Txid>,
    /// What waits for a block.
    waiting: Vec<Transaction>,
}

/// A source with all there is, on a chain where blocks come when somebody asks for them.
const OVER: Download = Download::Over { mined: None };

/// A source that shows the world.
#[derive(Clone)]
struct Shown(Arc<Mutex<World>>);

impl Shown {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn ask(&self) -> Result<MutexGuard<'_, World>, ChainError> {
        let world = self.lock();
        if world.is_away {
            let (endpoint, detail) = ("memory".into(), "away".into());
            return Err(ChainError::Unavailable { endpoint, detail });
        }
        Ok(world)
    }

    fn mine(&self, count: usize) {
        let mut world = self.lock();
        for _ in 0..count {
            let tag = u8::try_from(world.best.len()).unwrap();
            let block = mined(world.best.last().unwrap().block_hash(), tag);
            world.best.push(block);
        }
    }
}

impl ChainSource for Shown {
    fn self_test(&mut self) -> Result<(), ChainError> {
        self.ask().map(|_| ())
    }

    fn tip(&mut self) -> Result<BlockId, ChainError> {
        let world = self.ask()?;
        let height = BlockHeight::new(u32::try_from(world.best.len() - 1).unwrap());
        Ok(BlockId { height, hash: world.best.last().unwrap().block_hash() })
    }

    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError> {
        let header = self.block(hash)?.header;
        Ok(HeaderAt { height: BlockHeight::new(0), header })
    }

    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError> {
        let index = usize::try_from(height.to_u32()).unwrap();
        Ok(self.ask()?.best.get(index).map(Block::block_hash))
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError> {
        let world = self.ask()?;
        let found = world.best.iter().find(|block| block.block_hash() == hash);
        found.cloned().ok_or(ChainError::UnknownBlock { hash })
    }

    fn submit(&mut self, transactions: &[Transaction]) -> Result<SubmitOutcome, ChainError> {
        let mut world = self.ask()?;
        let ids = transactions.iter().map(Transaction::compute_txid);
        world.submitted.extend(ids.clone());
        let transactions = ids.map(|txid| (txid, TransactionOutcome::Accepted)).collect();
        Ok(SubmitOutcome { transactions })
    }

    fn mempool_spends(&mut self, asked: &[OutPoint]) -> Result<Vec<Transaction>, ChainError> {
        let world = self.ask()?;
        let spends = |transaction: &&Transaction| {
            transaction.input.iter().any(|input| asked.contains(&input.previous_output))
        };
        Ok(world.waiting.iter().filter(spends).cloned().collect())
    }

    fn mempool_transactions(&mut self) -> Result<Vec<Transaction>, ChainError> {
        Ok(Vec::new())
    }

    fn unspent(&mut self, _: OutPoint) -> Result<Option<Unspent>, ChainError> {
        Ok(None)
    }

    fn estimate_fee(&mut self, _: BlockDelta) -> Result<FeeAnswer, ChainError> {
        self.ask().map(|_| FeeAnswer::Unknown { least: FeeRate::RELAY_FLOOR })
    }

    fn download(&mut self) -> Result<Download, ChainError> {
        self.ask().map(|world| world.download)
    }
}

fn transaction(tag: u8) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(vec![1, tag]),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(50), script_pubkey: ScriptBuf::new() }],
    }
}

fn mined(parent: BlockHash, tag: u8) -> Block {
    let mut block = Block {
        header: Header {
            version: Version::TWO,
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        },
        txdata: vec![transaction(tag)],
    };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

/// A worker, and everything around it.
struct Stage {
    shown: Shown,
    worker: ChainWorker,
    orders: Orders,
    inputs: mpsc::Receiver<Queued>,
    health: Arc<Health>,
}

impl Stage {
    /// The chain has so many blocks of which the worker knows none but the first.
    fn new(blocks: usize) -> Self {
        let genesis = bitcoin::constants::genesis_block(Network::Regtest);
        let known = BlockId { height: BlockHeight::new(0), hash: genesis.block_hash() };
        let best = vec![genesis];
        let (is_away, download, submitted) = (false, OVER, Vec::new());
        let world = World { best, is_away, download, submitted, waiting: Vec::new() };
        let shown = Shown(Arc::new(Mutex::new(world)));
        shown.mine(blocks);
        let (inbox, inputs) = Inbox::new();
        let (orders, taker) = Orders::new();
        let health = Arc::new(Health::new());
        let observer = Observer {
            metrics: Arc::new(Metrics::new("0", Timestamp::from_unix_ms(0))),
            health: Arc::clone(&health),
            chain_patience: Duration::from_secs(3_600),
            sampler: Arc::new(strait_telemetry::Sampler::new(0)),
        };
        let worker = ChainWorker::new(Options {
            source: Box::new(shown.clone()),
            follower: Follower::new(Network::Regtest, [known]).unwrap(),
            orders: taker,
            inbox,
            poll_interval: Duration::from_secs(1),
            policies: Arc::default(),
            observer,
        });
        Self { shown, worker, orders, inputs, health }
    }

    /// One look at the source, and what is submitted after it. True if the worker would wait now.
    fn look(&mut self) -> bool {
        let pause = self.worker.look().unwrap();
        self.worker.orders.take(Duration::ZERO, &mut self.worker.line).unwrap();
        self.worker.submit_all();
        pause > Duration::ZERO
    }

    /// What the engine was told since last asked: `b` for a block, `f` for fees, `m` for a waiting transaction, `.` for
    /// the end at the network's tip and `,` for one at a tip that may not be it.
    fn told(&mut self) -> String {
        let mut told = String::new();
        while let Ok(queued) = self.inputs.try_recv() {
            told.push(match queued {
                Queued::Input(Input::BlockConnected { .. }, Place::OfBlock { .. }, _) => 'b',
                Queued::Input(Input::NoFeeEstimate { .. }, ..) => 'f',
                Queued::Input(Input::BlocksTold(TipStanding::Current), ..) => '.',
                Queued::Input(Input::BlocksTold(TipStanding::Stale), ..) => ',',
                Queued::Input(Input::MempoolTransaction(_), ..) => 'm',
                Queued::Input(..) | Queued::Connected(..) | Queued::Stop => '?',
            });
        }
        told
    }

    fn standing(&self) -> Standing {
        let overview = self.health.overview(now());
        overview.iter().find(|cause| cause.component == Component::Chain).unwrap().standing
    }
}

#[test]
fn a_long_catching_up_lets_orders_through_and_tells_its_end_once() {
    let mut stage = Stage::new(20);
    assert_eq!(stage.standing(), Standing::Starting);
    assert!(!stage.look());
    assert_eq!(stage.told(), "bbbbbbbb");
    assert_eq!(stage.standing(), Standing::Behind);
    stage.orders.broadcast(vec![transaction(1)]);
    assert!(!stage.look());
    assert_eq!(stage.told(), "bbbbbbbb");
    assert_eq!(stage.shown.lock().submitted.len(), 1, "the order did not wait for the tip");
    assert!(!stage.look());
    assert!(stage.look());
    assert_eq!(stage.told(), "bbbbf.");
    assert_eq!(stage.standing(), Standing::Healthy);
    assert!(stage.look());
    assert_eq!(stage.told(), "");
    stage.shown.mine(1);
    assert!(!stage.look());
    assert_eq!(stage.standing(), Standing::Healthy, "one new block is no lag");
    assert!(stage.look());
    assert_eq!(stage.told(), "b.");
}

#[test]
fn an_outage_loses_no_order_and_the_engine_repeats_itself_after_it() {
    let mut stage = Stage::new(0);
    assert!(stage.look());
    assert_eq!(stage.told(), "f.");
    stage.shown.lock().is_away = true;
    stage.orders.broadcast(vec![transaction(1)]);
    stage.orders.broadcast(vec![transaction(2)]);
    for _ in 0..3 {
        assert!(stage.look());
    }
    stage.orders.broadcast(vec![transaction(2), transaction(3)]);
    assert!(stage.look());
    assert_eq!(stage.told(), "", "an outage is no reason to repeat anything");
    stage.shown.lock().is_away = false;
    assert!(stage.look());
    assert_eq!(stage.told(), ".");
    let expect = [1, 2, 3].map(|tag| transaction(tag).compute_txid());
    assert_eq!(stage.shown.lock().submitted, expect);
}

#[test]
fn blocks_before_an_outage_are_acted_on_during_it() {
    let mut stage = Stage::new(3);
    assert!(!stage.look());
    stage.shown.lock().is_away = true;
    assert!(stage.look());
    assert!(stage.look());
    assert_eq!(stage.told(), "bbb,");
}

/// Whoever counts on the time that is left must know: a preimage shown at an old tip may be shown in vain.
#[test]
fn a_tip_counts_as_the_networks_only_while_a_source_that_knows_says_so() {
    let mut stage = Stage::new(9);
    stage.shown.lock().is_away = true;
    assert!(stage.look());
    assert_eq!(stage.told(), ",", "away from the start");
    stage.shown.lock().is_away = false;
    assert!(!stage.look());
    stage.shown.lock().is_away = true;
    assert!(stage.look());
    assert_eq!(stage.told(), "bbbbbbbb,", "away while catching up");
    stage.shown.lock().is_away = false;
    let mined = |hours: u64| Download::Over {
        mined: Some(Timestamp::from_unix_ms(now().to_unix_ms() - hours * 3_600_000)),
    };
    for lacking in [Download::Running, mined(5), Download::Alone] {
        stage.shown.lock().download = lacking;
        while !stage.look() {}
        assert!(!stage.told().contains('.'), "{lacking:?}");
        stage.shown.lock().download = mined(3);
        assert!(stage.look());
        assert_eq!(stage.told(), ".", "{lacking:?} is over");
        stage.shown.lock().download = lacking;
        assert!(stage.look());
        assert_eq!(stage.told(), ",", "{lacking:?} again");
    }
    stage.shown.lock().download = OVER;
    assert!(stage.look());
    assert_eq!(stage.told(), ".");
    // A short outage takes nothing away. A long one does.
    stage.shown.lock().is_away = true;
    assert!(stage.look());
    assert_eq!(stage.told(), "");
    stage.worker.agreed = clock().checked_sub(TIP_AGE_MAX);
    assert!(stage.look());
    assert!(stage.look());
    assert_eq!(stage.told(), ",");
    stage.shown.lock().is_away = false;
    assert!(stage.look());
    assert_eq!(stage.told(), ".");
}

#[test]
fn a_source_that_downloads_the_chain_itself_is_no_chain_to_be_ready_on() {
    let mut stage = Stage::new(2);
    stage.shown.lock().download = Download::Running;
    assert!(!stage.look());
    assert!(stage.look());
    assert_eq!(stage.standing(), Standing::Behind);
    stage.shown.lock().download = OVER;
    assert!(stage.look());
    assert_eq!(stage.standing(), Standing::Healthy);
    // Cut off it knows of no later block, and a thief's may be among those.
    stage.shown.lock().download = Download::Alone;
    assert!(stage.look());
    assert_eq!(stage.standing(), Standing::Behind);
}

#[test]
fn a_waiting_transaction_that_is_looked_for_is_told_once_while_it_waits() {
    let mut stage = Stage::new(1);
    while !stage.look() {}
    stage.told();
    stage.shown.lock().waiting = vec![transaction(7)];
    assert!(stage.look());
    assert_eq!(stage.told(), "", "nobody looks for it");
    stage.orders.look_for(vec![OutPoint::null()]);
    assert!(stage.look());
    assert!(stage.look());
    assert_eq!(stage.told(), "m");
    // It is gone for a while: whoever sees it again may have another reason to ask.
    stage.shown.lock().waiting.clear();
    assert!(stage.look());
    stage.shown.lock().waiting = vec![transaction(7), transaction(8)];
    assert!(stage.look());
    assert_eq!(stage.told(), "mm");
    stage.orders.look_for(Vec::new());
    assert!(stage.look());
    assert_eq!(stage.told(), "");
}

/// Waits so long as `patience` says, on a thread of its own that must come back by itself.
fn rests(mut stage: Stage, patience: Duration) -> (Option<()>, Stage) {
    let resting = std::thread::spawn(move || (stage.worker.rest(patience), stage));
    resting.join().unwrap()
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn looks_that_fail_become_rarer_and_one_that_works_forgives() {
    let mut stage = Stage::new(0);
    stage.shown.lock().is_away = true;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        pauses.push(stage.worker.look().unwrap());
    }
    for (pause, whole_s) in pauses.iter().zip([1, 2, 4, 8]) {
        let whole = Duration::from_secs(whole_s);
        assert!((whole / 2..=whole).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses[4], Duration::from_secs(32), "after five in a row");
    assert!(pauses[5] <= Duration::from_secs(1), "and again from the start");
    stage.shown.lock().is_away = false;
    assert_eq!(stage.worker.look().unwrap(), Duration::from_secs(1), "the usual interval");
    stage.shown.lock().is_away = true;
    assert!(stage.worker.look().unwrap() <= Duration::from_secs(1));
}

#[test]
fn an_order_ends_a_rest_and_is_submitted_at_once() {
    let stage = Stage::new(0);
    stage.orders.broadcast(vec![transaction(1)]);
    let (rested, stage) = rests(stage, HOUR);
    assert_eq!(rested, Some(()));
    assert_eq!(stage.shown.lock().submitted.len(), 1);
}

#[test]
fn an_order_that_the_source_could_not_take_is_tried_again_long_before_the_next_look() {
    let mut stage = Stage::new(0);
    stage.worker.poll_interval = Duration::from_millis(5);
    stage.shown.lock().is_away = true;
    stage.orders.broadcast(vec![transaction(1)]);
    let shown = stage.shown.clone();
    let back = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        shown.lock().is_away = false;
    });
    let (rested, stage) = rests(stage, HOUR);
    back.join().unwrap();
    assert_eq!(rested, Some(()));
    assert_eq!(stage.shown.lock().submitted.len(), 1);
}

#[test]
fn a_stop_ends_a_rest_however_long_it_was_to_be() {
    let Stage { mut worker, orders, .. } = Stage::new(0);
    let resting = std::thread::spawn(move || worker.rest(HOUR));
    drop(orders);
    assert_eq!(resting.join().unwrap(), None);
}
