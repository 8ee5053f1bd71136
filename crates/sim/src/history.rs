//! The reference model: what the rounds that nodes made durable add up to, computed by much simpler code.
//!
//! Fed with rounds as the disks of those who play fair come to hold them. It knows payments, locks and the purse contract, nothing of
//! signatures, turns or messages, and it never forgets: what stands here once must stand here for ever.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash, sha256};
use strait_channel::{Ledger, Live};
use strait_contract::scripted::PurseAction;
use strait_primitives::{
    ChannelId, CommitmentNumber, ContractId, LockId, MilliSats, NodeId, Party, PaymentHash,
};
use strait_wire::{Operation, Operations};

use crate::oracle::Violation;
use crate::place::Place;
use crate::topology::Topology;

/// A round that a node made durable.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) proposer: Party,
    pub(crate) operations: Operations,
}

/// Money of the two parties, opener first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares {
    opener_msat: u64,
    acceptor_msat: u64,
}

impl Shares {
    const fn of(&mut self, party: Party) -> &mut u64 {
        match party {
            Party::Opener => &mut self.opener_msat,
            Party::Acceptor => &mut self.acceptor_msat,
        }
    }
}

/// A lock that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    amount_msat: u64,
    hash: PaymentHash,
}

/// One channel's rounds and what they add up to.
#[derive(Debug)]
pub(crate) struct ChannelHistory {
    /// Which node opened it.
    opener: Place,
    /// With whom.
    acceptor: Place,
    capacity_msat: u64,
    pub(crate) rounds: BTreeMap<CommitmentNumber, Round>,
    balances: BTreeMap<CommitmentNumber, Shares>,
    /// The purses as they stand at the last number.
    purses: BTreeMap<ContractId, Shares>,
    /// What contracts will take, as agreed.
    collateral: BTreeMap<ContractId, Shares>,
    /// Locks that stand, by who offered them.
    locks: BTreeMap<(Party, LockId), Standing>,
    /// The last number that each node holds, as far as it can be believed.
    held: BTreeMap<Place, CommitmentNumber>,
}

/// All channels that ever were, and all payments.
#[derive(Debug)]
pub(crate) struct History {
    topology: Topology,
    /// Which node a name is.
    names: BTreeMap<NodeId, Place>,
    pub(crate) channels: BTreeMap<ChannelId, ChannelHistory>,
    /// Where each payment stands, by its reference.
    payments: BTreeMap<Vec<u8>, (ChannelId, CommitmentNumber)>,
    /// References of payments that nobody has looked at yet.
    fresh: Vec<Vec<u8>>,
}

impl History {
    /// Nothing has happened between the nodes of these names.
    pub(crate) const fn new(topology: Topology, names: BTreeMap<NodeId, Place>) -> Self {
        Self {
            topology,
            names,
            channels: BTreeMap::new(),
            payments: BTreeMap::new(),
            fresh: Vec::new(),
        }
    }

    /// Which node a name is.
    pub(crate) fn place_of(&self, node: &NodeId) -> Place {
        *self.names.get(node).expect("a node of this world")
    }

    /// True for a channel of two who play fair.
    pub(crate) fn is_fair(&self, channel: &ChannelId) -> bool {
        self.channels.get(channel).is_some_and(|channel| {
            [channel.opener, channel.acceptor].iter().all(|end| !self.topology.is_hostile(*end))
        })
    }

    /// Channels that a node had or has.
    pub(crate) fn channels_of(&self, place: Place) -> impl Iterator<Item = ChannelId> + '_ {
        let own =
            move |channel: &ChannelHistory| channel.opener == place || channel.acceptor == place;
        self.channels.iter().filter(move |(_, channel)| own(channel)).map(|(id, _)| *id)
    }

    /// A channel lives.
    pub(crate) fn begin(&mut self, place: Place, peer: &NodeId, channel: ChannelId, live: &Live) {
        let peer = self.place_of(peer);
        let (opener, acceptor) =
            if live.setup.party == Party::Opener { (place, peer) } else { (peer, place) };
        let shares = shares_of(&live.rounds.ledger);
        let first = CommitmentNumber::FIRST;
        self.channels.entry(channel).or_insert_with(|| ChannelHistory {
            opener,
            acceptor,
            capacity_msat: live.setup.funding.value.to_millisats().to_msat(),
            rounds: BTreeMap::new(),
            balances: BTreeMap::from([(first, shares)]),
            purses: BTreeMap::new(),
            collateral: BTreeMap::new(),
            locks: BTreeMap::new(),
            held: BTreeMap::from([(opener, first), (acceptor, first)]),
        });
    }

    /// Both sides agree on what a contract takes.
    pub(crate) fn agree(
        &mut self,
        channel: ChannelId,
        contract: ContractId,
        collateral: &strait_contract::Collateral,
    ) {
        if let Some(history) = self.channels.get_mut(&channel) {
            let shares = Shares {
                opener_msat: collateral.first().to_msat(),
                acceptor_msat: collateral.second().to_msat(),
            };
            history.collateral.insert(contract, shares);
        }
    }

    /// A node's disk holds a round.
    pub(crate) fn note(
        &mut self,
        place: Place,
        channel: ChannelId,
        number: CommitmentNumber,
        round: &Round,
    ) -> Result<(), Violation> {
        let history = self.channels.get_mut(&channel).expect("a channel opens before its rounds");
        let held = history.held.get_mut(&place).expect("one of the channel's two nodes");
        let expected = held.next().expect("runs are short");
        if number != expected {
            return Err(Violation::Gap { node: place.to_string(), channel, number, expected });
        }
        *held = number;
        if let Some(known) = history.rounds.get(&number) {
            return if known.operations == round.operations && known.proposer == round.proposer {
                Ok(())
            } else {
                Err(Violation::Diverged { node: place.to_string(), channel, number })
            };
        }
        history.add(number, round);
        if self.topology.is_hostile(history.place_of(round.proposer)) {
            // What it calls its payments is its own affair.
            return Ok(());
        }
        self.note_payments(channel, number, &round.operations)
    }

    fn note_payments(
        &mut self,
        channel: ChannelId,
        number: CommitmentNumber,
        operations: &Operations,
    ) -> Result<(), Violation> {
        for operation in operations.as_slice() {
            let Operation::Pay { reference, .. } = operation else { continue };
            let reference = reference.as_bytes().to_vec();
            self.fresh.push(reference.clone());
            if let Some((_, first)) = self.payments.insert(reference.clone(), (channel, number)) {
                let reference = reference.iter().map(|byte| format!("{byte:02x}")).collect();
                return Err(Violation::Twice { reference, channel, first, second: number });
            }
        }
        Ok(())
    }

    /// References of payments that have been made since this was last asked.
    pub(crate) fn take_fresh(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.fresh)
    }

    /// Payments made, in all.
    pub(crate) fn payments(&self) -> usize {
        self.payments.len()
    }

    /// Rounds made, in all.
    pub(crate) fn rounds(&self) -> usize {
        self.channels.values().map(|channel| channel.rounds.len()).sum()
    }

    /// Judges a node's durable ledger by what its rounds add up to.
    pub(crate) fn judge(
        &self,
        place: Place,
        channel: ChannelId,
        live: &Live,
    ) -> Result<(), Violation> {
        let number = live.rounds.number;
        let history = self.channels.get(&channel).expect("a live channel was begun");
        let expected = history.balances.get(&number).expect("a held number was noted");
        let actual = shares_of(&live.rounds.ledger);
        let check = |whose, actual: u64, expected: u64| {
            if actual == expected {
                return Ok(());
            }
            let [actual, expected] = [actual, expected]
                .map(|msat| MilliSats::new(msat).expect("parts of a capacity are amounts"));
            let node = place.to_string();
            Err(Violation::Ledger { node, channel, number, whose, actual, expected })
        };
        check("the opener's", actual.opener_msat, expected.opener_msat)?;
        check("the acceptor's", actual.acceptor_msat, expected.acceptor_msat)?;
        let pledged: u64 =
            live.rounds.ledger.contracts().map(|(_, c)| c.collateral().to_msat()).sum();
        let locked: u64 =
            live.rounds.ledger.locks().map(|(_, _, lock)| lock.amount.to_msat()).sum();
        let all = actual.opener_msat + actual.acceptor_msat + pledged + locked;
        check("both", all, history.capacity_msat)?;
        if history.rounds.keys().next_back().is_none_or(|last| *last == number) {
            let standing = history.locks.values().map(|lock| lock.amount_msat);
            check("the locks'", locked, standing.sum())?;
        }
        if history.rounds.keys().next_back().is_none_or(|last| *last == number) {
            for (id, purse) in &history.purses {
                let live = live.rounds.ledger.contract(id);
                let of = |party| live.map_or(0, |contract| contract.outcome_of(party).to_msat());
                check("a purse's opener", of(Party::Opener), purse.opener_msat)?;
                check("a purse's acceptor", of(Party::Acceptor), purse.acceptor_msat)?;
            }
        }
        Ok(())
    }
}

impl ChannelHistory {
    /// Which node a party is.
    pub(crate) const fn place_of(&self, party: Party) -> Place {
        match party {
            Party::Opener => self.opener,
            Party::Acceptor => self.acceptor,
        }
    }

    /// The other node.
    pub(crate) fn peer_of(&self, place: Place) -> Place {
        if place == self.opener { self.acceptor } else { self.opener }
    }

    /// The last number that a node holds.
    pub(crate) fn held(&self, place: Place) -> CommitmentNumber {
        self.held.get(&place).copied().unwrap_or(CommitmentNumber::FIRST)
    }

    fn add(&mut self, number: CommitmentNumber, round: &Round) {
        let (_, last) = self.balances.last_key_value().expect("number 0 is there");
        let mut shares = *last;
        for operation in round.operations.as_slice() {
            self.apply(&mut shares, round.proposer, operation);
        }
        self.balances.insert(number, shares);
        self.rounds.insert(number, round.clone());
    }

    fn apply(&mut self, shares: &mut Shares, proposer: Party, operation: &Operation) {
        match operation {
            Operation::Pay { amount, .. } => {
                *shares.of(proposer) -= amount.to_msat();
                *shares.of(!proposer) += amount.to_msat();
            }
            Operation::OpenContract { contract } => {
                let taken = *self.collateral.get(contract).expect("agreed before it is opened");
                shares.opener_msat -= taken.opener_msat;
                shares.acceptor_msat -= taken.acceptor_msat;
                self.purses.insert(*contract, taken);
            }
            Operation::Act { contract, action } => {
                let action = minicbor::decode(action.as_bytes()).expect("users act by the purse");
                let purse = self.purses.get_mut(contract).expect("opened before it is acted in");
                if let PurseAction::Give { amount } = action {
                    *purse.of(proposer) -= amount.to_msat();
                    *purse.of(!proposer) += amount.to_msat();
                }
            }
            Operation::SettleContract { contract } => {
                let purse = self.purses.remove(contract).expect("opened before it is settled");
                shares.opener_msat += purse.opener_msat;
                shares.acceptor_msat += purse.acceptor_msat;
            }
            Operation::AddLock { lock, amount, payment_hash, .. } => {
                *shares.of(proposer) -= amount.to_msat();
                let standing = Standing { amount_msat: amount.to_msat(), hash: *payment_hash };
                let before = self.locks.insert((proposer, *lock), standing);
                assert_eq!(before, None, "a number names one lock for ever");
            }
            Operation::ClaimLock { lock, preimage } => {
                let taken = self.locks.remove(&(!proposer, *lock)).expect("a lock ends once");
                let hash = sha256::Hash::hash(preimage.as_bytes()).to_byte_array();
                assert_eq!(hash, *taken.hash.as_bytes(), "a lock is claimed with its preimage");
                *shares.of(proposer) += taken.amount_msat;
            }
            Operation::CancelLock { lock, .. } => {
                let back = self.locks.remove(&(!proposer, *lock)).expect("a lock ends once");
                *shares.of(!proposer) += back.amount_msat;
            }
            Operation::RaiseHeight { .. } => {}
        }
    }
}

fn shares_of(ledger: &Ledger) -> Shares {
    Shares {
        opener_msat: ledger.balance(Party::Opener).to_msat(),
        acceptor_msat: ledger.balance(Party::Acceptor).to_msat(),
    }
}
