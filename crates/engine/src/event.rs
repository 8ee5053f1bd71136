//! What a node remembers: the events of its one log.
//!
//! Indices are the storage format and never reused (`docs/storage-format.md`).

use bitcoin::BlockHash;
use strait_channel::ChannelEvent;
use strait_payment::PaymentEvent;
use strait_primitives::{
    BlockHeight, ChannelId, Digest, ModuleHash, NodeId, RequestKey, Sats, Timestamp,
};
use strait_wallet::WalletChange;
use strait_watcher::WatchEvent;

use crate::tokens::TokenEvent;

/// What a request that is not carried by a round became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum RequestSubject {
    /// A channel being opened.
    #[n(0)]
    OpenChannel(#[n(0)] ChannelId),
    /// Coins sent: the hash of the transaction in its byte order on the wire, the amount, and the fee.
    #[n(1)]
    SendCoins(#[n(0)] Digest, #[n(1)] Sats, #[n(2)] Sats),
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[expect(clippy::large_enum_variant, reason = "events are made, saved and dropped one by one")]
pub enum Event {
    /// Something happened to a channel.
    #[n(0)]
    Channel {
        /// Which.
        #[n(0)]
        channel: ChannelId,
        /// What.
        #[n(1)]
        event: ChannelEvent,
    },
    /// Something happened to the wallet.
    #[n(1)]
    Wallet(#[n(0)] WalletChange),
    /// A block joined the best chain.
    #[n(2)]
    BlockConnected {
        /// Its height.
        #[n(0)]
        height: BlockHeight,
        /// Its hash.
        #[cbor(n(1), with = "strait_onchain::cbor::consensus")]
        hash: BlockHash,
    },
    /// The best chain lost its last block.
    #[n(3)]
    BlockDisconnected {
        /// Its height.
        #[n(0)]
        height: BlockHeight,
        /// Its hash.
        #[cbor(n(1), with = "strait_onchain::cbor::consensus")]
        hash: BlockHash,
    },
    /// A peer to stay connected to.
    #[n(4)]
    PeerKnown {
        /// Who.
        #[n(0)]
        node: NodeId,
        /// Where: a multiaddress; none if it came to us.
        #[n(1)]
        address: Option<String>,
    },
    /// Contracts may use a module.
    #[n(5)]
    ModuleAdded {
        /// Which.
        #[n(0)]
        module: ModuleHash,
        /// Its length in bytes.
        #[n(1)]
        size_bytes: u64,
    },
    /// A request that moves money was begun, and what it became.
    #[n(6)]
    RequestBegun {
        /// Its key.
        #[n(0)]
        key: RequestKey,
        /// The hash of what was asked.
        #[n(1)]
        digest: RequestKey,
        /// What it became.
        #[n(2)]
        subject: RequestSubject,
    },
    /// A channel is settled without a round that was proposed and never accepted: these requests came to nothing.
    #[n(8)]
    RequestsFailed {
        /// Which channel.
        #[n(0)]
        channel: ChannelId,
        /// Whose keys these were.
        #[n(1)]
        keys: Vec<RequestKey>,
    },
    /// Something happened to a channel's money on chain.
    #[n(7)]
    Watch {
        /// Which channel.
        #[n(0)]
        channel: ChannelId,
        /// What.
        #[n(1)]
        event: WatchEvent,
    },
    /// Something was decided about a lock, or learned of its preimage.
    #[n(10)]
    Payment(#[n(0)] PaymentEvent),
    /// The log was restored: no channel in it is trusted from here on, and there may be channels that it does not know.
    #[n(11)]
    Restored {
        /// When the backup was made; none if there was only the seed.
        #[n(0)]
        backup_taken: Option<Timestamp>,
        /// When the node began to run on it.
        #[n(1)]
        now: Timestamp,
    },
    /// Something happened to a token of the interface.
    #[n(12)]
    Token(#[n(0)] TokenEvent),
    /// It was this time, and requests have come to their end since it was last told: what makes them age.
    #[n(9)]
    ClockNoted {
        /// By the node's clock.
        #[n(0)]
        now: Timestamp,
    },
}
