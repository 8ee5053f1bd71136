//! Everything a node can do to the world. Sealed until the events before it are saved.

use bitcoin::{OutPoint, Transaction};
use strait_primitives::{ChannelId, MilliSats, NodeId};
use strait_watcher::Standing;
use strait_wire::Message;

use crate::{Answer, CommandError, CommandId, Overview};

/// One thing to be done.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Say this to a peer.
    Send(NodeId, Box<Message>),
    /// Drop the connection to a peer.
    Disconnect(NodeId),
    /// Connect to a peer and stay connected.
    KeepConnected(NodeId, Vec<String>),
    /// Stop connecting to a peer; a live connection stays.
    Forget(NodeId),
    /// Bring transactions on chain: one, or a parent and the child that pays for it.
    Broadcast(Vec<Transaction>),
    /// Look for waiting transactions that spend any of these outputs, these alone from now on, and tell each once.
    LookFor(Vec<OutPoint>),
    /// Answer a command.
    Reply(CommandId, Result<Answer, CommandError>),
    /// For counters and logs.
    Report(Report),
}

/// Something that an operator's counters and logs want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A channel began to live.
    ChannelOpened(ChannelId),
    /// A channel is settled and forgotten.
    ChannelResolved(ChannelId),
    /// A channel closes without its peer.
    ForceClosed(ChannelId),
    /// A block spent a channel's funding output.
    FundingSpent {
        /// Which channel's.
        channel: ChannelId,
        /// What the transaction that spent it means.
        standing: Standing,
    },
    /// Payments that this node made became irrevocable.
    PaymentsSent {
        /// Through which channel.
        channel: ChannelId,
        /// How many.
        count: u64,
        /// How much.
        total: MilliSats,
    },
    /// Payments to this node became its own.
    PaymentsReceived {
        /// Through which channel.
        channel: ChannelId,
        /// How many.
        count: u64,
        /// How much.
        total: MilliSats,
    },
    /// A round ended with so many operations.
    Round {
        /// How many.
        operations: u64,
    },
    /// How the node is, now and then.
    Overview(Box<Overview>),
    /// A peer broke the protocol, for the first time in this way on its connection.
    PeerFault {
        /// Which peer.
        peer: NodeId,
        /// About which channel.
        channel: Option<ChannelId>,
        /// What it did, for people.
        what: String,
    },
    /// A peer did again what was told of it on this connection already: to be counted, not told.
    PeerRepeats {
        /// Which peer.
        peer: NodeId,
    },
    /// A peer told us that something is wrong, for the first time of this kind on its connection.
    PeerComplaint {
        /// Which peer.
        peer: NodeId,
        /// What it says.
        what: String,
    },
}
