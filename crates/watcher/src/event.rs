//! What a watcher writes to the log.
//!
//! Indices are the storage format and never reused (`docs/storage-format.md`).

use bitcoin::{OutPoint, Txid};
use strait_onchain::WalletScript;
use strait_primitives::{BlockHeight, FeeRate, PaymentHash, Preimage, Sats};

use crate::output::{OutputContent, OutputSpend, SpendPath};
use crate::spend::FundingSpend;

/// One claim as it was last planned.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ClaimPlan {
    /// The transaction.
    #[cbor(n(0), with = "strait_onchain::cbor::consensus")]
    pub txid: Txid,
    /// What it spends, in its order.
    #[cbor(n(1), with = "strait_onchain::cbor::list")]
    pub inputs: Vec<OutPoint>,
    /// Where the money goes.
    #[n(2)]
    pub destination: WalletScript,
    /// What it pays to miners for its size.
    #[n(3)]
    pub fee_rate: FeeRate,
    /// What it pays to miners in all: a replacement must pay more. Logs of the first version do not say.
    #[n(4)]
    pub fee: Option<Sats>,
    /// The tip at which it was planned. Logs of the first version do not say.
    #[n(5)]
    pub tip: Option<BlockHeight>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum WatchEvent {
    /// A block spent the funding output.
    #[n(0)]
    FundingSpent(#[n(0)] FundingSpend),
    /// A block spent an output of that transaction.
    #[n(1)]
    OutputSpent {
        /// What it held.
        #[n(0)]
        content: OutputContent,
        /// How it ended.
        #[n(1)]
        spend: OutputSpend,
    },
    /// The best chain lost this block and all above it, and something here was in them.
    #[n(2)]
    BlockDisconnected {
        /// The lowest block lost.
        #[n(0)]
        height: BlockHeight,
    },
    /// A claim is to be broadcast, for the first time or at a higher fee.
    #[n(3)]
    ClaimPlanned(#[n(0)] ClaimPlan),
    /// An output costs more to claim than it holds.
    #[n(4)]
    OutputLeft {
        /// The output.
        #[cbor(n(0), with = "strait_onchain::cbor::consensus")]
        outpoint: OutPoint,
        /// The tip at which it was so.
        #[n(1)]
        since: BlockHeight,
    },
    /// A transaction that is in no block showed the preimage of a lock of this channel.
    #[n(5)]
    PreimageSeen {
        /// The lock's hash.
        #[n(0)]
        hash: PaymentHash,
        /// What it is the hash of.
        #[n(1)]
        preimage: Preimage,
    },
    /// This node's commitment is to be broadcast with a child that lifts both to this rate.
    #[n(6)]
    ChildPlanned {
        /// The tip at which it was planned.
        #[n(0)]
        tip: BlockHeight,
        /// What both pay for their sizes.
        #[n(1)]
        fee_rate: FeeRate,
    },
    /// This node closes alone, and even the cheapest child would cost more than the commitment brings it.
    #[n(7)]
    CloseLeft {
        /// The tip at which it was so.
        #[n(0)]
        since: BlockHeight,
    },
}

impl WatchEvent {
    /// The preimage that the chain or the mempool revealed, with its hash.
    ///
    /// Whoever waits for it must note it when the event is made: a reorganisation undoes the spend, not the knowledge.
    #[must_use]
    pub const fn preimage(&self) -> Option<(PaymentHash, Preimage)> {
        match self {
            Self::OutputSpent {
                content: OutputContent::Lock(lock),
                spend: OutputSpend { path: SpendPath::Claimed(preimage), .. },
            } => Some((lock.payment_hash, *preimage)),
            Self::PreimageSeen { hash, preimage } => Some((*hash, *preimage)),
            Self::OutputSpent { .. }
            | Self::FundingSpent(_)
            | Self::BlockDisconnected { .. }
            | Self::ClaimPlanned(_)
            | Self::OutputLeft { .. }
            | Self::ChildPlanned { .. }
            | Self::CloseLeft { .. } => None,
        }
    }
}
