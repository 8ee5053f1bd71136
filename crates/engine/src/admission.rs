//! Which peers may have another channel: the operator's limits, and who gets the room for channels that nobody has
//! funded yet.
//!
//! An opening costs a stranger nothing, for the coins it names need not exist, and a signed channel is kept for two weeks
//! in case its funding comes. So strangers have a part of that room only, whoever takes most of it makes room for who has
//! less, and where all have the same, whoever has had its time does. A channel that goes was never on chain, and nothing
//! in it is this node's.

use std::collections::BTreeMap;

use strait_channel::{AbandonReason, Channel, Funded, Live};
use strait_primitives::{BlockDelta, BlockHeight, ChannelId, NodeId, Party, Timestamp};

use crate::config::Inbound;
use crate::engine::{Engine, Moment, Step};
use crate::limits::{
    OPENINGS_MAX, OPENINGS_PER_PEER_MAX, OPENINGS_WITHIN, STRANGERS_FUND_WITHIN, UNFUNDED_KEPT_PART,
};

/// Where the place for one more channel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is free.
    Free,
    /// This one, never funded, has to go.
    Of(ChannelId),
}

/// A stranger's channel that is not on the chain.
#[derive(Debug, Clone, Copy)]
struct Unfunded {
    id: ChannelId,
    peer: NodeId,
    /// Since when it is signed; none while it is not.
    signed_at: Option<BlockHeight>,
}

impl Engine {
    /// Where the place for a channel that a peer asks for comes from.
    ///
    /// # Errors
    /// Why this node takes no further channel, whatever it looks like.
    pub(crate) fn admit_opening(&mut self, peer: NodeId, now: Timestamp) -> Result<Place, String> {
        match self.config.inbound {
            Inbound::Accepted => {}
            Inbound::Refused => return Err("this node takes no channels from others".into()),
        }
        if self.check_disk().is_err() {
            return Err("the disk of this node is nearly full: it takes no channel now".into());
        }
        let most = self.config.channels_max;
        if self.channels.len() >= most {
            return Err(format!("this node has {most} channels already"));
        }
        let most = self.config.channels_per_peer_max;
        let with_peer = self.channels.values().filter(|channel| channel.peer() == peer);
        if with_peer.count() >= most {
            return Err(format!("this node has {most} channels with this peer already"));
        }
        if self.is_hasty(peer, now) {
            return Err("too many openings came to nothing of late".into());
        }
        if let Some(note) = self.refuse_for_reserve() {
            return Err(note);
        }
        self.find_place(peer)
    }

    /// Gives a channel up that was never funded and in which nothing is this node's: its place is needed.
    pub(crate) fn give_place(&mut self, id: ChannelId, moment: &Moment<'_>, out: &mut Step) {
        let Some(channel) = self.channels.get(&id) else { return };
        let peer = channel.peer();
        if channel.state().live().is_some() {
            self.forsake(id, AbandonReason::Expired, moment, out);
        } else {
            self.with_channel(id, moment, out, |channel, _, decision| {
                channel.give_up(AbandonReason::Expired, decision);
            });
        }
        self.tell_given_up(peer, id, "the place of a channel that nobody funded was needed", out);
    }

    fn find_place(&self, peer: NodeId) -> Result<Place, String> {
        let most = self.config.unfunded_max;
        let all = self.channels.values().filter_map(unfunded);
        let (known, strange): (Vec<_>, Vec<_>) =
            all.partition(|channel| self.is_acquainted(channel.peer));
        let is_full = known.len().saturating_add(strange.len()) >= most;
        let refusal = || Err(format!("{most} channels wait for their funding already"));
        if self.is_acquainted(peer) {
            if !is_full {
                return Ok(Place::Free);
            }
            let victim = greediest(&strange).or_else(|| strange.iter().min_by_key(|c| age(c)));
            return victim.map_or_else(refusal, |victim| Ok(Place::Of(victim.id)));
        }
        let share = most.saturating_sub(most / UNFUNDED_KEPT_PART);
        if !is_full && strange.len() < share {
            return Ok(Place::Free);
        }
        let own = strange.iter().filter(|channel| channel.peer == peer).count();
        let fairer = greediest(&strange).filter(|c| count_of(&strange, c.peer) > own + 1);
        let victim = fairer.or_else(|| overdue(&strange, self.tip().height));
        victim.map_or_else(refusal, |victim| Ok(Place::Of(victim.id)))
    }

    /// True if somebody has vouched for a peer: the operator by name, or a block for a channel with it.
    fn is_acquainted(&self, peer: NodeId) -> bool {
        let is_funded = |channel: &Channel| {
            let funded = channel.state().live().map(|live| live.funded);
            matches!(funded, Some(Funded::Mined(_) | Funded::Spent { .. }))
        };
        self.book.peers.contains_key(&peer)
            || self.channels.values().any(|channel| channel.peer() == peer && is_funded(channel))
    }

    /// True if the peer, or all strangers together, began as many openings of late as the log has room for.
    fn is_hasty(&mut self, peer: NodeId, now: Timestamp) -> bool {
        self.answered_openings.retain(|(at, _, _)| now.since(*at) < OPENINGS_WITHIN);
        let answered = &self.answered_openings;
        if answered.iter().filter(|(_, by, _)| *by == peer).count() >= OPENINGS_PER_PEER_MAX {
            return true;
        }
        !self.is_acquainted(peer)
            && answered.iter().filter(|(_, by, _)| !self.is_acquainted(*by)).count() >= OPENINGS_MAX
    }
}

/// True of a channel that a peer asked for and no block has funded, and that may be forgotten for it.
pub(crate) fn is_unfunded(channel: &Channel) -> bool {
    let state = channel.state();
    state.party == Party::Acceptor && state.live().is_none_or(Live::is_forsakable)
}

fn unfunded(channel: &Channel) -> Option<Unfunded> {
    let state = channel.state();
    let live = state.live();
    is_unfunded(channel).then(|| Unfunded {
        id: state.id,
        peer: state.peer,
        signed_at: live.map(|live| live.signed_at),
    })
}

fn count_of(channels: &[Unfunded], peer: NodeId) -> usize {
    channels.iter().filter(|channel| channel.peer == peer).count()
}

/// The oldest channel of whoever has most of them, and more than one.
fn greediest(channels: &[Unfunded]) -> Option<&Unfunded> {
    let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
    for channel in channels {
        *counts.entry(channel.peer).or_default() += 1;
    }
    let (peer, _) = counts.into_iter().filter(|(_, count)| *count > 1).max_by_key(|(_, n)| *n)?;
    channels.iter().filter(|channel| channel.peer == peer).min_by_key(|channel| age(channel))
}

/// The oldest channel of those that had their time.
fn overdue(channels: &[Unfunded], tip: BlockHeight) -> Option<&Unfunded> {
    let had_its_time = |channel: &&Unfunded| {
        let wait: BlockDelta = STRANGERS_FUND_WITHIN;
        channel.signed_at.is_some_and(|signed| signed.saturating_add(wait) <= tip)
    };
    channels.iter().filter(had_its_time).min_by_key(|channel| age(channel))
}

/// What orders channels by age: what is not signed is youngest.
fn age(channel: &Unfunded) -> (bool, Option<BlockHeight>) {
    (channel.signed_at.is_none(), channel.signed_at)
}
