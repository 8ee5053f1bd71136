//! The labels of metrics: each an enum, so that the number of series is known in advance.

use strait_primitives::Side;

/// A label with a bounded set of values.
pub(crate) trait Label: Copy + 'static {
    /// The name of the label.
    const NAME: &'static str;
    /// Every value.
    const ALL: &'static [Self];

    /// The value as text.
    fn value(self) -> &'static str;

    /// What the value says.
    fn meaning(self) -> &'static str;
}

/// Defines a label: an enum whose every value has its text and its meaning beside it.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident, $label:literal {
        $($(#[doc = $doc:literal])+ $value:ident = $text:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $doc])+ $value,)+
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn value(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }

            fn meaning(self) -> &'static str {
                match self {
                    $(Self::$value => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}
pub(super) use labels;

labels! {
    /// What a saved decision lets happen.
    EffectKind, "kind" {
        /// A message to a peer.
        Send = "send",
        /// The end of a connection.
        Disconnect = "disconnect",
        /// A connection to be kept.
        KeepConnected = "keep_connected",
        /// A peer to be forgotten.
        Forget = "forget",
        /// Transactions for the chain.
        Broadcast = "broadcast",
        /// Outputs to look for.
        LookFor = "look_for",
        /// An answer.
        Reply = "reply",
        /// A word for whoever watches.
        Report = "report",
    }
}

labels! {
    /// What became of a span.
    SpanFate, "result" {
        /// The collector has it.
        Exported = "exported",
        /// The queue of 8,192 was full.
        Dropped = "dropped",
        /// The collector was away or refused it.
        Failed = "failed",
    }
}

labels! {
    /// The way something goes.
    Direction, "direction" {
        /// From this node.
        Sent = "sent",
        /// To this node.
        Received = "received",
    }
}

labels! {
    /// The phase a channel is in, as operators tell channels apart.
    ChannelPhase, "state" {
        /// Terms and signatures are being exchanged.
        Negotiating = "negotiating",
        /// The funding transaction is not deep enough yet.
        AwaitingFunding = "awaiting_funding",
        /// Payments can be made.
        Open = "open",
        /// A cooperative close is being agreed or mined.
        Closing = "closing",
        /// A commitment, of either side, settles it.
        ForceClosing = "force_closing",
        /// This node is behind; only the peer can close.
        Lost = "lost",
        /// Its state comes from a backup; it waits for the operator.
        Quarantined = "quarantined",
    }
}

impl Label for Side {
    const NAME: &'static str = "side";
    const ALL: &'static [Self] = &[Self::Holder, Self::Counterparty];

    fn value(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::Counterparty => "counterparty",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Holder => "This node.",
            Self::Counterparty => "Its peers.",
        }
    }
}

labels! {
    /// How a request to the chain backend failed.
    ChainErrorKind, "kind" {
        /// No connection, no answer in time, or one that says to come back later.
        Unreachable = "unreachable",
        /// The backend refused our credentials.
        Unauthorized = "unauthorized",
        /// The answer makes no sense or breaks a rule of the chain.
        BadAnswer = "bad_answer",
        /// The backend answered with an error of its own.
        Refused = "refused",
        /// A transaction was not accepted.
        Rejected = "rejected",
    }
}

labels! {
    /// A part of the wallet's balance.
    WalletBalance, "kind" {
        /// In a block, and free.
        Confirmed = "confirmed",
        /// Not in a block yet.
        Unconfirmed = "unconfirmed",
        /// Held for an opening or for the fee of a close that is under way.
        Reserved = "reserved",
        /// Mined as a block's reward, and not deep enough to be spent.
        Immature = "immature",
    }
}

labels! {
    /// How a call into a contract ended.
    CallResult, "result" {
        /// With an answer.
        Answered = "answered",
        /// The contract said no; that is an answer of its own.
        Refused = "refused",
        /// The contract trapped.
        Trapped = "trapped",
        /// A limit of fuel, memory, depth or time was reached.
        LimitReached = "limit_reached",
    }
}

labels! {
    /// Why this node closes a channel without its peer.
    ForceCloseReason, "reason" {
        /// The operator asked for it.
        Operator = "operator",
        /// The peer broke the protocol.
        Violation = "violation",
        /// The peer let a deadline pass.
        Deadline = "deadline",
        /// The peer does not know the channel any more, or is behind.
        PeerLost = "peer_lost",
        /// The peer closes, and asks this node to pay for it.
        Asked = "asked",
    }
}

labels! {
    /// What spent a channel's funding output.
    FundingSpender, "by" {
        /// A transaction that both sides signed for it.
        Cooperative = "cooperative",
        /// This node's commitment.
        Holder = "holder",
        /// A commitment that this node had revoked: an old copy of it has been at work.
        HolderRevoked = "holder_revoked",
        /// The peer's commitment.
        Counterparty = "counterparty",
        /// A commitment that the peer had revoked: an attempt to cheat, which this node punishes.
        CounterpartyRevoked = "counterparty_revoked",
        /// Something that this node does not know: it has lost data, or worse.
        Unknown = "unknown",
    }
}

labels! {
    /// A queue between two threads of the node.
    Queue, "queue" {
        /// Inputs that wait for the engine, 4,096 at most.
        Inbox = "inbox",
        /// Batches of decisions that wait for the disk, 8 at most.
        Outbox = "outbox",
    }
}

labels! {
    /// What was asked of the engine.
    CommandName, "command" {
        /// Look at the node.
        Status = "status",
        /// List the peers.
        Peers = "peers",
        /// Connect to a peer.
        ConnectPeer = "connect_peer",
        /// List the channels.
        Channels = "channels",
        /// Look at a channel.
        Channel = "channel",
        /// Open a channel.
        OpenChannel = "open_channel",
        /// Close a channel.
        CloseChannel = "close_channel",
        /// List the channels that are not trusted.
        Recoveries = "recoveries",
        /// End one of them.
        Recover = "recover",
        /// Pay over a channel.
        Pay = "pay",
        /// List the modules.
        Modules = "modules",
        /// Add a module.
        AddModule = "add_module",
        /// List the contracts.
        Contracts = "contracts",
        /// Look at a contract.
        Contract = "contract",
        /// Open a contract.
        OpenContract = "open_contract",
        /// Act in a contract.
        Act = "act",
        /// Settle a contract.
        Settle = "settle",
        /// Offer a lock.
        OfferLock = "offer_lock",
        /// Claim a lock.
        ClaimLock = "claim_lock",
        /// Give a lock back.
        CancelLock = "cancel_lock",
        /// List the locks.
        Locks = "locks",
        /// Look at a lock.
        Lock = "lock",
        /// Look at the wallet.
        Wallet = "wallet",
        /// Make an address.
        NewAddress = "new_address",
        /// Pay on chain.
        SendCoins = "send_coins",
        /// All tokens.
        Tokens = "tokens",
        /// Make a token.
        IssueToken = "issue_token",
        /// Revoke a token.
        RevokeToken = "revoke_token",
    }
}

impl CommandName {
    /// Its name in metrics and spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.value()
    }
}

labels! {
    /// Where in the node an error arose.
    ErrorKind, "kind" {
        /// A peer broke the protocol.
        Protocol = "protocol",
        /// A message could not be sent, or a peer could not be kept connected.
        Network = "network",
        /// The log failed, after which the node halts.
        Store = "store",
        /// A question to the chain failed.
        Chain = "chain",
        /// The wallet could not pay what was asked.
        Wallet = "wallet",
        /// A call into a contract trapped, reached a limit or failed on this machine.
        Contract = "contract",
        /// A request to the API was answered with a status of 500 or more.
        Api = "api",
    }
}
