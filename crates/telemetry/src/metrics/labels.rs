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
}

/// Defines a label: an enum whose every value has its text beside it.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident, $label:literal {
        $($(#[$doc:meta])* $value:ident = $text:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $value,)+
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn value(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
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
        /// The queue was full.
        Dropped = "dropped",
        /// The collector did not take it.
        Failed = "failed",
    }
}

/// The way a payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From this node.
    Sent,
    /// To this node.
    Received,
}

impl Label for Direction {
    const NAME: &'static str = "direction";
    const ALL: &'static [Self] = &[Self::Sent, Self::Received];

    fn value(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// The phase a channel is in, as operators tell channels apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelPhase {
    /// Terms and signatures are being exchanged.
    Negotiating,
    /// The funding transaction is not deep enough yet.
    AwaitingFunding,
    /// Payments can be made.
    Open,
    /// A cooperative close is being agreed or mined.
    Closing,
    /// A commitment, of either side, settles it.
    ForceClosing,
    /// This node is behind; only the peer can close.
    Lost,
    /// Its state comes from a backup; it waits for the operator.
    Quarantined,
}

impl Label for ChannelPhase {
    const NAME: &'static str = "state";
    const ALL: &'static [Self] = &[
        Self::Negotiating,
        Self::AwaitingFunding,
        Self::Open,
        Self::Closing,
        Self::ForceClosing,
        Self::Lost,
        Self::Quarantined,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Negotiating => "negotiating",
            Self::AwaitingFunding => "awaiting_funding",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::ForceClosing => "force_closing",
            Self::Lost => "lost",
            Self::Quarantined => "quarantined",
        }
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
}

/// How a request to the chain backend failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainErrorKind {
    /// No connection, no answer in time, or one that says to come back later.
    Unreachable,
    /// The backend refused our credentials.
    Unauthorized,
    /// The answer makes no sense or breaks a rule of the chain.
    BadAnswer,
    /// The backend answered with an error of its own.
    Refused,
    /// A transaction was not accepted.
    Rejected,
}

impl Label for ChainErrorKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] =
        &[Self::Unreachable, Self::Unauthorized, Self::BadAnswer, Self::Refused, Self::Rejected];

    fn value(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::BadAnswer => "bad_answer",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
        }
    }
}

/// A part of the wallet's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletBalance {
    /// In a block, and free.
    Confirmed,
    /// Not in a block yet.
    Unconfirmed,
    /// Held for an opening or for the fee of a close that is under way.
    Reserved,
    /// Mined as a block's reward, and not deep enough to be spent.
    Immature,
}

impl Label for WalletBalance {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] =
        &[Self::Confirmed, Self::Unconfirmed, Self::Reserved, Self::Immature];

    fn value(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unconfirmed",
            Self::Reserved => "reserved",
            Self::Immature => "immature",
        }
    }
}

/// How a call into a contract ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// With an answer.
    Answered,
    /// The contract said no.
    Refused,
    /// The contract trapped.
    Trapped,
    /// A limit of fuel, memory, depth or time was reached.
    LimitReached,
}

impl Label for CallResult {
    const NAME: &'static str = "result";
    const ALL: &'static [Self] =
        &[Self::Answered, Self::Refused, Self::Trapped, Self::LimitReached];

    fn value(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Trapped => "trapped",
            Self::LimitReached => "limit_reached",
        }
    }
}

/// Why this node closes a channel without its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForceCloseReason {
    /// The operator asked for it.
    Operator,
    /// The peer broke the protocol.
    Violation,
    /// The peer let a deadline pass.
    Deadline,
    /// The peer does not know the channel any more, or is behind.
    PeerLost,
    /// The peer closes, and asks this node to pay for it.
    Asked,
}

impl Label for ForceCloseReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] =
        &[Self::Operator, Self::Violation, Self::Deadline, Self::PeerLost, Self::Asked];

    fn value(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Violation => "violation",
            Self::Deadline => "deadline",
            Self::PeerLost => "peer_lost",
            Self::Asked => "asked",
        }
    }
}

/// What spent a channel's funding output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FundingSpender {
    /// A transaction that both sides signed for it.
    Cooperative,
    /// This node's commitment.
    Holder,
    /// A commitment that this node had revoked: an old copy of it has been at work.
    HolderRevoked,
    /// The peer's commitment.
    Counterparty,
    /// A commitment that the peer had revoked: it is punished.
    CounterpartyRevoked,
    /// Something that this node does not know: it has lost data, or worse.
    Unknown,
}

impl Label for FundingSpender {
    const NAME: &'static str = "by";
    const ALL: &'static [Self] = &[
        Self::Cooperative,
        Self::Holder,
        Self::HolderRevoked,
        Self::Counterparty,
        Self::CounterpartyRevoked,
        Self::Unknown,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Cooperative => "cooperative",
            Self::Holder => "holder",
            Self::HolderRevoked => "holder_revoked",
            Self::Counterparty => "counterparty",
            Self::CounterpartyRevoked => "counterparty_revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// A queue between two threads of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Inputs that wait for the engine.
    Inbox,
    /// Batches of decisions that wait for the writer.
    Outbox,
}

impl Label for Queue {
    const NAME: &'static str = "queue";
    const ALL: &'static [Self] = &[Self::Inbox, Self::Outbox];

    fn value(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
        }
    }
}

/// What was asked of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandName {
    /// Look at the node.
    Status,
    /// List the peers.
    Peers,
    /// Connect to a peer.
    ConnectPeer,
    /// List the channels.
    Channels,
    /// Look at a channel.
    Channel,
    /// Open a channel.
    OpenChannel,
    /// Close a channel.
    CloseChannel,
    /// List the channels that are not trusted.
    Recoveries,
    /// End one of them.
    Recover,
    /// Pay over a channel.
    Pay,
    /// List the modules.
    Modules,
    /// Add a module.
    AddModule,
    /// List the contracts.
    Contracts,
    /// Look at a contract.
    Contract,
    /// Open a contract.
    OpenContract,
    /// Act in a contract.
    Act,
    /// Settle a contract.
    Settle,
    /// Offer a lock.
    OfferLock,
    /// Claim a lock.
    ClaimLock,
    /// Give a lock back.
    CancelLock,
    /// List the locks.
    Locks,
    /// Look at a lock.
    Lock,
    /// Look at the wallet.
    Wallet,
    /// Make an address.
    NewAddress,
    /// Pay on chain.
    SendCoins,
    /// All tokens.
    Tokens,
    /// Make a token.
    IssueToken,
    /// Revoke a token.
    RevokeToken,
}

impl CommandName {
    /// Its name in metrics and spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.value()
    }
}

impl Label for CommandName {
    const NAME: &'static str = "command";
    const ALL: &'static [Self] = &[
        Self::Status,
        Self::Peers,
        Self::ConnectPeer,
        Self::Channels,
        Self::Channel,
        Self::OpenChannel,
        Self::CloseChannel,
        Self::Recoveries,
        Self::Recover,
        Self::Pay,
        Self::Modules,
        Self::AddModule,
        Self::Contracts,
        Self::Contract,
        Self::OpenContract,
        Self::Act,
        Self::Settle,
        Self::OfferLock,
        Self::ClaimLock,
        Self::CancelLock,
        Self::Locks,
        Self::Lock,
        Self::Wallet,
        Self::NewAddress,
        Self::SendCoins,
        Self::Tokens,
        Self::IssueToken,
        Self::RevokeToken,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Peers => "peers",
            Self::ConnectPeer => "connect_peer",
            Self::Channels => "channels",
            Self::Channel => "channel",
            Self::OpenChannel => "open_channel",
            Self::CloseChannel => "close_channel",
            Self::Recoveries => "recoveries",
            Self::Recover => "recover",
            Self::Pay => "pay",
            Self::Modules => "modules",
            Self::AddModule => "add_module",
            Self::Contracts => "contracts",
            Self::Contract => "contract",
            Self::OpenContract => "open_contract",
            Self::Act => "act",
            Self::Settle => "settle",
            Self::OfferLock => "offer_lock",
            Self::ClaimLock => "claim_lock",
            Self::CancelLock => "cancel_lock",
            Self::Locks => "locks",
            Self::Lock => "lock",
            Self::Wallet => "wallet",
            Self::NewAddress => "new_address",
            Self::SendCoins => "send_coins",
            Self::Tokens => "tokens",
            Self::IssueToken => "issue_token",
            Self::RevokeToken => "revoke_token",
        }
    }
}

/// Where in the node an error arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A peer broke the protocol.
    Protocol,
    /// A message could not be sent, or a peer could not be kept connected.
    Network,
    /// The event store failed.
    Store,
    /// The chain backend failed.
    Chain,
    /// The wallet could not pay what was asked.
    Wallet,
    /// A call into a contract trapped, reached a limit or failed on this machine.
    Contract,
    /// A request to the API was answered with a status of 500 or more.
    Api,
}

impl Label for ErrorKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &[
        Self::Protocol,
        Self::Network,
        Self::Store,
        Self::Chain,
        Self::Wallet,
        Self::Contract,
        Self::Api,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Network => "network",
            Self::Store => "store",
            Self::Chain => "chain",
            Self::Wallet => "wallet",
            Self::Contract => "contract",
            Self::Api => "api",
        }
    }
}
