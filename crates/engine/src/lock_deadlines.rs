//! What the height of the chain asks for about locks (protocol section 4). It acts whoever holds a turn.

use strait_channel::ForceReason;
use strait_payment::{LockKey, Outcome, Outgoing, PaymentEvent};
use strait_primitives::BlockHeight;
use strait_watcher::{SpendPath, TrackedOutput};
use strait_wire::CancelReason;

use crate::engine::{Engine, Moment, Step};
use crate::locks::{LockChannels, is_open};

impl Engine {
    /// The chain is known as far as it can be for now: gives back what nobody claimed in time, and closes channels whose
    /// locks cannot wait.
    pub(crate) fn meet_lock_deadlines(&mut self, moment: &Moment<'_>, out: &mut Step) {
        if self.payments.is_idle() {
            return;
        }
        let (tip, policy) = (self.tip().height, &self.config.locks);
        let due = self.payments.deadlines(tip, policy, &LockChannels(self));
        for lock in due.cancel {
            if self.is_lock_in_doubt(&lock) {
                continue;
            }
            let reason = CancelReason::Expired;
            self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
        }
        // One that waits for a peer who is gone binds its sender's money for nothing.
        for lock in due.withdraw.into_iter().chain(self.queued_in_vain()) {
            if self.is_lock_in_doubt(&lock) {
                continue;
            }
            if let Some(channel) = self.queued_onward(&lock) {
                self.withdraw_onward(&lock, channel);
            }
            let reason = CancelReason::NoRoute;
            self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
        }
        for (channel, _) in due.close {
            let live = self.channels.get(&channel).and_then(|channel| channel.state().live());
            if live.is_some_and(is_open) {
                self.with_channel(channel, moment, out, |channel, _, decision| {
                    channel.force_close(ForceReason::Deadline, decision);
                });
            }
        }
        self.review_locks(out);
    }

    /// Notes which of this node's locks the chain has given back for good: only now may what they pass on go back.
    pub(crate) fn note_gone(&mut self, out: &mut Step) {
        let gone = self.payments.outgoing().filter(|(key, lock)| self.is_gone(key, lock));
        let gone: Vec<LockKey> = gone.map(|(key, _)| *key).collect();
        for lock in gone {
            self.record_payment(PaymentEvent::OutgoingGone { lock }, out);
        }
    }

    /// True if the commitment that settles the channel is final, and no output of it can be this lock and bring its
    /// receiver anything. Twins cannot be told apart on chain, so all of them must be gone. A commitment that this node
    /// cannot read may hold the lock for ever; and one that comes after the lock's claim holds none of it any more.
    fn is_gone(&self, key: &LockKey, lock: &Outgoing) -> bool {
        let tip = self.tip().height;
        let Some(by) = self.settled_by(&key.channel) else { return false };
        let is_back = |output: &TrackedOutput| {
            output.spend.is_some_and(|end| match end.path {
                SpendPath::Claimed(_) => false,
                SpendPath::Penalty | SpendPath::Delayed | SpendPath::Refunded => {
                    self.is_final(end.height, tip)
                }
            })
        };
        self.ended_by_round(&by, key) != Some(Outcome::Claimed)
            && self.is_final(by.height(), tip)
            && by.outputs_of(key.offerer, &lock.terms).all(is_back)
    }

    /// True if no reorganisation that this node is built to live through takes the block away: what is given back upstream
    /// cannot be asked for again.
    fn is_final(&self, height: BlockHeight, tip: BlockHeight) -> bool {
        height.depth_at(tip) >= self.config.irreversible_depth()
    }
}
