//! The cooperative close (protocol section 8).

use strait_primitives::{ChannelId, MilliSats, Sats};

use crate::ScriptBytes;

/// Length of a BIP-0327 public nonce in bytes.
const PUBLIC_NONCE_LEN: usize = 66;
/// Length of a BIP-0327 partial signature in bytes.
const PARTIAL_SIGNATURE_LEN: usize = 32;

/// Ends the rounds of a channel for good and says where the sender wants its balance.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Shutdown {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// Where the sender's balance goes.
    #[n(1)]
    pub script: ScriptBytes,
    /// A fresh public nonce of the sender, for the closing transaction that the other side proposes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; PUBLIC_NONCE_LEN],
}

/// Offers a closing transaction whose fee the sender pays, with the sender's half of the signature.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CloseOffer {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The fee, out of the sender's balance.
    #[n(1)]
    pub fee: Sats,
    /// The sender's public nonce, made for this offer alone.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; PUBLIC_NONCE_LEN],
    /// The sender's partial signature, over the receiver's nonce of its last [`Shutdown`] or [`CloseSign`].
    #[cbor(n(3), with = "minicbor::bytes")]
    pub partial: [u8; PARTIAL_SIGNATURE_LEN],
}

/// Completes an offered closing transaction.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CloseSign {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The fee of the offer that this completes.
    #[n(1)]
    pub fee: Sats,
    /// The sender's half of the signature.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub partial: [u8; PARTIAL_SIGNATURE_LEN],
    /// A fresh public nonce of the sender, for the next offer.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: [u8; PUBLIC_NONCE_LEN],
}

/// Tells a peer whose store was restored from a backup what a close would bring each side now, by the sender's ledger.
///
/// It binds nobody: the peer's operator decides by it, and a [`CloseOffer`] to such a peer follows the last one sent.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CloseTerms {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// What is the opener's.
    #[n(1)]
    pub opener: MilliSats,
    /// What is the acceptor's.
    #[n(2)]
    pub acceptor: MilliSats,
    /// The fee; whoever has more pays it, the opener on a tie.
    #[n(3)]
    pub fee: Sats,
}
