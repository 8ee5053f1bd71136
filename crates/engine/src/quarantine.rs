//! A node whose store was restored: what it may not know of its channels, and how its operator ends them.
//!
//! Protocol section 9. The channels keep the rules (`strait-channel`, `recovery`); here the whole node begins anew, and
//! commands find their channel. Penalties, claims and sweeps of quarantined channels go on like those of any other.

use strait_channel::{AbandonReason, Channel, Live, Recovery};
use strait_log::Unsaved;
use strait_primitives::{ChannelId, CommitmentNumber, MilliSats, NodeId, Sats, Timestamp};
use strait_signer::Standing;
use strait_wire::{FaultCode, Message};

use crate::answer::{Answer, CommandError};
use crate::command::{CommandId, RecoveryChoice};
use crate::effect::Effect;
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::payments::reply;
use crate::peers::Greeting;
use crate::views::{ChannelStage, PeerLink};

/// Why a channel's state is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It comes from a backup: later states may exist.
    Restored,
    /// The peer has proved that a later state exists.
    Outdated,
}

/// What is known of a quarantined channel, and what was chosen for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryView {
    /// Which channel.
    pub channel: ChannelId,
    /// The other node.
    pub peer: NodeId,
    /// Whether it can be asked now.
    pub link: PeerLink,
    /// In what part of its life the channel is.
    pub stage: ChannelStage,
    /// Why its state is not trusted.
    pub doubt: Doubt,
    /// When the backup was made that the state comes from; none if it does not come from one.
    pub backup_taken: Option<Timestamp>,
    /// The number of the last state here.
    pub number: CommitmentNumber,
    /// The number that the peer said it is at, if it has since the start.
    pub told_number: Option<CommitmentNumber>,
    /// All the money in the channel: what an accepted loss may cost.
    pub capacity: Sats,
    /// This node's balance in the last state here.
    pub balance: MilliSats,
    /// What a close together would bring this node now, by the peer's ledger, if the peer has said so.
    pub close_brings: Option<Sats>,
    /// What the operator chose.
    pub choice: Option<Recovery>,
}

impl Engine {
    /// The log was restored from a backup made at that time: from here on the node trusts no channel in it. To be saved
    /// before anything else is decided.
    pub fn note_restored(
        &mut self,
        backup_taken: Timestamp,
        moment: &Moment<'_>,
    ) -> Unsaved<Event, Effect> {
        let mut out = Step::default();
        self.restored(backup_taken, moment, &mut out);
        self.seal(out)
    }

    /// As [`Engine::note_restored`], before it is sealed.
    pub(crate) fn restored(
        &mut self,
        backup_taken: Timestamp,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let event = Event::Restored { backup_taken: Some(backup_taken), now: moment.now };
        self.record(event, out);
        for channel in self.channels.values_mut() {
            channel.quarantine(backup_taken);
        }
        // What was being signed then may be signed by now, and what a peer would say about it proves nothing.
        let is_opening = |channel: &&Channel| channel.state().live().is_none();
        let openings: Vec<ChannelId> =
            self.channels.values().filter(is_opening).map(Channel::id).collect();
        for id in openings {
            self.with_channel(id, moment, out, |channel, _, decision| {
                channel.give_up(AbandonReason::Operator, decision);
            });
        }
    }

    /// How a peer is told that this node does not know a channel. One that was restored may have forgotten it, with
    /// money in it: it asks for a close.
    pub(crate) fn code_for_unknown(&self, id: &ChannelId, message: &Message) -> FaultCode {
        let may_be_ours = self.book.restored.is_some()
            && matches!(message, Message::Reestablish(_))
            && !self.channels.contains_key(id)
            && self.book.ended.find(id).is_none();
        if may_be_ours { FaultCode::DataLost } else { FaultCode::UnknownChannel }
    }

    pub(crate) fn command_recover(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        choice: RecoveryChoice,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let done = self.recover(channel, choice, moment, out);
        let answer = done.and_then(|()| self.recovery_view(&channel));
        reply(id, answer.map(|view| Answer::Recovery(Box::new(view))), out);
    }

    fn recover(
        &mut self,
        id: ChannelId,
        choice: RecoveryChoice,
        moment: &Moment<'_>,
        out: &mut Step,
    ) -> Result<(), CommandError> {
        let live = self.channels.get(&id).and_then(|channel| channel.state().live());
        let live = live.ok_or(CommandError::UnknownChannel(id))?;
        let may_lose = live.setup.funding.value;
        let choice = match choice {
            RecoveryChoice::AskPeer => Recovery::AskPeer,
            RecoveryChoice::ApproveClose { at_least } => Recovery::ApproveClose { at_least },
            RecoveryChoice::AcceptLoss { may_lose: confirmed } if confirmed == may_lose => {
                Recovery::AcceptLoss
            }
            RecoveryChoice::AcceptLoss { may_lose: confirmed } => {
                return Err(CommandError::LossNotConfirmed { channel: id, may_lose, confirmed });
            }
        };
        let mut chosen = Ok(());
        self.with_channel(id, moment, out, |channel, moment, decision| {
            chosen = channel.recover(choice, moment, decision);
        });
        chosen.map_err(|source| CommandError::Recovery { channel: id, source })
    }

    /// Every channel whose state is not trusted, as the operator sees it.
    #[must_use]
    pub fn recovery_views(&self) -> Vec<RecoveryView> {
        self.channels.values().filter_map(|channel| self.view_of_doubtful(channel)).collect()
    }

    fn recovery_view(&self, id: &ChannelId) -> Result<RecoveryView, CommandError> {
        let channel = self.channels.get(id).ok_or(CommandError::UnknownChannel(*id))?;
        self.view_of_doubtful(channel).ok_or(CommandError::UnknownChannel(*id))
    }

    fn view_of_doubtful(&self, channel: &Channel) -> Option<RecoveryView> {
        let state = channel.state();
        let live = state.live()?;
        let link = match self.greeting(&state.peer) {
            Some(Greeting::Done) => PeerLink::Connected,
            Some(Greeting::Awaited | Greeting::Dismissed) | None => PeerLink::Disconnected,
        };
        Some(RecoveryView {
            channel: state.id,
            peer: state.peer,
            link,
            stage: ChannelStage::of(&state.phase, self.tip().height),
            doubt: doubt(live)?,
            backup_taken: live.backup_taken,
            number: live.rounds.number,
            told_number: channel.told_number(),
            capacity: live.setup.funding.value,
            balance: live.rounds.ledger.settled_balance(state.party),
            close_brings: channel.told_output(),
            choice: live.recovery,
        })
    }
}

/// Why a channel's state is not trusted; `None` if it is.
const fn doubt(live: &Live) -> Option<Doubt> {
    match live.signing.standing() {
        Standing::Current => None,
        Standing::Quarantined | Standing::LossAccepted => Some(Doubt::Restored),
        Standing::DataLost => Some(Doubt::Outdated),
    }
}

#[cfg(test)]
mod tests;
