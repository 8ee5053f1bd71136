//! Why the ledger does not allow an operation.

use strait_contract::{CallError, OutcomeError};
use strait_primitives::{BlockHeight, ContractId, LockId, MilliSats, ModuleHash};
use thiserror::Error;

/// What an operation would have broken. Proposed by a user it is that user's error; proposed by a peer, a violation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// An amount of zero moves nothing.
    #[error("an amount of zero")]
    Zero,
    /// The proposer does not have it.
    #[error(
        "{amount} is more than the {spendable} that can be spent, the reserve of {reserve} kept"
    )]
    Balance {
        /// What was to be moved.
        amount: MilliSats,
        /// What could be.
        spendable: MilliSats,
        /// What must stay.
        reserve: MilliSats,
    },
    /// The number of a lock is not the offerer's next.
    #[error("lock {actual:?} where {expected:?} is next")]
    LockNumber {
        /// The number given.
        actual: LockId,
        /// The number that is next.
        expected: LockId,
    },
    /// Too many locks in this direction.
    #[error("one lock more than the {limit} this channel allows in one direction")]
    LockCount {
        /// The most this channel allows.
        limit: u16,
    },
    /// A channel has so many locks in its life, and no more.
    #[error(
        "this side has offered {limit} locks on this channel, which is all it may; payments and other channels go on"
    )]
    LocksEver {
        /// How many each side may offer.
        limit: u64,
    },
    /// Below the smallest lock of this channel.
    #[error("a lock of {amount}, the smallest allowed is {limit}")]
    LockSize {
        /// The amount given.
        amount: MilliSats,
        /// The smallest allowed.
        limit: MilliSats,
    },
    /// No height that a script can check, or one too far above the ledger's: such a lock could not be built, or would
    /// hold the channel for years.
    #[error("a lock with expiry {expiry}, allowed is 1 to below {end}")]
    Expiry {
        /// The expiry given.
        expiry: BlockHeight,
        /// The first that is not allowed.
        end: BlockHeight,
    },
    /// Too much value would stand in outputs too small to be made.
    #[error("trimmed locks would hold {exposure}, at most {limit} is allowed")]
    DustExposure {
        /// What trimmed locks would hold.
        exposure: MilliSats,
        /// The most allowed.
        limit: MilliSats,
    },
    /// No such lock, or it was not offered to the proposer.
    #[error("no lock {lock:?} is offered to the proposer")]
    UnknownLock {
        /// The number given.
        lock: LockId,
    },
    /// The preimage does not hash to the lock's hash.
    #[error("the preimage does not open lock {lock:?}")]
    Preimage {
        /// The lock.
        lock: LockId,
    },
    /// A height can only rise.
    #[error("height {actual} is not above {current}")]
    Height {
        /// The height given.
        actual: BlockHeight,
        /// The ledger's height.
        current: BlockHeight,
    },
    /// No durable agreement names this contract, or it is no longer valid.
    #[error("no valid agreement on contract {contract}")]
    NoAgreement {
        /// The contract.
        contract: ContractId,
    },
    /// No such contract is live here.
    #[error("contract {contract} is not live in this channel")]
    UnknownContract {
        /// The contract.
        contract: ContractId,
    },
    /// The contract is already live, or was opened and settled in this very round.
    #[error("contract {contract} was opened already")]
    DuplicateContract {
        /// The contract.
        contract: ContractId,
    },
    /// The module says that the state is not final.
    #[error("the state of contract {contract} is not final")]
    NotFinal {
        /// The contract.
        contract: ContractId,
    },
    /// The module refused, the same way on every machine.
    #[error("contract {contract} refused")]
    Call {
        /// The contract.
        contract: ContractId,
        /// What it said.
        #[source]
        source: CallError,
    },
    /// The module's outcome cannot be settled.
    #[error("the outcome of contract {contract} cannot be settled")]
    Outcome {
        /// The contract.
        contract: ContractId,
        /// Why.
        #[source]
        source: OutcomeError,
    },
    /// This node cannot run the module at all; says nothing about the operation.
    #[error("module {module} cannot be run here")]
    LocalFault {
        /// The module.
        module: ModuleHash,
        /// Why.
        #[source]
        source: CallError,
    },
}
