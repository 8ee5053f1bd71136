//! What a lock that arrived is good for (protocol section 4).

use strait_onchain::limits::DUST_LIMIT;
use strait_primitives::{BlockDelta, BlockHeight, ChannelId, MilliSats, NodeId, Side};
use strait_wire::{CancelReason, Hop};

use crate::book::PaymentBook;
use crate::key::LockKey;
use crate::lock::{Incoming, IncomingState, LockTerms};
use crate::policy::{Forwarding, LockPolicy};

/// What is known of this node's channels.
pub trait Channels {
    /// The node at the other end.
    fn peer(&self, channel: &ChannelId) -> Option<NodeId>;

    /// Blocks that this node waits for its own money there, after a close of its own.
    fn delay(&self, channel: &ChannelId) -> BlockDelta;

    /// True if rounds run there.
    fn is_open(&self, channel: &ChannelId) -> bool;

    /// The channel with a node through which this much can be offered right now.
    fn way(&self, to: &NodeId, amount: MilliSats) -> Option<ChannelId>;
}

/// What becomes of a lock that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is for this node: its user decides.
    Hold,
    /// It is passed on through this channel.
    Forward(ChannelId),
    /// It goes back.
    Cancel(CancelReason),
}

/// What is in use with one peer in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Usage {
    locks: usize,
    value: MilliSats,
    dust: MilliSats,
}

impl Usage {
    fn add(&mut self, amount: MilliSats) {
        let sum = |total: MilliSats| total.checked_add(amount).unwrap_or(MilliSats::MAX);
        self.locks = self.locks.saturating_add(1);
        self.value = sum(self.value);
        if amount.floor_sats() < DUST_LIMIT {
            self.dust = sum(self.dust);
        }
    }

    const fn is_within(&self, policy: &LockPolicy) -> bool {
        self.locks <= policy.peer_locks_max
            && self.value.to_msat() <= policy.peer_value_max.to_msat()
            && self.dust.to_msat() <= policy.peer_dust_max.to_msat()
    }
}

/// Judges a lock that arrived.
#[must_use]
pub fn judge(
    book: &PaymentBook,
    key: &LockKey,
    lock: &Incoming,
    tip: BlockHeight,
    policy: &LockPolicy,
    channels: &dyn Channels,
) -> Verdict {
    let LockTerms { amount, expiry, payment_hash: _ } = lock.terms;
    let delay = channels.delay(&key.channel);
    let Some(peer) = channels.peer(&key.channel).filter(|_| channels.is_open(&key.channel)) else {
        return Verdict::Cancel(CancelReason::Unwanted);
    };
    if expiry < tip.saturating_add(policy.needed(delay)) {
        return Verdict::Cancel(CancelReason::Expired);
    }
    let mut usage = received_from(book, &peer, channels);
    usage.add(amount);
    let is_far = expiry > tip.saturating_add(policy.lead_max);
    if is_far || amount < policy.amount_min || !usage.is_within(policy) {
        return Verdict::Cancel(CancelReason::Unwanted);
    }
    match lock.route.hops().first() {
        None => Verdict::Hold,
        Some(hop) => judge_forward(book, lock, hop, Place { tip, delay }, policy, channels),
    }
}

/// Where and when a lock is judged.
#[derive(Debug, Clone, Copy)]
struct Place {
    tip: BlockHeight,
    /// This node's own delay where the lock came in.
    delay: BlockDelta,
}

fn judge_forward(
    book: &PaymentBook,
    lock: &Incoming,
    hop: &Hop,
    place: Place,
    policy: &LockPolicy,
    channels: &dyn Channels,
) -> Verdict {
    match policy.forwarding {
        Forwarding::Allowed => {}
        Forwarding::Refused => return Verdict::Cancel(CancelReason::NoRoute),
    }
    let due = hop.amount.checked_add(policy.fee(hop.amount));
    if hop.amount < policy.amount_min || due.is_none_or(|due| lock.terms.amount < due) {
        return Verdict::Cancel(CancelReason::Terms);
    }
    let Some(way) = channels.way(&hop.node, hop.amount) else {
        return Verdict::Cancel(CancelReason::NoRoute);
    };
    let delay_out = channels.delay(&way);
    let earliest = hop.expiry.saturating_add(delay_out).saturating_add(policy.needed(place.delay));
    if lock.terms.expiry < earliest {
        return Verdict::Cancel(CancelReason::Terms);
    }
    if hop.expiry <= place.tip.saturating_add(policy.settle_within(delay_out)) {
        return Verdict::Cancel(CancelReason::Expired);
    }
    let mut usage = offered_to(book, &hop.node, channels);
    usage.add(hop.amount);
    if usage.is_within(policy) {
        Verdict::Forward(way)
    } else {
        Verdict::Cancel(CancelReason::NoRoute)
    }
}

/// What a peer's locks take of this node: those that are judged and do not go back.
fn received_from(book: &PaymentBook, peer: &NodeId, channels: &dyn Channels) -> Usage {
    let mut usage = Usage::default();
    for (key, lock) in book.incoming() {
        assert_eq!(key.offerer, Side::Counterparty, "a peer offered it");
        let counts = match lock.state {
            IncomingState::Held | IncomingState::Forwarding { .. } | IncomingState::Claiming => {
                true
            }
            IncomingState::Arrived | IncomingState::Cancelling { .. } => false,
        };
        if counts && channels.peer(&key.channel) == Some(*peer) {
            usage.add(lock.terms.amount);
        }
    }
    usage
}

/// What this node has offered to a peer, or is about to.
fn offered_to(book: &PaymentBook, peer: &NodeId, channels: &dyn Channels) -> Usage {
    let mut usage = Usage::default();
    for (key, lock) in book.outgoing() {
        if channels.peer(&key.channel) == Some(*peer) {
            usage.add(lock.terms.amount);
        }
    }
    for (_, lock) in book.incoming() {
        if let IncomingState::Forwarding { channel } = lock.state
            && lock.onward.is_none()
            && channels.peer(&channel) == Some(*peer)
            && let Some(hop) = lock.route.hops().first()
        {
            usage.add(hop.amount);
        }
    }
    usage
}
