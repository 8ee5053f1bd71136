//! What commands are answered with.

use bitcoin::{ScriptBuf, Txid};
use strait_channel::{RecoveryError, RequestError};
use strait_payment::LockKey;
use strait_primitives::{
    BlockHeight, ChannelId, CommitmentNumber, ContractId, FeeRate, MilliSats, ModuleHash, NodeId,
    Sats, TokenId,
};
use strait_wallet::FundError;
use thiserror::Error;

use crate::lock_views::LockView;
use crate::quarantine::RecoveryView;
use crate::tokens::Token;
use crate::views::{ChannelView, ContractView, NodeView, PeerView, WalletView};

/// Operations that a round carried out, irrevocably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentDone {
    /// Through which channel.
    pub channel: ChannelId,
    /// The number whose ledger holds them.
    pub number: CommitmentNumber,
    /// The place of the first among the round's operations.
    pub first_index: u32,
    /// How many.
    pub count: u32,
}

/// A command's success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// How the node is.
    Status(Box<NodeView>),
    /// Known peers.
    Peers(Vec<PeerView>),
    /// All channels.
    Channels(Vec<ChannelView>),
    /// One channel.
    Channel(Box<ChannelView>),
    /// All channels whose state is not trusted.
    Recoveries(Vec<RecoveryView>),
    /// One of them.
    Recovery(Box<RecoveryView>),
    /// Operations are irrevocable.
    Done(PaymentDone),
    /// Modules that contracts may use, with their lengths in bytes.
    Modules(Vec<(ModuleHash, u64)>),
    /// All contracts.
    Contracts(Vec<ContractView>),
    /// One contract.
    Contract(Box<ContractView>),
    /// All locks in use, and the last ones that are over.
    Locks(Vec<LockView>),
    /// One lock.
    Lock(Box<LockView>),
    /// The wallet's balance.
    Wallet(WalletView),
    /// A fresh address, as its script.
    Address(ScriptBuf),
    /// All tokens.
    Tokens(Vec<Token>),
    /// One token.
    Token(Box<Token>),
    /// Coins are on their way.
    Sent {
        /// By this transaction.
        txid: Txid,
        /// So many.
        amount: Sats,
        /// At this price.
        fee: Sats,
    },
}

/// A command's failure. Nothing of it was done, unless the variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such channel.
    #[error("no channel {0}")]
    UnknownChannel(ChannelId),
    /// No such contract.
    #[error("no contract {0}")]
    UnknownContract(ContractId),
    /// No such lock, or it has long been over.
    #[error("no lock {0}")]
    UnknownLock(LockKey),
    /// The lock is not held for this node's user: it is not for this node, or it was claimed or given back.
    #[error("lock {0} is not held here")]
    NotHeld(LockKey),
    /// The preimage does not hash to the lock's hash.
    #[error("the preimage does not open lock {0}")]
    WrongPreimage(LockKey),
    /// A lock's expiry leaves too little time for it, or binds money for too long.
    #[error("an expiry of {actual}, allowed is {min} to {max}")]
    LockExpiry {
        /// What was asked.
        actual: BlockHeight,
        /// The least.
        min: BlockHeight,
        /// The most.
        max: BlockHeight,
    },
    /// Since its start this node has not yet seen the chain as far as it goes: it cannot judge an expiry.
    #[error("the chain is not known up to its tip yet")]
    ChainBehind,
    /// No module of this hash was added.
    #[error("no module {0}: add it first, and allow it if the configuration lists modules")]
    UnknownModule(ModuleHash),
    /// The peer is not connected.
    #[error("peer {0} is not connected")]
    NotConnected(NodeId),
    /// A node cannot be its own peer.
    #[error("this is the node's own id")]
    OwnId,
    /// The key was used for something else.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// More requests came of late than are remembered, and none of those may be forgotten yet. Nothing was done.
    #[error("{limit} requests of the last minutes are remembered, which is the most")]
    TooManyRequests {
        /// The most that are remembered.
        limit: usize,
    },
    /// The log has no room for anything new.
    #[error(
        "the disk has {free_bytes} bytes left: nothing new is begun until it has {wanted_bytes}"
    )]
    DiskLow {
        /// What is left.
        free_bytes: u64,
        /// From how much on there is room again.
        wanted_bytes: u64,
    },
    /// The channel refuses.
    #[error("channel {channel} refuses")]
    Channel {
        /// Which.
        channel: ChannelId,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The channel cannot be ended so.
    #[error("channel {channel} is not ended so")]
    Recovery {
        /// Which.
        channel: ChannelId,
        /// Why.
        #[source]
        source: RecoveryError,
    },
    /// The operator did not say what may be lost.
    #[error("all {may_lose} in channel {channel} may be lost, and {confirmed} was confirmed")]
    LossNotConfirmed {
        /// Which.
        channel: ChannelId,
        /// What the channel holds.
        may_lose: Sats,
        /// What was confirmed.
        confirmed: Sats,
    },
    /// The channel closed while the request waited for its round; nothing of it was done.
    #[error("channel {0} closed before the request's round")]
    ChannelClosed(ChannelId),
    /// The peer refused or vanished while the channel was being opened; the coins are free.
    #[error("the opening of channel {channel} failed: {reason}")]
    OpeningFailed {
        /// Which.
        channel: ChannelId,
        /// The peer's words, or ours.
        reason: String,
    },
    /// The peer refused the contract.
    #[error("the peer refused contract {contract}: {reason}")]
    ContractRefused {
        /// Which.
        contract: ContractId,
        /// The peer's words.
        reason: String,
    },
    /// The capacity is outside what this node opens.
    #[error("a capacity of {actual}, allowed is {min} to {max}")]
    Capacity {
        /// What was asked.
        actual: Sats,
        /// The smallest.
        min: Sats,
        /// The largest.
        max: Sats,
    },
    /// The fee rate is outside what nodes relay and the operator allows.
    #[error("a fee rate of {actual}, allowed is {min} to {max}")]
    FeeRate {
        /// What was asked.
        actual: FeeRate,
        /// What every node relays.
        min: FeeRate,
        /// The operator's bound.
        max: FeeRate,
    },
    /// The wallet cannot pay for it.
    #[error("the wallet cannot pay for it")]
    Funds(#[source] FundError),
    /// The wallet can pay for the channel, but not for closing it and all others.
    #[error(
        "the wallet would not keep {amount} to close every channel with, in {coins} coins of {coin_min} or more"
    )]
    Reserve {
        /// What must be left, in all.
        amount: Sats,
        /// In at least so many mined coins.
        coins: usize,
        /// Each of at least this much.
        coin_min: Sats,
    },
    /// Not an address of this network.
    #[error("{text:?} is no address of this network")]
    Address {
        /// What was given.
        text: String,
    },
    /// Nothing to do: no payments, or no actions.
    #[error("the request is empty")]
    Empty,
    /// A payment of nothing.
    #[error("payment {index} is of nothing")]
    Zero {
        /// Its place in the request.
        index: usize,
    },
    /// More than the channel holds.
    #[error("{amount} is more than the channel's capacity of {capacity}")]
    AboveCapacity {
        /// What was to be paid; all the money there is if the sum is above that.
        amount: MilliSats,
        /// What the channel holds.
        capacity: MilliSats,
    },
    /// No such token: it was revoked, or expired long ago, or the log was restored since.
    #[error("no token {0}")]
    UnknownToken(TokenId),
    /// A token of this name is there already.
    #[error("token {0} is there already")]
    TokenKnown(TokenId),
    /// The token is good for nothing any more.
    #[error("token {0} has expired")]
    TokenExpired(TokenId),
    /// The token is not good for this.
    #[error("token {0} is not good for this")]
    BeyondToken(TokenId),
    /// One payment or lock is above what the token may spend at a time.
    #[error("{asked} at a time is more than token {token} may spend: {max}")]
    PaymentAboveToken {
        /// Whose.
        token: TokenId,
        /// The largest that was asked.
        asked: MilliSats,
        /// The token's bound.
        max: MilliSats,
    },
    /// The token has not enough left.
    #[error("{asked} is more than token {token} has left: {left}")]
    Budget {
        /// Whose.
        token: TokenId,
        /// What was asked.
        asked: MilliSats,
        /// What is left.
        left: MilliSats,
    },
    /// There are as many tokens as may be.
    #[error("{limit} tokens are the most: revoke one")]
    TooManyTokens {
        /// The most.
        limit: usize,
    },
    /// The label is too long.
    #[error("a label of {actual} bytes, {limit} is the most")]
    TokenLabel {
        /// The most.
        limit: usize,
        /// What was given.
        actual: usize,
    },
    /// No fee estimate yet, and none given.
    #[error("the chain has given no fee estimate yet: name a rate")]
    NoFeeRate,
}
