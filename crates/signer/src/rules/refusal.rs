//! Which rule forbids a signature or a secret.

use strait_primitives::{CommitmentNumber, Digest, Sats};
use thiserror::Error;

use super::Standing;

/// The rule that a signature, a secret or a publication would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The store may not hold the latest state.
    #[error("the store is {standing:?}")]
    Standing {
        /// How far it may be trusted.
        standing: Standing,
    },
    /// The number was signed with other content: the counterparty could choose between two states.
    #[error("the counterparty's commitment {number} was signed as {signed}, not {asked}")]
    OtherContent {
        /// The number.
        number: CommitmentNumber,
        /// What was signed.
        signed: Digest,
        /// What is to be signed.
        asked: Digest,
    },
    /// The number is not the counterparty's next.
    #[error("the counterparty's commitment {asked} where {expected:?} comes next")]
    CounterpartyOrder {
        /// The next; `None` when all are used.
        expected: Option<CommitmentNumber>,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// The counterparty would have three states to choose from.
    #[error(
        "the counterparty's commitment {asked} while {unrevoked} and the one after it are unrevoked"
    )]
    TwoUnrevoked {
        /// The counterparty's lowest unrevoked commitment.
        unrevoked: CommitmentNumber,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// We do not hold our own commitment of the number before.
    #[error("the counterparty's commitment {asked} while ours is signed only to {verified:?}")]
    CounterpartyAhead {
        /// Our last commitment that the counterparty signed.
        verified: Option<CommitmentNumber>,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// A shutdown was sent or answered.
    #[error("the counterparty's commitment {asked} after the shutdown")]
    RoundsEnded {
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// A cooperative close before the shutdown.
    #[error("a close while rounds go on")]
    RoundsOpen,
    /// A cooperative close while the sides hold different numbers.
    #[error("a close while a round is outstanding: {counterparty:?} signed, {holder:?} held")]
    RoundOutstanding {
        /// The counterparty's last commitment that we signed.
        counterparty: Option<CommitmentNumber>,
        /// Our last commitment that the counterparty signed.
        holder: Option<CommitmentNumber>,
    },
    /// A close from a state that is not trusted brings less than the operator approved, or nothing was approved.
    #[error("a close that brings {output}, where {approved:?} is approved")]
    NotApproved {
        /// The operator's least.
        approved: Option<Sats>,
        /// What the close brings.
        output: Sats,
    },
    /// A secret out of order.
    #[error("the secret of our commitment {asked} where {expected} is the lowest unrevoked")]
    HolderOrder {
        /// Our lowest unrevoked commitment.
        expected: CommitmentNumber,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// Nothing of ours would be left to publish.
    #[error("the secret of our commitment {asked} while ours is signed only to {verified:?}")]
    NothingNewer {
        /// Our last commitment that the counterparty signed.
        verified: Option<CommitmentNumber>,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// We decided to publish a commitment of ours: rounds are over, and it is never revoked.
    #[error("commitment {asked} after publishing our {published}")]
    Published {
        /// Our commitment that we decided to publish.
        published: CommitmentNumber,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// The counterparty could take everything from it.
    #[error(
        "our commitment {asked} is revoked or about to be, {unrevoked} is the lowest that is not"
    )]
    Revoked {
        /// Our lowest unrevoked commitment.
        unrevoked: CommitmentNumber,
        /// The number asked for.
        asked: CommitmentNumber,
    },
    /// Not our latest commitment.
    #[error("our commitment {asked} where the latest is {verified:?}")]
    NotLatest {
        /// Our last commitment that the counterparty signed.
        verified: Option<CommitmentNumber>,
        /// The number asked for.
        asked: CommitmentNumber,
    },
}
