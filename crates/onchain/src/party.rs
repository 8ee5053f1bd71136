//! Who started a channel, and the coins both parties bring.

use bitcoin::{OutPoint, TxOut};

/// A side of a channel by how the channel began: the same word on both nodes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Party {
    /// The side that proposed the channel.
    #[n(0)]
    Opener,
    /// The side that accepted it.
    #[n(1)]
    Acceptor,
}

/// A taproot coin of a wallet: a place on chain and what lies there.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct WalletCoin {
    /// The place.
    #[cbor(n(0), with = "crate::cbor::consensus")]
    pub outpoint: OutPoint,
    /// The output there.
    #[cbor(n(1), with = "crate::cbor::consensus")]
    pub output: TxOut,
}
