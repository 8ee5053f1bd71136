//! The durable state of a channel: a fold of its events and nothing else.

mod ended;
mod fold;
mod history;
mod opening;
mod rounds;

use strait_primitives::{ChannelId, CommitmentNumber, KeySalt, NodeId, Party, RevocationSecret};

pub use self::ended::{Ended, Ending};
pub(crate) use self::fold::setup_of;
pub use self::history::{LockHistory, LockSpan};
pub use self::opening::{Answered, Offered, OpeningSigned};
pub use self::rounds::{Closing, Funded, Live, Outstanding, Rounds};

/// A channel as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ChannelState {
    /// Its name.
    #[n(0)]
    pub id: ChannelId,
    /// The other node.
    #[n(1)]
    pub peer: NodeId,
    /// Which party this node is.
    #[n(2)]
    pub party: Party,
    /// What this node's keys derive from, beside the seed.
    #[n(3)]
    pub salt: KeySalt,
    /// Where in its life it stands.
    #[n(4)]
    pub phase: Phase,
    /// What it was, once it is over.
    #[n(5)]
    pub ended: Option<Box<Ended>>,
}

/// Where in its life a channel stands.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Phase {
    /// Asked for, not answered.
    #[n(0)]
    Offered(#[n(0)] Box<Offered>),
    /// Agreed to, not signed.
    #[n(1)]
    Answered(#[n(0)] Box<Answered>),
    /// The opener has signed, the acceptor has not.
    #[n(2)]
    OpeningSigned(#[n(0)] Box<OpeningSigned>),
    /// Signed by both: it lives as its funding output lives.
    #[n(3)]
    Live(#[n(0)] Box<Live>),
    /// It came to nothing.
    #[n(4)]
    Abandoned,
    /// It is settled, at depth.
    #[n(5)]
    Resolved,
}

impl ChannelState {
    /// The live part, from signing to resolution.
    #[must_use]
    pub const fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Live(live) => Some(live),
            Phase::Offered(_)
            | Phase::Answered(_)
            | Phase::OpeningSigned(_)
            | Phase::Abandoned
            | Phase::Resolved => None,
        }
    }

    /// True once nothing more can happen to it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Abandoned | Phase::Resolved)
    }

    /// The counterparty's last revealed secret and its number, as proof of how far it has gone.
    #[must_use]
    pub fn last_secret(&self) -> Option<(CommitmentNumber, RevocationSecret)> {
        let rounds = &self.live()?.rounds;
        let number = rounds.secrets.last()?;
        let secret = rounds.secrets.secret(number)?;
        Some((number, secret))
    }
}
