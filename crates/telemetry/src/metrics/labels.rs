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
    /// A close has begun and is not buried yet.
    Closing,
    /// Every coin is where it belongs.
    Closed,
}

impl Label for ChannelPhase {
    const NAME: &'static str = "state";
    const ALL: &'static [Self] =
        &[Self::Negotiating, Self::AwaitingFunding, Self::Open, Self::Closing, Self::Closed];

    fn value(self) -> &'static str {
        match self {
            Self::Negotiating => "negotiating",
            Self::AwaitingFunding => "awaiting_funding",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
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
    /// No connection.
    Unreachable,
    /// No answer in time.
    Timeout,
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
    const ALL: &'static [Self] = &[
        Self::Unreachable,
        Self::Timeout,
        Self::Unauthorized,
        Self::BadAnswer,
        Self::Refused,
        Self::Rejected,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
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
    /// In a block.
    Confirmed,
    /// Not in a block yet.
    Unconfirmed,
    /// Kept back for the fees of closing channels.
    Reserved,
}

impl Label for WalletBalance {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &[Self::Confirmed, Self::Unconfirmed, Self::Reserved];

    fn value(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unconfirmed",
            Self::Reserved => "reserved",
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

/// Where in the node an error arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A peer broke the protocol.
    Protocol,
    /// A connection or stream failed.
    Network,
    /// The event store failed.
    Store,
    /// The chain backend failed.
    Chain,
    /// The wallet could not do what was asked.
    Wallet,
    /// A contract or its machine failed.
    Contract,
    /// A request to the API was refused or failed.
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
