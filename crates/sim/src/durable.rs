//! What a node's disk holds, folded again beside the node: the witness against it.
//!
//! Read straight from the medium after every write, so that it knows what survives a power cut whatever the node
//! believes. It tells which messages the durable events explain, and feeds the rounds to the [`History`].

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::OutPoint;
use strait_channel::{ChannelEvent, ForceReason, Funded, Ledger, Outstanding, Signed};
use strait_engine::{EngineConfig, Event, LockKey, NodeState};
use strait_log::{MemoryDisk, Record};
use strait_primitives::{
    ChannelId, CommitmentNumber, ContractId, Digest, EventSeq, MilliSats, NodeId, Party,
    RequestKey, Sats, SchnorrSignature, Side,
};
use strait_store::decode;
use strait_wire::{Message, Operation, Operations};

use crate::bargain::Bargain;
use crate::history::{History, Round};
use crate::oracle::Violation;
use crate::place::Place;

type Numbered = (ChannelId, CommitmentNumber);

/// Whether a node's word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It plays fair: it is judged, and what its disk holds is history.
    Fair,
    /// It plays foul: its disk is folded and nothing else.
    Foul,
}

/// What must come of a channel for its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stake {
    /// Where its money is or was.
    pub(crate) funding: OutPoint,
    /// All of it.
    pub(crate) capacity: Sats,
    /// Which party the node is.
    pub(crate) party: Party,
    /// What is the node's in each commitment that somebody could bring on chain.
    pub(crate) shares: Vec<Share>,
    /// Whether it goes on.
    pub(crate) life: StakeLife,
}

/// What is a node's in one commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    /// Its balance, contracts included.
    pub(crate) balance: MilliSats,
    /// Locks, and how much is in each.
    pub(crate) locks: Vec<(LockKey, MilliSats)>,
}

impl Share {
    /// All that is in locks.
    pub(crate) fn locked_sat(&self) -> u64 {
        self.locks.iter().map(|(_, amount)| amount.floor_sats().to_sat()).sum()
    }
}

/// Whether a channel goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StakeLife {
    /// It does.
    Lives,
    /// It is over.
    Over,
}

/// What a proposal carries for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlay {
    /// Which.
    pub(crate) key: RequestKey,
    /// What it pays, and puts into locks; none once that has come to nothing.
    pub(crate) amounts: Option<Vec<MilliSats>>,
}

/// A fold of what is on disk, and what it explains.
#[derive(Debug)]
pub(crate) struct Durable {
    place: Place,
    stance: Stance,
    /// Peers that play foul.
    hostile: BTreeSet<NodeId>,
    /// What must come of each channel that ever lived.
    pub(crate) stakes: BTreeMap<ChannelId, Stake>,
    /// What was agreed, and what the operator set.
    pub(crate) bargain: Bargain,
    /// Where in the log writes ended: what a copy of the disk can have held.
    pub(crate) ends: Vec<EventSeq>,
    /// Channels that events spoke of since somebody asked.
    touched: BTreeSet<ChannelId>,
    /// What proposals carry for requests, since somebody asked.
    outlays: Vec<Outlay>,
    /// The fold.
    pub(crate) state: NodeState,
    /// The last event on disk.
    pub(crate) head: EventSeq,
    proposed: BTreeMap<Numbered, (SchnorrSignature, Operations)>,
    accepted: BTreeMap<Numbered, SchnorrSignature>,
    revoked: BTreeSet<Numbered>,
    /// What was signed for each number, whoever proposed it.
    signed: BTreeMap<Numbered, Digest>,
    offered: BTreeSet<ChannelId>,
    answered: BTreeSet<ChannelId>,
    opening_signed: BTreeSet<ChannelId>,
    opened: BTreeSet<ChannelId>,
    shut_down: BTreeSet<ChannelId>,
    close_agreed: BTreeSet<ChannelId>,
    contracts_offered: BTreeSet<ContractId>,
    contracts_agreed: BTreeSet<ContractId>,
}

impl Durable {
    /// An empty disk of a node, some of whose peers play foul.
    pub(crate) fn new(place: Place, stance: Stance, hostile: BTreeSet<NodeId>) -> Self {
        Self {
            place,
            stance,
            hostile,
            stakes: BTreeMap::new(),
            bargain: Bargain::default(),
            ends: Vec::new(),
            touched: BTreeSet::new(),
            outlays: Vec::new(),
            state: NodeState::default(),
            head: EventSeq::ZERO,
            proposed: BTreeMap::new(),
            accepted: BTreeMap::new(),
            revoked: BTreeSet::new(),
            signed: BTreeMap::new(),
            offered: BTreeSet::new(),
            answered: BTreeSet::new(),
            opening_signed: BTreeSet::new(),
            opened: BTreeSet::new(),
            shut_down: BTreeSet::new(),
            close_agreed: BTreeSet::new(),
            contracts_offered: BTreeSet::new(),
            contracts_agreed: BTreeSet::new(),
        }
    }

    /// The same node with an empty disk.
    pub(crate) fn begun_again(&self) -> Self {
        Self::new(self.place, self.stance, self.hostile.clone())
    }

    /// Reads what the disk has come to hold, which must be what was written, or its beginning.
    pub(crate) fn advance(
        &mut self,
        disk: &MemoryDisk,
        config: &EngineConfig,
        written: &[Record],
        history: &mut History,
    ) -> Result<(), Violation> {
        let found = disk.durable_after(self.head);
        if !written.starts_with(&found) {
            let (node, after) = (self.place.to_string(), self.head);
            return Err(Violation::Disk { node, after });
        }
        for record in found {
            let event = decode(&record).map_err(|error| Violation::Start {
                node: self.place.to_string(),
                why: error.to_string(),
            })?;
            self.state.apply(&event);
            self.head = record.seq;
            let kept = match self.stance {
                Stance::Fair => self.bargain.judge(&self.state, &event, config),
                Stance::Foul => self.bargain.judge_restored(&self.state, &event),
            };
            kept.map_err(|what| Violation::Bargain { node: self.place.to_string(), what })?;
            if self.stance == Stance::Fair {
                self.note_outlays(&event);
            }
            if let (Event::Channel { channel, event }, Stance::Fair) = (&event, self.stance) {
                self.note(*channel, event, history)?;
                self.note_stake(*channel);
                self.touched.insert(*channel);
            }
        }
        if self.stance == Stance::Foul && self.ends.last() != Some(&self.head) {
            self.ends.push(self.head);
        }
        Ok(())
    }

    /// True if the node's word counts.
    pub(crate) fn is_fair(&self) -> bool {
        self.stance == Stance::Fair
    }

    /// Channels that events spoke of since this was last asked.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<ChannelId> {
        core::mem::take(&mut self.touched)
    }

    /// What proposals carry for requests, and what of it came to nothing, since this was last asked.
    pub(crate) fn take_outlays(&mut self) -> Vec<Outlay> {
        core::mem::take(&mut self.outlays)
    }

    fn note_outlays(&mut self, event: &Event) {
        if let Event::RequestsFailed { keys, .. } = event {
            let failed = keys.iter().map(|key| Outlay { key: *key, amounts: None });
            self.outlays.extend(failed);
        }
        let Event::Channel { event: ChannelEvent::Proposed { operations, requests, .. }, .. } =
            event
        else {
            return;
        };
        // Requests fill a round's end, in their order.
        let mut left = operations.as_slice().iter().rev();
        for request in requests.iter().rev() {
            let count = usize::try_from(request.operations).expect("a count fits memory");
            let amounts = left.by_ref().take(count).filter_map(amount_of).collect();
            self.outlays.push(Outlay { key: request.key, amounts: Some(amounts) });
        }
    }

    /// Reckons what must come of a channel. Once its funding output is spent nothing can be added.
    fn note_stake(&mut self, channel: ChannelId) {
        let Some(state) = self.state.channels.get(&channel) else {
            if let Some(stake) = self.stakes.get_mut(&channel) {
                stake.life = StakeLife::Over;
            }
            return;
        };
        let Some(live) = state.live() else { return };
        if matches!(live.funded, Funded::Spent { .. }) {
            return;
        }
        let rounds = &live.rounds;
        let other = match &rounds.outstanding {
            None => None,
            Some(Outstanding::Proposed { ledger, .. }) => Some(ledger),
            Some(Outstanding::Accepted { previous, .. }) => Some(previous),
        };
        let ledgers = [Some(&rounds.ledger), other].into_iter().flatten();
        let lock_key = |offerer, id| {
            let offerer = if offerer == state.party { Side::Holder } else { Side::Counterparty };
            LockKey { channel, offerer, id }
        };
        let share = |ledger: &Ledger| Share {
            balance: ledger.settled_balance(state.party),
            locks: ledger.locks().map(|(by, id, lock)| (lock_key(by, id), lock.amount)).collect(),
        };
        let stake = Stake {
            funding: live.setup.funding.outpoint(),
            capacity: live.setup.funding.value,
            party: state.party,
            shares: ledgers.map(share).collect(),
            life: StakeLife::Lives,
        };
        self.stakes.insert(channel, stake);
    }

    /// Nodes that play fair found fault with each other.
    fn accused(&self, channel: ChannelId, event: &ChannelEvent) -> Result<(), Violation> {
        let peer = self.state.channels.get(&channel).map(|state| state.peer);
        if peer.is_some_and(|peer| self.hostile.contains(&peer)) {
            return Ok(());
        }
        Err(Violation::Accused { node: self.place.to_string(), what: format!("{event:?}") })
    }

    fn note(
        &mut self,
        channel: ChannelId,
        event: &ChannelEvent,
        history: &mut History,
    ) -> Result<(), Violation> {
        match event {
            ChannelEvent::Offered { .. } => {
                self.offered.insert(channel);
            }
            ChannelEvent::Answered { .. } => {
                self.answered.insert(channel);
            }
            ChannelEvent::OpeningSigned { signature, .. } => {
                self.opening_signed.insert(channel);
                self.sign(channel, CommitmentNumber::FIRST, signature)?;
            }
            ChannelEvent::Opened { counterparty_signature, .. } => {
                self.opened.insert(channel);
                self.sign(channel, CommitmentNumber::FIRST, counterparty_signature)?;
                let state = self.state.channels.get(&channel).expect("it has just opened");
                let live = state.live().expect("it has just opened");
                history.begin(self.place, &state.peer, channel, live);
            }
            ChannelEvent::Proposed { number, operations, signature, .. } => {
                self.sign(channel, *number, signature)?;
                let held = (signature.signature, operations.clone());
                self.proposed.insert((channel, *number), held);
            }
            ChannelEvent::Accepted { number, operations, counterparty_signature, .. } => {
                self.sign(channel, *number, counterparty_signature)?;
                self.accepted.insert((channel, *number), counterparty_signature.signature);
                let proposer = !self.party(channel);
                let round = Round { proposer, operations: operations.clone() };
                history.note(self.place, channel, *number, &round)?;
                self.judge(channel, history)?;
            }
            ChannelEvent::Revoked { number, .. } => {
                self.revoked.insert((channel, *number));
                let held = self.proposed.get(&(channel, *number));
                let (_, operations) = held.expect("a round is proposed before it is accepted");
                let proposer = self.party(channel);
                let round = Round { proposer, operations: operations.clone() };
                history.note(self.place, channel, *number, &round)?;
                self.judge(channel, history)?;
            }
            ChannelEvent::ContractOffered { .. }
            | ChannelEvent::ContractAgreed { .. }
            | ChannelEvent::ShutdownSent { .. }
            | ChannelEvent::CloseAgreed { .. } => self.note_words(channel, event, history),
            ChannelEvent::ForceClosed {
                reason: ForceReason::Violation | ForceReason::PeerLost,
            } => self.accused(channel, event)?,
            // No disk here loses what it held, so nobody can have proved it, and no operator has anything to choose.
            ChannelEvent::DataLost { .. } | ChannelEvent::RecoveryChosen { .. } => {
                let (node, what) = (self.place.to_string(), format!("{event:?}"));
                return Err(Violation::Accused { node, what });
            }
            ChannelEvent::Abandoned { .. }
            | ChannelEvent::FundingConfirmed { .. }
            | ChannelEvent::FundingUnconfirmed
            | ChannelEvent::Finalized { .. }
            | ChannelEvent::ContractRefused { .. }
            | ChannelEvent::ShutdownReceived { .. }
            | ChannelEvent::ForceClosed { .. }
            | ChannelEvent::Spent { .. }
            | ChannelEvent::Unspent
            | ChannelEvent::Resolved { .. } => {}
        }
        Ok(())
    }

    /// What a node may say from now on, beside its rounds.
    fn note_words(&mut self, channel: ChannelId, event: &ChannelEvent, history: &mut History) {
        if let ChannelEvent::ContractOffered { contract, agreement } = event {
            self.contracts_offered.insert(*contract);
            history.agree(channel, *contract, &agreement.terms.collateral);
        }
        if let ChannelEvent::ContractAgreed { contract, agreement } = event {
            self.contracts_agreed.insert(*contract);
            history.agree(channel, *contract, &agreement.terms.collateral);
        }
        if let ChannelEvent::ShutdownSent { .. } = event {
            self.shut_down.insert(channel);
        }
        if let ChannelEvent::CloseAgreed { .. } = event {
            self.close_agreed.insert(channel);
        }
    }

    fn party(&self, channel: ChannelId) -> Party {
        self.state.channels.get(&channel).expect("a channel with rounds lives").party
    }

    fn judge(&self, channel: ChannelId, history: &History) -> Result<(), Violation> {
        let live = self.state.channels.get(&channel).and_then(|state| state.live());
        history.judge(self.place, channel, live.expect("a channel with rounds lives"))
    }

    fn sign(
        &mut self,
        channel: ChannelId,
        number: CommitmentNumber,
        signed: &Signed,
    ) -> Result<(), Violation> {
        let before = self.signed.insert((channel, number), signed.digest);
        if before.is_none_or(|digest| digest == signed.digest) {
            return Ok(());
        }
        Err(Violation::TwoContents { node: self.place.to_string(), channel, number })
    }

    /// Fails unless events on disk explain what the node says.
    pub(crate) fn explain(&self, message: &Message) -> Result<(), Violation> {
        if self.stance == Stance::Foul {
            return Ok(());
        }
        let is_explained = match message {
            Message::OpenChannel(m) => self.offered.contains(&m.channel),
            Message::AcceptChannel(m) => self.answered.contains(&m.channel),
            Message::SignOpening(m) => {
                self.opening_signed.contains(&m.channel) || self.opened.contains(&m.channel)
            }
            Message::Propose(m) => {
                let held = self.proposed.get(&(m.channel, m.number));
                held.is_some_and(|(signature, operations)| {
                    *signature == m.signature && *operations == m.operations
                })
            }
            Message::Accept(m) => self.accepted.get(&(m.channel, m.number)) == Some(&m.signature),
            Message::Finalize(m) => self.revoked.contains(&(m.channel, m.number)),
            Message::OfferContract(m) => self.contracts_offered.contains(&m.contract),
            Message::AgreeContract(m) => self.contracts_agreed.contains(&m.contract),
            Message::Shutdown(m) => self.shut_down.contains(&m.channel),
            Message::CloseOffer(m) => self.shut_down.contains(&m.channel),
            Message::CloseSign(m) => self.close_agreed.contains(&m.channel),
            Message::Hello(_)
            | Message::Fault(_)
            | Message::RequestTurn(_)
            | Message::RefuseContract(_)
            | Message::CloseTerms(_)
            | Message::Reestablish(_) => true,
        };
        if is_explained {
            return Ok(());
        }
        Err(Violation::Unexplained {
            node: self.place.to_string(),
            message: message.name().to_owned(),
        })
    }
}

/// What an operation takes from its proposer's balance, into the other's or into a lock.
const fn amount_of(operation: &Operation) -> Option<MilliSats> {
    match operation {
        Operation::Pay { amount, .. } | Operation::AddLock { amount, .. } => Some(*amount),
        Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => None,
    }
}
