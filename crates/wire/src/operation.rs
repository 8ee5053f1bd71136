//! Operations on the ledger (protocol section 5) and the list of them that a round carries.

use std::sync::Arc;

use strait_primitives::{BlockHeight, ContractId, LockId, MilliSats, PaymentHash, Preimage};
use thiserror::Error;

use crate::bounded::decode_at_most;
use crate::limits::{OPERATIONS_BYTES_MAX, OPERATIONS_MAX};
use crate::{ContractBytes, Reference, Route};

/// Why the receiver of a lock gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum CancelReason {
    /// Nobody here knows the hash.
    #[n(0)]
    Unknown,
    /// Too small, too many, or too far in the future for this receiver.
    #[n(1)]
    Unwanted,
    /// It came too close to its expiry.
    #[n(2)]
    Expired,
    /// It failed further along its way.
    #[n(3)]
    Downstream,
    /// No channel to the next node can carry it.
    #[n(4)]
    NoRoute,
    /// Its amount or its expiry leaves the forwarder too little.
    #[n(5)]
    Terms,
    /// The receiver, who waited to decide, does not want it.
    #[n(6)]
    Declined,
}

/// One change of the ledger. Each is proposed by a party and moves only what that party may move.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Operation {
    /// Moves the proposer's own balance to the other party.
    #[n(0)]
    Pay {
        /// How much.
        #[n(0)]
        amount: MilliSats,
        /// What for.
        #[n(1)]
        reference: Reference,
    },
    /// Moves the proposer's own balance into a lock.
    #[n(1)]
    AddLock {
        /// The offerer's next lock number.
        #[n(0)]
        lock: LockId,
        /// How much.
        #[n(1)]
        amount: MilliSats,
        /// Whoever shows its preimage takes the lock.
        #[n(2)]
        payment_hash: PaymentHash,
        /// From this height on the offerer may take it back on chain.
        #[n(3)]
        expiry: BlockHeight,
        /// Where the receiver is asked to pass it on to. The ledger does not look at it.
        #[n(4)]
        route: Route,
    },
    /// Takes a lock that the other party offered.
    #[n(2)]
    ClaimLock {
        /// Which.
        #[n(0)]
        lock: LockId,
        /// The preimage of its hash.
        #[n(1)]
        preimage: Preimage,
    },
    /// Gives back a lock that the other party offered.
    #[n(3)]
    CancelLock {
        /// Which.
        #[n(0)]
        lock: LockId,
        /// Why.
        #[n(1)]
        reason: CancelReason,
    },
    /// Raises the ledger's height.
    #[n(4)]
    RaiseHeight {
        /// The new height.
        #[n(0)]
        height: BlockHeight,
    },
    /// Starts a contract on which both hold a durable agreement.
    #[n(5)]
    OpenContract {
        /// Which.
        #[n(0)]
        contract: ContractId,
    },
    /// Lets the proposer act in a contract.
    #[n(6)]
    Act {
        /// In which contract.
        #[n(0)]
        contract: ContractId,
        /// What, in the module's own encoding.
        #[n(1)]
        action: ContractBytes,
    },
    /// Ends a contract whose module says that its state is final.
    #[n(7)]
    SettleContract {
        /// Which.
        #[n(0)]
        contract: ContractId,
    },
}

impl Operation {
    /// An upper bound of its encoded length in bytes.
    #[must_use]
    pub fn encoded_len_max(&self) -> usize {
        const FRAMING: usize = 16;
        const HOP_BYTES: usize = 1 + 35 + 9 + 5;
        FRAMING
            + match self {
                Self::Pay { reference, .. } => 9 + reference.as_bytes().len(),
                Self::AddLock { route, .. } => 9 + 9 + 34 + 5 + 1 + HOP_BYTES * route.hops().len(),
                Self::ClaimLock { .. } => 9 + 34,
                Self::CancelLock { .. } => 9 + 2,
                Self::RaiseHeight { .. } => 5,
                Self::OpenContract { .. } | Self::SettleContract { .. } => 34,
                Self::Act { action, .. } => 34 + action.as_bytes().len(),
            }
    }
}

/// Why a list of operations does not fit one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OperationsError {
    /// Too many.
    #[error("{actual} operations where a round takes {limit}")]
    Count {
        /// How many there are.
        actual: usize,
        /// How many a round takes.
        limit: usize,
    },
    /// Too long.
    #[error("{actual} bytes of operations where a round takes {limit}")]
    Bytes {
        /// An upper bound of their encoded length.
        actual: usize,
        /// What a round takes.
        limit: usize,
    },
}

/// The operations of one round, in order; within the limits of a frame by construction.
///
/// Shared when cloned: the event, the state and the message of a round all hold the same thousands of payments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Operations(Arc<Vec<Operation>>);

impl Operations {
    /// Wraps a list that one round can carry.
    ///
    /// # Errors
    /// [`OperationsError`] says which limit it breaks.
    pub fn new(list: Vec<Operation>) -> Result<Self, OperationsError> {
        if list.len() > OPERATIONS_MAX {
            return Err(OperationsError::Count { actual: list.len(), limit: OPERATIONS_MAX });
        }
        let bytes = list.iter().map(Operation::encoded_len_max).sum();
        if bytes > OPERATIONS_BYTES_MAX {
            return Err(OperationsError::Bytes { actual: bytes, limit: OPERATIONS_BYTES_MAX });
        }
        Ok(Self(Arc::new(list)))
    }

    /// The operations.
    #[must_use]
    pub fn as_slice(&self) -> &[Operation] {
        &self.0
    }
}

impl<C> minicbor::Encode<C> for Operations {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Operations {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(decode_at_most::<C, Operation, OPERATIONS_MAX>(d, ctx)?)
            .map_err(minicbor::decode::Error::custom)
    }
}
