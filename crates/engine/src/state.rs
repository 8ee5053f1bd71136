//! The durable state of a node: a fold of its log and nothing else.

use std::collections::{BTreeMap, VecDeque};

use bitcoin::BlockHash;
use strait_channel::{CarriedRequest, ChannelEvent, ChannelState};
use strait_payment::PaymentBook;
use strait_primitives::{BlockHeight, ChannelId, ModuleHash, NodeId, Timestamp};
use strait_wallet::WalletState;
use strait_watcher::WatcherState;

use crate::ended::EndedChannels;
use crate::event::Event;
use crate::limits::RECENT_BLOCKS;
use crate::requests::{PlacedRequest, RequestBook};
use crate::tokens::TokenBook;

/// A block of the best chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct BlockPoint {
    /// Its height.
    #[n(0)]
    pub height: BlockHeight,
    /// Its hash.
    #[cbor(n(1), with = "strait_onchain::cbor::consensus")]
    pub hash: BlockHash,
}

/// What a node remembers beside channels, watchers and the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Book {
    /// The last blocks of the best chain, oldest first.
    #[n(0)]
    pub blocks: VecDeque<BlockPoint>,
    /// Peers to stay connected to, and where they are.
    #[n(1)]
    pub peers: BTreeMap<NodeId, Option<String>>,
    /// Modules that contracts may use, with their lengths in bytes.
    #[n(2)]
    pub modules: BTreeMap<ModuleHash, u64>,
    /// Requests that were begun.
    #[n(3)]
    pub requests: RequestBook,
    /// Channels that are over, the last ones.
    #[n(4)]
    pub ended: EndedChannels,
    /// When this log was last restored; there may be channels that it does not know.
    #[n(5)]
    pub restored: Option<Timestamp>,
    /// Tokens of the interface.
    #[cbor(n(6), default)]
    pub tokens: TokenBook,
}

/// All that a node must not forget.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct NodeState {
    /// Channels that are not over.
    #[n(0)]
    pub channels: BTreeMap<ChannelId, ChannelState>,
    /// Guards of channels whose funding output was spent.
    #[n(1)]
    pub watchers: BTreeMap<ChannelId, WatcherState>,
    /// The wallet.
    #[n(2)]
    pub wallet: WalletState,
    /// The rest.
    #[n(3)]
    pub book: Book,
    /// Locks in use.
    #[cbor(n(4), default)]
    pub payments: PaymentBook,
}

impl NodeState {
    /// Folds one event in.
    ///
    /// # Panics
    /// If the event cannot follow this state: this node did not write this log.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Channel { channel, event } => self.apply_channel(*channel, event),
            Event::Watch { channel, event } => {
                self.watchers.entry(*channel).or_default().apply(event);
            }
            Event::Wallet(change) => self.wallet.apply(change),
            Event::Restored { backup_taken, now: _ } => {
                self.book.apply(event);
                if let Some(taken) = backup_taken {
                    self.channels.values_mut().for_each(|channel| channel.quarantine(*taken));
                }
            }
            Event::Payment(event) => self.payments.apply(event),
            Event::BlockConnected { .. }
            | Event::BlockDisconnected { .. }
            | Event::PeerKnown { .. }
            | Event::ModuleAdded { .. }
            | Event::RequestBegun { .. }
            | Event::RequestsFailed { .. }
            | Event::Token(_)
            | Event::ClockNoted { .. } => self.book.apply(event),
        }
    }

    fn apply_channel(&mut self, id: ChannelId, event: &ChannelEvent) {
        self.book.note_channel_event(id, event);
        note_locks(&mut self.payments, id, event);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.apply(event);
            if channel.is_over() {
                self.book.ended.note(channel);
                self.channels.remove(&id);
                self.watchers.remove(&id);
            }
            return;
        }
        let channel = ChannelState::begin(event).expect("a channel's first event begins it");
        assert_eq!(channel.id, id, "an event belongs to its channel");
        self.channels.insert(id, channel);
    }
}

impl Book {
    /// The best block.
    #[must_use]
    pub fn tip(&self) -> Option<BlockPoint> {
        self.blocks.back().copied()
    }

    /// The latest moment that is still written here.
    pub(crate) fn latest_moment(&self) -> Timestamp {
        let restored = self.restored.unwrap_or_default();
        restored.max(self.tokens.latest_moment()).max(self.requests.latest_moment())
    }

    /// Folds an event of the node itself in; a channel's, a watcher's or the wallet's leave it as it is.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::BlockConnected { height, hash } => {
                self.blocks.push_back(BlockPoint { height: *height, hash: *hash });
                while self.blocks.len() > RECENT_BLOCKS {
                    self.blocks.pop_front();
                }
            }
            Event::BlockDisconnected { height, hash } => {
                let last = self.blocks.pop_back().expect("only a connected block is disconnected");
                let left = BlockPoint { height: *height, hash: *hash };
                assert_eq!(last, left, "blocks leave from the tip");
            }
            Event::PeerKnown { node, address } => {
                self.peers.insert(*node, address.clone());
            }
            Event::ModuleAdded { module, size_bytes } => {
                self.modules.insert(*module, *size_bytes);
            }
            Event::RequestBegun { key, digest, subject } => {
                self.requests.note_begun(*key, *digest, *subject);
            }
            Event::RequestsFailed { channel, keys } => {
                self.tokens.credit(keys);
                self.settle_tokens(*channel);
                self.requests.fail(*channel);
            }
            Event::Token(event) => self.tokens.apply(event),
            Event::ClockNoted { now } => self.requests.note_time(*now),
            Event::Restored { backup_taken: _, now } => {
                self.restored = Some(*now);
                // Which were revoked since, and what they spent, is lost.
                self.tokens = TokenBook::default();
            }
            Event::Channel { .. } | Event::Watch { .. } | Event::Wallet(_) | Event::Payment(_) => {}
        }
    }

    /// A proposal makes the requests it carries known, and the end of what was in flight lets them age.
    pub(crate) fn note_channel_event(&mut self, channel: ChannelId, event: &ChannelEvent) {
        if let ChannelEvent::Proposed { number, operations, requests, .. } = event {
            self.settle_tokens(channel);
            let placed = placed(operations.as_slice().len(), requests);
            self.requests.note_round(channel, *number, placed.collect());
        } else if matches!(
            event,
            ChannelEvent::Revoked { .. }
                | ChannelEvent::Opened { .. }
                | ChannelEvent::Abandoned { .. }
                | ChannelEvent::Resolved { .. }
        ) {
            self.settle_tokens(channel);
            self.requests.settle(channel);
        }
    }

    /// What is in flight on a channel has its outcome: no charge for it is taken back any more.
    fn settle_tokens(&mut self, channel: ChannelId) {
        if !self.tokens.is_settled() {
            self.tokens.settle(&self.requests.in_flight_keys(channel));
        }
    }
}

/// Tells the book of locks what a channel's event does to them.
pub(crate) fn note_locks(payments: &mut PaymentBook, channel: ChannelId, event: &ChannelEvent) {
    if let ChannelEvent::Proposed { operations, requests, .. } = event {
        let list = operations.as_slice();
        payments.note_proposed(channel, list, |index| {
            let is_its = |request: &PlacedRequest| {
                let first = usize::try_from(request.first_index).unwrap_or(usize::MAX);
                let count = usize::try_from(request.count).unwrap_or(usize::MAX);
                index >= first && index - first < count
            };
            placed(list.len(), requests).find(is_its).map(|request| request.key)
        });
    } else if let ChannelEvent::Accepted { operations, .. } = event {
        payments.note_accepted(channel, operations.as_slice());
    } else if matches!(event, ChannelEvent::Revoked { .. } | ChannelEvent::Finalized { .. }) {
        payments.note_round_over(channel);
    } else if matches!(event, ChannelEvent::Resolved { .. } | ChannelEvent::Abandoned { .. }) {
        payments.note_channel_over(channel);
    }
}

/// Requests with the place of their first operation: they fill a round's end, behind what the node itself put first.
pub(crate) fn placed(
    operations: usize,
    requests: &[CarriedRequest],
) -> impl Iterator<Item = PlacedRequest> {
    let total = u32::try_from(operations).expect("a round carries a few thousand operations");
    let carried: u32 = requests.iter().map(|request| request.operations).sum();
    let mut next = total.checked_sub(carried).expect("a round holds what it carries");
    requests.iter().map(move |request| {
        let (first_index, count) = (next, request.operations);
        next += count;
        PlacedRequest { key: request.key, digest: request.digest, first_index, count }
    })
}
