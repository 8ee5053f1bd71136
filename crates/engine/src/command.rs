//! What users ask of a node.

use strait_contract::{Collateral, Limits, Params};
use strait_payment::LockKey;
use strait_primitives::{
    BlockHeight, ChannelId, ContractId, FeeRate, MilliSats, ModuleHash, NodeId, PaymentHash,
    Preimage, RequestKey, Sats, TokenId,
};
use strait_wire::{ContractBytes, Reference, Route};

use crate::tokens::TokenGrant;

/// Names one asking, so that the answer finds its way back. Made by the runtime, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// One payment of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// How much.
    pub amount: MilliSats,
    /// What for.
    pub reference: Reference,
}

/// What to pay out of the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendAmount {
    /// So much.
    Exactly(Sats),
    /// All but what the channels' fee reserve needs.
    Everything,
}

/// How to end a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseMode {
    /// Together with the peer, in one transaction.
    Cooperative,
    /// Alone, on the latest commitment.
    Force,
}

/// How to end a channel whose state is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryChoice {
    /// Ask the peer to close by force.
    AskPeer,
    /// Sign the close that the peer offers by its ledger, if it brings this node so much.
    ApproveClose {
        /// The least.
        at_least: Sats,
    },
    /// Publish this node's commitment: if it was revoked, the peer takes everything.
    AcceptLoss {
        /// The operator's own word for what may be lost; it must be all that is in the channel.
        may_lose: Sats,
    },
}

/// One request. Those that move money carry a key: the same key asked again is answered, not done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// How the node is.
    Status,
    /// Known peers.
    Peers,
    /// Connect to a peer, and stay connected.
    ConnectPeer {
        /// Who.
        node: NodeId,
        /// Where: a multiaddress.
        address: String,
    },
    /// All channels.
    Channels,
    /// One channel.
    Channel(ChannelId),
    /// Open a channel.
    OpenChannel {
        /// The request's key.
        key: RequestKey,
        /// With whom.
        node: NodeId,
        /// How large.
        capacity: Sats,
        /// At what rate; the estimate without.
        fee_rate: Option<FeeRate>,
    },
    /// Close a channel.
    CloseChannel {
        /// The request's key.
        key: RequestKey,
        /// Which.
        channel: ChannelId,
        /// How.
        mode: CloseMode,
    },
    /// All channels whose state is not trusted.
    Recoveries,
    /// End such a channel.
    Recover {
        /// Which.
        channel: ChannelId,
        /// How.
        choice: RecoveryChoice,
    },
    /// Pay, all or nothing.
    Pay {
        /// The request's key.
        key: RequestKey,
        /// Through which channel.
        channel: ChannelId,
        /// What.
        payments: Vec<Payment>,
    },
    /// Offer a lock. Answered with it once it stands in both sides' commitments.
    OfferLock {
        /// The request's key.
        key: RequestKey,
        /// Through which channel.
        channel: ChannelId,
        /// How much, what those on the way take for themselves included.
        amount: MilliSats,
        /// Whoever shows its preimage takes it.
        payment_hash: PaymentHash,
        /// From this height on it may be taken back on chain.
        expiry: BlockHeight,
        /// Where the peer is asked to pass it on to; empty if it is for the peer.
        route: Route,
    },
    /// Claim a lock that is held for this node. Answered with it once it is this node's money for good. Asked again it
    /// goes on, so its key decides nothing.
    ClaimLock {
        /// The request's key.
        key: RequestKey,
        /// Which.
        lock: LockKey,
        /// The preimage of its hash. Public from here on.
        preimage: Preimage,
    },
    /// Give a lock back that is held for this node. Answered with it once it is gone. Asked again it goes on, so its key
    /// decides nothing.
    CancelLock {
        /// The request's key.
        key: RequestKey,
        /// Which.
        lock: LockKey,
    },
    /// All locks in use, and the last ones that are over.
    Locks,
    /// One lock.
    Lock(LockKey),
    /// Modules that contracts may use.
    Modules,
    /// A module has been checked and kept by the runtime; contracts may use it from now on.
    AddModule {
        /// Its hash.
        module: ModuleHash,
        /// Its length in bytes.
        size_bytes: u64,
    },
    /// All contracts.
    Contracts,
    /// One contract.
    Contract(ContractId),
    /// Agree on a contract with the peer and open it.
    OpenContract {
        /// The request's key.
        key: RequestKey,
        /// In which channel.
        channel: ChannelId,
        /// Which module.
        module: ModuleHash,
        /// With what parameters.
        params: Params,
        /// With what money.
        collateral: Collateral,
        /// Within what limits.
        limits: Limits,
    },
    /// Act in a contract, all or nothing.
    Act {
        /// The request's key.
        key: RequestKey,
        /// Which contract.
        contract: ContractId,
        /// What.
        actions: Vec<ContractBytes>,
    },
    /// Settle a contract whose state is final.
    Settle {
        /// The request's key.
        key: RequestKey,
        /// Which.
        contract: ContractId,
    },
    /// The wallet's balance.
    Wallet,
    /// A fresh address.
    NewAddress,
    /// Pay from the wallet on chain.
    SendCoins {
        /// The request's key.
        key: RequestKey,
        /// To where, in the network's text form.
        address: String,
        /// How much.
        amount: SendAmount,
        /// At what rate; the estimate without.
        fee_rate: Option<FeeRate>,
    },
    /// All tokens.
    Tokens,
    /// Make a token; it begins now, whatever is said here.
    IssueToken(TokenGrant),
    /// Make a token good for nothing. What was begun under it goes on.
    RevokeToken(TokenId),
    /// Do this on a token's account: a payment or a lock's offer, and nothing else.
    UnderToken {
        /// Whose.
        token: TokenId,
        /// What.
        command: Box<Self>,
    },
}
