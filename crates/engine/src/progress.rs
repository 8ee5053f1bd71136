//! How far openings and closes are, and how near the next deadlines: for who watches the node.

use strait_channel::{Channel, Closing, Funded, Live, Phase};
use strait_payment::{Channels, IncomingState};
use strait_primitives::BlockHeight;
use strait_watcher::Outlook;

use crate::engine::Engine;
use crate::locks::LockChannels;
use crate::on_chain::Facts;

/// What takes several steps: openings and closes by their step, and the deadlines that come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Channels on their way to carrying payments.
    pub openings: Openings,
    /// Channels on their way to being forgotten.
    pub closes: Closes,
    /// The nearest deadline of each kind.
    pub deadlines: NextDeadlines,
}

/// Openings by their step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Openings {
    /// Asked for, not answered.
    pub offered: usize,
    /// Agreed to, not signed.
    pub answered: usize,
    /// Signed by the opener alone.
    pub signed: usize,
    /// The funding transaction is in no block.
    pub unconfirmed: usize,
    /// It is in one that is not deep enough.
    pub confirming: usize,
}

/// Closes by their step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closes {
    /// A closing transaction is being agreed.
    pub shutting_down: usize,
    /// It is complete, and in no block.
    pub agreed: usize,
    /// This node broadcasts its commitment, and no block holds it.
    pub forced: usize,
    /// This node is behind, and the peer has not closed.
    pub lost: usize,
    /// A commitment is in a block, and outputs of it are not spent.
    pub unsettled: usize,
    /// All is spent, and not deep enough.
    pub settling: usize,
}

/// The nearest deadline of each kind: the last block in which it is not too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NextDeadlines {
    /// A lock that is held goes back unless its user claims it.
    pub held_lock: Option<BlockHeight>,
    /// A channel is closed by force because the peer does not let a lock be claimed.
    pub claimed_lock: Option<BlockHeight>,
    /// A channel is closed by force because a lock that this node offered is over, and the peer does not give it back.
    pub sent_lock: Option<BlockHeight>,
    /// A claim on chain of a lock, before its offerer may take it back.
    pub claim: Option<BlockHeight>,
    /// What takes everything from a thief, before the thief may.
    pub penalty: Option<BlockHeight>,
}

impl Engine {
    /// Looks at everything that takes several steps.
    pub(crate) fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for (id, channel) in &self.channels {
            match &channel.state().phase {
                Phase::Offered(_) => progress.openings.offered += 1,
                Phase::Answered(_) => progress.openings.answered += 1,
                Phase::OpeningSigned(_) => progress.openings.signed += 1,
                Phase::Live(live) => {
                    let watcher = self.watchers.get(id);
                    let facts = Facts { channel, payments: &self.payments };
                    let outlook = watcher.map(|watcher| watcher.outlook(&facts));
                    self.note_live(&mut progress, live, outlook.unwrap_or_default());
                }
                Phase::Abandoned | Phase::Resolved => {}
            }
        }
        self.note_locks(&mut progress.deadlines);
        progress
    }

    fn note_live(&self, progress: &mut Progress, live: &Live, outlook: Outlook) {
        let Progress { openings, closes, deadlines } = progress;
        near(&mut deadlines.claim, outlook.claim);
        near(&mut deadlines.penalty, outlook.penalty);
        match (live.funded, &live.closing) {
            (Funded::Spent { .. }, _) if outlook.unspent > 0 => closes.unsettled += 1,
            (Funded::Spent { .. }, _) => closes.settling += 1,
            (Funded::Waiting | Funded::Mined(_), Closing::Forced(_)) => closes.forced += 1,
            (Funded::Waiting | Funded::Mined(_), Closing::Lost) => closes.lost += 1,
            (Funded::Waiting | Funded::Mined(_), Closing::Agreed { .. }) => closes.agreed += 1,
            (Funded::Waiting | Funded::Mined(_), Closing::ShuttingDown { .. }) => {
                closes.shutting_down += 1;
            }
            (Funded::Waiting, Closing::Running) => openings.unconfirmed += 1,
            (Funded::Mined(_), Closing::Running) => {
                openings.confirming += usize::from(!live.is_deep(self.tip().height));
            }
        }
    }

    fn note_locks(&self, deadlines: &mut NextDeadlines) {
        let channels = LockChannels(self);
        for (key, lock) in self.payments.incoming() {
            let within = self.config.locks.settle_within(channels.delay(&key.channel));
            let last = Some(lock.terms.expiry.saturating_sub(within));
            match lock.state {
                IncomingState::Held => near(&mut deadlines.held_lock, last),
                IncomingState::Claiming if self.runs(&key.channel) => {
                    near(&mut deadlines.claimed_lock, last);
                }
                IncomingState::Arrived
                | IncomingState::Forwarding { .. }
                | IncomingState::Claiming
                | IncomingState::Cancelling { .. } => {}
            }
        }
        for (key, lock) in self.payments.outgoing() {
            if self.runs(&key.channel) {
                near(&mut deadlines.sent_lock, Some(lock.terms.expiry));
            }
        }
    }

    /// True if rounds run in the channel: what is on chain has deadlines of its own.
    fn runs(&self, channel: &strait_primitives::ChannelId) -> bool {
        let live = self.channels.get(channel).map(Channel::state).and_then(|state| state.live());
        live.is_some_and(|live| {
            matches!(live.closing, Closing::Running | Closing::ShuttingDown { .. })
                && !matches!(live.funded, Funded::Spent { .. })
        })
    }
}

/// Keeps the nearer one.
fn near(nearest: &mut Option<BlockHeight>, other: Option<BlockHeight>) {
    *nearest = match (*nearest, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}
