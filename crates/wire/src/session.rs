//! What is said once per connection, and how a peer is told that something is wrong.

use strait_primitives::{ChannelId, Digest};

use crate::Note;

/// The first message on every stream, from both ends.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Hello {
    /// The protocol version spoken; this crate speaks 1.
    #[n(0)]
    pub version: u16,
    /// The hash of the chain's genesis block, in its byte order on the wire.
    #[n(1)]
    pub chain: Digest,
}

/// Which rule was broken: the peer's operator may act on it, the protocol never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum FaultCode {
    /// The message could not be parsed or does not fit the moment.
    #[n(0)]
    Violation,
    /// An opening or a contract is refused by policy.
    #[n(1)]
    Refused,
    /// The channel is not known here.
    #[n(2)]
    UnknownChannel,
    /// Another chain, or a version that is not spoken here.
    #[n(3)]
    Incompatible,
    /// This side has lost data and asks for a close of the channel.
    #[n(4)]
    DataLost,
    /// This side closes the channel, has too little in it to pay for that, and asks the other side to.
    #[n(5)]
    CloseAsked,
}

/// Tells the peer what was wrong, for its logs.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Fault {
    /// The channel it concerns; all of the connection without.
    #[n(0)]
    pub channel: Option<ChannelId>,
    /// The kind.
    #[n(1)]
    pub code: FaultCode,
    /// For people.
    #[n(2)]
    pub note: Note,
}
