//! Conditional payments (what Lightning calls HTLCs).

use strait_primitives::{BlockHeight, LockId, MilliSats, Party, PaymentHash};

/// A payment that waits for a preimage or for its expiry.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Lock {
    /// How much.
    #[n(0)]
    pub amount: MilliSats,
    /// Whoever shows its preimage takes it.
    #[n(1)]
    pub payment_hash: PaymentHash,
    /// From this height on the offerer may take it back on chain.
    #[n(2)]
    pub expiry: BlockHeight,
}

/// A lock as a commitment shows it: a payment's own, or one that a contract's outcome asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedOutput {
    /// Who is refunded at expiry.
    pub offerer: Party,
    /// What orders equal outputs: the lock's number, or its place among contracts' locks after all of those.
    pub id: LockId,
    /// How much.
    pub amount: MilliSats,
    /// What claims it.
    pub payment_hash: PaymentHash,
    /// From when on it is refunded.
    pub expiry: BlockHeight,
}
