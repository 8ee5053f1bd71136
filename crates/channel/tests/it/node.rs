//! One node of a pair: a channel, the disk it writes to, and everyone who waits for it.
//!
//! The disk keeps what was saved; a [`Crash`] ends it at a chosen write. A node has done nothing that the disk
//! does not explain: effects leave only when all events before them are saved.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bitcoin::Network;
use strait_channel::{
    Answer, Channel, ChannelEffect, ChannelEvent, ChannelState, Decision, ForceReason, Live,
    Moment, Notice, OpeningPolicy, Reaction,
};
use strait_primitives::{
    BlockDelta, BlockHeight, Digest, KeySalt, MilliSats, NodeId, Party, Sats, Side, Timestamp,
};
use strait_signer::{ChannelSigner, Seed, SeedWords};
use strait_wire::{Fault, FaultCode, Message, Parameters, ScriptBytes};
use zeroize::Zeroizing;

/// Stretching a seed is slow; every pair has the same two.
static SEEDS: LazyLock<[Seed; 2]> = LazyLock::new(|| {
    [1, 2].map(|byte| {
        let words = SeedWords::generate(&Zeroizing::new([byte; 32]));
        Seed::new(&words, Network::Regtest)
    })
});

pub fn salt(party: Party) -> KeySalt {
    KeySalt::from_bytes([index(party) + 10; 32])
}

pub fn signer(party: Party) -> ChannelSigner {
    SEEDS[usize::from(index(party))].channel_signer(&salt(party))
}

pub const fn node_id(party: Party) -> NodeId {
    NodeId::from_bytes([index(party) + 2; 33])
}

const fn index(party: Party) -> u8 {
    match party {
        Party::Opener => 0,
        Party::Acceptor => 1,
    }
}

/// A version-0 witness program that is this byte's.
pub fn script(byte: u8) -> ScriptBytes {
    let mut bytes = vec![0, 20];
    bytes.extend([byte; 20]);
    ScriptBytes::new(bytes).unwrap()
}

pub fn policy() -> OpeningPolicy {
    OpeningPolicy {
        chain: Digest::from_bytes([9; 32]),
        parameters: Parameters {
            delay: BlockDelta::new(144),
            locks_max: 30,
            contract_locks_max: 30,
            lock_min: MilliSats::from_const(1_000),
            dust_exposure_max: MilliSats::from_const(5_000_000),
            depth: BlockDelta::new(3),
        },
        delay_max: BlockDelta::new(1_000),
        depth_max: BlockDelta::new(10),
        capacity_min: Sats::from_const(50_000),
        capacity_max: Sats::from_const(10_000_000),
    }
}

/// When a node crashes, counted from the moment this is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// After so many writes, at the next: that event is lost.
    BeforeWrite(usize),
    /// After so many writes and one more: the event is saved, and nothing it explains has happened.
    AfterWrite(usize),
}

#[expect(clippy::struct_excessive_bools, reason = "three things that happen apart")]
pub struct Node {
    pub party: Party,
    pub policy: OpeningPolicy,
    pub channel: Option<Channel>,
    /// Everything saved, in order.
    pub disk: Vec<ChannelEvent>,
    /// After so many events the disk was restored from a backup.
    restored_after: Option<usize>,
    /// The fold of everything saved.
    folded: Option<ChannelState>,
    /// Messages on their way to the peer.
    pub outbox: VecDeque<Message>,
    pub broadcasts: Vec<bitcoin::Transaction>,
    pub notices: Vec<Notice>,
    /// What the peer's messages were answered with when they did not go through.
    pub reactions: Vec<Reaction>,
    pub is_connected: bool,
    pub wants_disconnect: bool,
    pub has_crashed: bool,
    pub crash_at: Option<Crash>,
}

impl Node {
    pub fn new(party: Party) -> Self {
        Self {
            party,
            policy: policy(),
            channel: None,
            disk: Vec::new(),
            restored_after: None,
            folded: None,
            outbox: VecDeque::new(),
            broadcasts: Vec::new(),
            notices: Vec::new(),
            reactions: Vec::new(),
            is_connected: false,
            wants_disconnect: false,
            has_crashed: false,
            crash_at: None,
        }
    }

    /// A node that finds this log on its disk.
    pub fn from_disk(party: Party, disk: &[ChannelEvent]) -> Self {
        let mut node = Self::new(party);
        node.disk = disk.to_vec();
        node.restart();
        node
    }

    /// A node that finds a backup on its disk.
    pub fn from_backup(party: Party, disk: &[ChannelEvent]) -> Self {
        let mut node = Self::new(party);
        node.disk = disk.to_vec();
        node.restored_after = Some(disk.len());
        node.restart();
        node
    }

    /// Takes the channel up from the disk alone.
    pub fn restart(&mut self) {
        self.has_crashed = false;
        self.is_connected = false;
        self.wants_disconnect = false;
        self.outbox.clear();
        self.folded = fold(&self.disk, self.restored_after);
        self.channel = self.folded.clone().map(|state| Channel::restore(state, signer(self.party)));
    }

    pub fn channel(&self) -> &Channel {
        self.channel.as_ref().unwrap()
    }

    pub fn channel_mut(&mut self) -> &mut Channel {
        self.channel.as_mut().unwrap()
    }

    pub fn state(&self) -> &ChannelState {
        self.channel().state()
    }

    pub fn live(&self) -> &Live {
        self.state().live().expect("the channel lives")
    }

    pub fn balance(&self) -> MilliSats {
        self.live().rounds.ledger.balance(self.party)
    }

    /// Lets the channel do something, saves what it decides, and only then lets it happen.
    pub fn act<T>(&mut self, act: impl FnOnce(&mut Channel, &mut Decision) -> T) -> Option<T> {
        if self.has_crashed {
            return None;
        }
        let mut decision = Decision::default();
        let done = act(self.channel.as_mut()?, &mut decision);
        self.absorb(decision);
        Some(done)
    }

    /// Saves events one by one, then carries out effects; a broken disk ends it all.
    pub fn absorb(&mut self, decision: Decision) {
        for event in decision.events {
            if self.crash_at == Some(Crash::BeforeWrite(0)) {
                return self.crash();
            }
            match &mut self.folded {
                Some(folded) => folded.apply(&event),
                None => self.folded = ChannelState::begin(&event),
            }
            self.disk.push(event);
            match &mut self.crash_at {
                Some(Crash::AfterWrite(0)) => return self.crash(),
                Some(Crash::BeforeWrite(left) | Crash::AfterWrite(left)) => *left -= 1,
                None => {}
            }
        }
        let live = self.channel.as_ref().map(Channel::state);
        assert_eq!(live, self.folded.as_ref(), "the fold of the log is the state");
        for effect in decision.effects {
            match effect {
                ChannelEffect::Send(message) if self.is_connected => {
                    self.outbox.push_back(message);
                }
                ChannelEffect::Send(_) => {}
                ChannelEffect::Broadcast(transaction) => self.broadcasts.push(transaction),
                ChannelEffect::Disconnect => self.wants_disconnect = true,
                ChannelEffect::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    fn crash(&mut self) {
        self.has_crashed = true;
        self.channel = None;
        self.outbox.clear();
        self.crash_at = None;
    }

    /// One message of the peer, routed as the engine does it.
    pub fn receive(&mut self, message: Message, moment: &Moment<'_>) {
        if self.has_crashed {
            return;
        }
        let mut decision = Decision::default();
        let done = match message {
            Message::OpenChannel(open) => match &self.channel {
                Some(channel) => channel.handle_open_again(&open, &mut decision),
                None => {
                    let answer = Answer {
                        peer: node_id(!self.party),
                        open,
                        salt: salt(self.party),
                        wallet_script: script(0x22),
                    };
                    let own = node_id(self.party);
                    let signer = signer(self.party);
                    Channel::answer(&own, answer, &self.policy, signer, moment.now, &mut decision)
                        .map(|channel| self.channel = Some(channel))
                }
            },
            Message::Fault(Fault { code: FaultCode::DataLost, .. }) => {
                let Some(channel) = &mut self.channel else { return };
                channel.force_close(ForceReason::PeerLost, &mut decision);
                Ok(())
            }
            Message::Fault(_) => Ok(()),
            message => {
                let Some(channel) = &mut self.channel else { return };
                match message {
                    Message::AcceptChannel(accept) => {
                        channel.handle_accept_channel(accept, &self.policy, &mut decision)
                    }
                    Message::SignOpening(sign) => {
                        let wallet = |funding: &strait_onchain::FundingTransaction| {
                            funding.unsigned().clone()
                        };
                        channel.handle_sign_opening(&sign, moment.tip, wallet, &mut decision)
                    }
                    message => channel.handle_message(message, moment, &mut decision),
                }
            }
        };
        if let Err(reaction) = done {
            assert!(decision.events.is_empty(), "an error leaves the state as it was");
            if let Some(channel) = &mut self.channel {
                channel.react(&reaction, &mut decision);
            }
            self.reactions.push(reaction);
        }
        self.absorb(decision);
    }

    /// Brings the funding output on chain as this node sees it.
    pub fn mine_funding(&mut self, height: BlockHeight) {
        self.act(|channel, out| channel.handle_funding_mined(height, out));
    }

    /// The hash that a side's commitment of a number is signed by, as this node builds it.
    pub fn sighash(&self, broadcaster: Side) -> [u8; 32] {
        let live = self.live();
        let commitments = self.channel().commitments().unwrap();
        let number = live.rounds.number;
        let hash = match broadcaster {
            Side::Holder => self.channel().signer().revocation_hash(number),
            Side::Counterparty => {
                // Between rounds: the lowest number that the counterparty has not revoked.
                live.rounds.counterparty_hashes[0]
            }
        };
        let ledger = &live.rounds.ledger;
        let commitment = commitments.build(broadcaster, &live.setup, number, hash, ledger);
        *commitments.of(broadcaster).sighash(&commitment).as_ref()
    }
}

/// The fold of a log that was restored from a backup after so many events, if it was.
fn fold(events: &[ChannelEvent], restored_after: Option<usize>) -> Option<ChannelState> {
    let (first, later) = events.split_first()?;
    let mut state = ChannelState::begin(first)?;
    for (before, event) in (1..).zip(later) {
        if restored_after == Some(before) {
            state.quarantine(BACKUP_TAKEN);
        }
        state.apply(event);
    }
    if restored_after == Some(events.len()) {
        state.quarantine(BACKUP_TAKEN);
    }
    Some(state)
}

/// When backups in these tests were made.
pub const BACKUP_TAKEN: Timestamp = Timestamp::from_unix_ms(900_000);
