//! The one enum of all messages, and its bytes.

use minicbor::{Decode, Encode};
use strait_primitives::ChannelId;
use thiserror::Error;

use crate::limits::FRAME_BYTES_MAX;
use crate::{
    Accept, AcceptChannel, AgreeContract, CloseOffer, CloseSign, CloseTerms, Fault, Finalize,
    Hello, OfferContract, OpenChannel, Propose, Reestablish, RefuseContract, RequestTurn, Shutdown,
    SignOpening,
};

/// Message types from here on may be ignored by those who do not know them.
const IGNORABLE_FROM: u16 = 0x8000;

/// Why a frame is not a message. Every one of these is the peer's fault and ends the connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than a frame may be.
    #[error("a frame of {actual} bytes, at most {limit} are allowed")]
    TooLong {
        /// Its length.
        actual: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// Shorter than a message type.
    #[error("a frame of {actual} bytes has no message type")]
    TooShort {
        /// Its length.
        actual: usize,
    },
    /// A type this version does not know and may not ignore.
    #[error("unknown message type {kind:#06x}")]
    UnknownType {
        /// The type.
        kind: u16,
    },
    /// The body is not what the type promises.
    #[error("message type {kind:#06x} is malformed")]
    Malformed {
        /// The type.
        kind: u16,
        /// Where and why.
        #[source]
        source: minicbor::decode::Error,
    },
    /// Bytes after the body.
    #[error("message type {kind:#06x} has {extra} bytes after its body")]
    Trailing {
        /// The type.
        kind: u16,
        /// How many.
        extra: usize,
    },
}

/// Builds [`Message`], its type numbers and its codec from one table.
macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident = $kind:literal),* $(,)?) => {
        /// Everything two nodes say to each other.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $($(#[$meta])* $name($name),)*
        }

        $(impl From<$name> for Message {
            fn from(body: $name) -> Self {
                Self::$name(body)
            }
        })*

        impl Message {
            /// Its type number on the wire.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self { $(Self::$name(_) => $kind,)* }
            }

            /// Its name, for logs and metrics.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            fn encode_body(&self, bytes: &mut Vec<u8>) {
                let mut encoder = minicbor::Encoder::new(bytes);
                let done = match self { $(Self::$name(body) => body.encode(&mut encoder, &mut ()),)* };
                done.expect("writing to memory cannot fail");
            }

            fn decode_body(
                kind: u16,
                decoder: &mut minicbor::Decoder<'_>,
            ) -> Option<Result<Self, minicbor::decode::Error>> {
                match kind {
                    $($kind => Some($name::decode(decoder, &mut ()).map(Self::$name)),)*
                    _ => None,
                }
            }
        }
    };
}

messages! {
    /// First on every stream.
    Hello = 0x0001,
    /// Something is wrong.
    Fault = 0x0002,
    /// Asks for a channel.
    OpenChannel = 0x0010,
    /// Agrees to one.
    AcceptChannel = 0x0011,
    /// Signs commitment 0.
    SignOpening = 0x0012,
    /// Begins a round.
    Propose = 0x0020,
    /// Accepts it.
    Accept = 0x0021,
    /// Ends it.
    Finalize = 0x0022,
    /// Asks for the turn.
    RequestTurn = 0x0023,
    /// Offers a contract.
    OfferContract = 0x0030,
    /// Agrees to it.
    AgreeContract = 0x0031,
    /// Refuses it.
    RefuseContract = 0x0032,
    /// Ends the rounds.
    Shutdown = 0x0040,
    /// Offers a closing transaction.
    CloseOffer = 0x0041,
    /// Completes it.
    CloseSign = 0x0042,
    /// Tells a restored peer what a close would bring.
    CloseTerms = 0x0043,
    /// Says where a channel stands.
    Reestablish = 0x0050,
}

impl Message {
    /// The frame of this message.
    ///
    /// # Panics
    /// If the frame would be longer than allowed, which bounded fields rule out.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let mut bytes = self.kind().to_be_bytes().to_vec();
        self.encode_body(&mut bytes);
        assert!(bytes.len() <= FRAME_BYTES_MAX, "bounded fields make bounded frames");
        bytes
    }

    /// Reads a frame. `Ok(None)` is a message that this version may ignore.
    ///
    /// # Errors
    /// [`FrameError`]: the peer broke the wire format.
    pub fn from_frame(frame: &[u8]) -> Result<Option<Self>, FrameError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { actual: frame.len(), limit: FRAME_BYTES_MAX });
        }
        let Some((kind, body)) = frame.split_first_chunk::<2>() else {
            return Err(FrameError::TooShort { actual: frame.len() });
        };
        let kind = u16::from_be_bytes(*kind);
        let mut decoder = minicbor::Decoder::new(body);
        let Some(decoded) = Self::decode_body(kind, &mut decoder) else {
            return if kind >= IGNORABLE_FROM {
                Ok(None)
            } else {
                Err(FrameError::UnknownType { kind })
            };
        };
        let message = decoded.map_err(|source| FrameError::Malformed { kind, source })?;
        let extra = body.len() - decoder.position();
        if extra > 0 {
            return Err(FrameError::Trailing { kind, extra });
        }
        Ok(Some(message))
    }

    /// The channel it speaks of, if it speaks of one.
    #[must_use]
    pub const fn channel(&self) -> Option<ChannelId> {
        match self {
            Self::Hello(_) => None,
            Self::Fault(m) => m.channel,
            Self::OpenChannel(m) => Some(m.channel),
            Self::AcceptChannel(m) => Some(m.channel),
            Self::SignOpening(m) => Some(m.channel),
            Self::Propose(m) => Some(m.channel),
            Self::Accept(m) => Some(m.channel),
            Self::Finalize(m) => Some(m.channel),
            Self::RequestTurn(m) => Some(m.channel),
            Self::OfferContract(m) => Some(m.channel),
            Self::AgreeContract(m) => Some(m.channel),
            Self::RefuseContract(m) => Some(m.channel),
            Self::Shutdown(m) => Some(m.channel),
            Self::CloseOffer(m) => Some(m.channel),
            Self::CloseSign(m) => Some(m.channel),
            Self::CloseTerms(m) => Some(m.channel),
            Self::Reestablish(m) => Some(m.channel),
        }
    }
}
