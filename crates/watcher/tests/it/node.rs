//! One side's watcher with its log, and two of them on one chain.

use bitcoin::{Block, Transaction};
use strait_onchain::ClaimTransaction;
use strait_primitives::{BlockHeight, FeeRate, Party};
use strait_watcher::{
    BlockSpends, DEPTH_DEFAULT, Plan, PollRequest, Standing, WatchEvent, Watcher, WatcherState,
};

use crate::chain::Chain;
use crate::channel::{
    CAPACITY, Channel, FUNDED_AT, Knowledge, View, funding_outpoint, sign, wallet,
};

pub(crate) const RATE: FeeRate = FeeRate::from_sat_per_kvb(2_000);

/// A watcher, what its node knows, and everything it ever wrote.
pub(crate) struct Node {
    pub(crate) knowledge: Knowledge,
    pub(crate) watcher: Watcher,
    pub(crate) log: Vec<WatchEvent>,
}

impl Node {
    pub(crate) fn new(knowledge: Knowledge) -> Self {
        Self { knowledge, watcher: Watcher::new(), log: Vec::new() }
    }

    pub(crate) fn connect(&mut self, channel: &Channel, block: &Block, height: BlockHeight) {
        self.see(channel, &BlockSpends::new(block), height);
    }

    /// As [`Self::connect`], of a block that was read already.
    pub(crate) fn see(&mut self, channel: &Channel, spends: &BlockSpends<'_>, height: BlockHeight) {
        let view = View { channel, knowledge: &self.knowledge };
        let events = self.watcher.handle_block(spends, height, &view);
        self.save(events);
    }

    /// Shows it a transaction that waits for a block.
    pub(crate) fn hear(&mut self, channel: &Channel, transaction: &Transaction) -> Vec<WatchEvent> {
        let view = View { channel, knowledge: &self.knowledge };
        let events = self.watcher.handle_mempool(transaction, &view);
        self.save(events.clone());
        events
    }

    pub(crate) fn disconnect(&mut self, height: BlockHeight) {
        let events = self.watcher.handle_block_disconnected(height);
        self.save(events);
    }

    pub(crate) fn plan(&mut self, channel: &Channel, tip: BlockHeight, fee_rate: FeeRate) -> Plan {
        let view = View { channel, knowledge: &self.knowledge };
        let destination = channel.wallet(self.knowledge.party);
        let request = PollRequest { tip, fee_rate, destination };
        let plan = self.watcher.poll(&request, &view);
        let again = self.watcher.poll(&request, &view);
        assert_eq!((&again.claims, &again.left), (&plan.claims, &plan.left), "the same again");
        assert_eq!(again.events, [], "nothing is news twice");
        self.save(plan.events.clone());
        plan
    }

    pub(crate) fn claims(
        &mut self,
        channel: &Channel,
        tip: BlockHeight,
        fee_rate: FeeRate,
    ) -> Vec<Transaction> {
        let plan = self.plan(channel, tip, fee_rate);
        let party = self.knowledge.party;
        plan.claims.iter().map(|claim| sign(&claim.transaction, party)).collect()
    }

    /// Its claim of one output of this value, alone.
    pub(crate) fn single(&self, channel: &Channel, tip: BlockHeight, sat: u64) -> Transaction {
        let mut fresh = self.watcher.clone();
        let destination = channel.wallet(self.knowledge.party);
        let request = PollRequest { tip, fee_rate: RATE, destination };
        let view = View { channel, knowledge: &self.knowledge };
        let plan = fresh.poll(&request, &view);
        let mut claims = plan.claims.iter().flat_map(|claim| claim.transaction.claims());
        let one = claims.find(|claim| claim.coin().value.to_sat() == sat).unwrap();
        let alone = ClaimTransaction::new(vec![one.clone()], destination, RATE).unwrap();
        sign(&alone, self.knowledge.party)
    }

    pub(crate) fn standing(&self, channel: &Channel) -> Option<Standing> {
        self.watcher.standing(&View { channel, knowledge: &self.knowledge })
    }

    pub(crate) fn is_resolved(&self, channel: &Channel, tip: BlockHeight) -> bool {
        let view = View { channel, knowledge: &self.knowledge };
        self.watcher.is_resolved(tip, DEPTH_DEFAULT, &view)
    }

    /// Logs events, notes what they reveal, and checks the law of the fold.
    pub(crate) fn save(&mut self, events: Vec<WatchEvent>) {
        for event in events {
            let bytes = minicbor::to_vec(&event).unwrap();
            assert_eq!(minicbor::decode::<WatchEvent>(&bytes).unwrap(), event);
            self.knowledge.preimages.extend(event.preimage().map(|(hash, _)| hash));
            self.log.push(event);
        }
        let mut folded = WatcherState::default();
        self.log.iter().for_each(|event| folded.apply(event));
        assert_eq!(folded, *self.watcher.state(), "the fold of the log is the state");
        let bytes = minicbor::to_vec(&folded).unwrap();
        assert_eq!(minicbor::decode::<WatcherState>(&bytes).unwrap(), folded);
    }
}

/// Two nodes and a chain with one funding output.
pub(crate) struct World {
    pub(crate) channel: Channel,
    pub(crate) chain: Chain,
    pub(crate) nodes: [Node; 2],
}

impl World {
    pub(crate) fn new(channel: Channel, nodes: [Node; 2]) -> Self {
        let chain = Chain::new(FUNDED_AT, funding_outpoint(), channel.funding_output());
        Self { channel, chain, nodes }
    }

    pub(crate) fn node(&mut self, party: Party) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.knowledge.party == party).unwrap()
    }

    /// Mines a block of exactly these.
    pub(crate) fn mine(&mut self, transactions: &[Transaction]) {
        let (block, height) = self.chain.mine(transactions);
        for node in &mut self.nodes {
            node.connect(&self.channel, &block, height);
        }
    }

    /// Loses this many blocks and gives what was in them, the earliest first.
    pub(crate) fn disconnect(&mut self, count: usize) -> Vec<Transaction> {
        let mut lost = Vec::new();
        for _ in 0..count {
            let (block, height) = self.chain.disconnect();
            self.nodes.iter_mut().for_each(|node| node.disconnect(height));
            lost.splice(0..0, block.txdata);
        }
        lost
    }

    /// What both nodes would have mined next; where they contend, the one that `first` plans.
    pub(crate) fn mempool(&mut self, first: Party) -> Vec<Transaction> {
        let tip = self.chain.tip();
        let mut pool: Vec<Transaction> = Vec::new();
        for party in [first, !first] {
            let index = self.nodes.iter().position(|n| n.knowledge.party == party).unwrap();
            for claim in self.nodes[index].claims(&self.channel, tip, RATE) {
                self.chain.judge(&claim).unwrap();
                let is_free = pool.iter().flat_map(|taken| &taken.input).all(|taken| {
                    claim.input.iter().all(|input| input.previous_output != taken.previous_output)
                });
                if is_free {
                    pool.push(claim);
                }
            }
        }
        pool
    }

    /// Mines until both nodes have nothing more to do.
    pub(crate) fn settle(&mut self, first: Party) {
        for _ in 0..300 {
            let tip = self.chain.tip();
            if self.nodes.iter().all(|node| node.is_resolved(&self.channel, tip)) {
                return self.check_conserved();
            }
            let pool = self.mempool(first);
            self.mine(&pool);
        }
        panic!("not resolved at {}", self.chain.tip());
    }

    /// What a side has, with what it paid to miners for its claims.
    pub(crate) fn balance(&self, party: Party) -> u64 {
        self.chain.value_at(&wallet(party).to_script_buf())
    }

    fn check_conserved(&self) {
        assert!(self.chain.value() <= CAPACITY.to_sat(), "no satoshi is made");
        let spends = self.nodes.iter().map(|node| node.watcher.state().spend().unwrap());
        let ends = spends.clone().flat_map(|spend| &spend.outputs).filter_map(|o| o.spend);
        for height in ends.map(|end| end.height).chain(spends.map(|spend| spend.height)) {
            assert!(height.depth_at(self.chain.tip()) >= DEPTH_DEFAULT, "{height} is not deep");
        }
    }
}
