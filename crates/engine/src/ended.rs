//! Channels that are over, as users ask about them later. Bounded; the log itself forgets nothing.

use std::collections::VecDeque;

use strait_channel::{AbandonReason, ChannelState, Ended, Ending};
use strait_primitives::{ChannelId, NodeId, Party};

use crate::limits::ENDED_CHANNELS_MAX;

/// A channel that is over.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct EndedChannel {
    /// Its name.
    #[n(0)]
    pub id: ChannelId,
    /// The other node.
    #[n(1)]
    pub peer: NodeId,
    /// Which party this node was.
    #[n(2)]
    pub party: Party,
    /// What it was when it ended.
    #[n(3)]
    pub ended: Ended,
}

impl EndedChannel {
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.ended.how, Ending::Settled { .. })
    }
}

/// The channels that ended last, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct EndedChannels(#[n(0)] VecDeque<EndedChannel>);

impl EndedChannels {
    /// Notes a channel that is over. What strangers asked for and left again is not worth a place.
    pub(crate) fn note(&mut self, channel: &ChannelState) {
        let Some(ended) = channel.ended.as_deref() else { return };
        let is_strangers = match ended.how {
            Ending::Abandoned(AbandonReason::Peer | AbandonReason::Expired) => {
                channel.party == Party::Acceptor
            }
            Ending::Abandoned(AbandonReason::Operator | AbandonReason::Conflicted)
            | Ending::Settled { .. } => false,
        };
        if is_strangers {
            return;
        }
        let (id, peer, party) = (channel.id, channel.peer, channel.party);
        self.0.push_back(EndedChannel { id, peer, party, ended: ended.clone() });
        while self.0.len() > ENDED_CHANNELS_MAX {
            self.0.pop_front();
        }
    }

    /// True for a channel that was here: its name, and all names that follow from it, are not to be used again.
    pub(crate) fn holds(&self, id: &ChannelId) -> bool {
        self.0.iter().any(|channel| channel.id == *id)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &EndedChannel> {
        self.0.iter()
    }

    /// One of them; the newest of that name.
    #[must_use]
    pub fn find(&self, id: &ChannelId) -> Option<&EndedChannel> {
        self.0.iter().rev().find(|channel| channel.id == *id)
    }
}
