//! What a watcher borrows from its channel.

use strait_onchain::{CommitmentContext, LockSpec};
use strait_primitives::{
    CommitmentNumber, PaymentHash, Preimage, RevocationHash, RevocationSecret, Side,
};

/// What is known of the secret that revokes a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// Its hash alone: the commitment stands.
    Hash(RevocationHash),
    /// The secret itself.
    Secret(RevocationSecret),
}

/// The facts of one channel, as the engine knows them at the time of the call.
///
/// The engine implements it for its channels, tests for theirs. Nothing is copied into the watcher before the chain
/// makes it matter, so a payment costs the watcher nothing.
pub trait ChannelFacts {
    /// The builder of one side's commitments.
    fn context(&self, broadcaster: Side) -> &CommitmentContext;

    /// The number of this node's own latest commitment, not revoked.
    fn holder_number(&self) -> CommitmentNumber;

    /// The lowest number of the counterparty's commitments that it has not revoked.
    fn counterparty_lowest(&self) -> CommitmentNumber;

    /// The highest number of the counterparty's commitments that this node has signed.
    fn counterparty_highest(&self) -> CommitmentNumber;

    /// What is known of the revocation of `broadcaster`'s commitment; `None` if its hash was never shown.
    ///
    /// For the counterparty each number below [`Self::counterparty_lowest`] gives the secret. For this node's own
    /// commitments either form will do.
    fn revocation(&self, broadcaster: Side, number: CommitmentNumber) -> Option<Revocation>;

    /// The locks of `broadcaster`'s commitment, contracts' included; trimmed ones may be among them.
    fn locks(&self, broadcaster: Side, number: CommitmentNumber) -> Vec<LockSpec>;

    /// The preimage of a lock offered to this node, if it is known and may become public.
    fn preimage(&self, hash: &PaymentHash) -> Option<Preimage>;
}
