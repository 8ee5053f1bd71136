//! Coins: outputs that can be spent, and where they came from.

use bitcoin::TxOut;

/// Where a coin was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoinOrigin {
    /// By the coinbase of the block at this height.
    Coinbase(u32),
    /// By another transaction of the block at this height.
    Block(u32),
    /// By a transaction that waits in the mempool or in the same package.
    Mempool,
}

/// An output that can be spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coin {
    /// The output.
    pub(crate) output: TxOut,
    /// Where it was created.
    pub(crate) origin: CoinOrigin,
}
