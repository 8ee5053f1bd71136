//! Who started a channel, and the coins both parties bring.

use bitcoin::{OutPoint, TxOut};

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
