//! What is left of a channel that is over: what users ask about later. Nothing decides by it.

use strait_primitives::{CommitmentNumber, Digest, MilliSats, Party, Sats};

use super::{Funded, Live, Phase};
use crate::event::{AbandonReason, Spender};
use crate::setup::FundingOutput;

/// How a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Ending {
    /// It came to nothing, for this reason.
    #[n(0)]
    Abandoned(#[n(0)] AbandonReason),
    /// The chain settled it.
    #[n(1)]
    Settled {
        /// Whose transaction closed it.
        #[n(0)]
        by: Spender,
        /// That transaction, hash in its byte order on the wire.
        #[n(1)]
        txid: Option<Digest>,
    },
}

/// A channel as it was when it ended.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Ended {
    /// How.
    #[n(0)]
    pub how: Ending,
    /// All the money that was in it.
    #[n(1)]
    pub capacity: Sats,
    /// This node's balance in the last state both had agreed on.
    #[n(2)]
    pub holder: MilliSats,
    /// The counterparty's.
    #[n(3)]
    pub counterparty: MilliSats,
    /// The number of that state.
    #[n(4)]
    pub number: CommitmentNumber,
    /// The funding output, if it got so far.
    #[n(5)]
    pub funding: Option<FundingOutput>,
}

impl Ended {
    /// A channel given up in this phase.
    pub(super) fn abandoned(reason: AbandonReason, phase: &Phase, party: Party) -> Self {
        let ended = match phase {
            Phase::Live(live) => return Self::of_live(Ending::Abandoned(reason), live, party),
            Phase::Offered(offered) => Some((offered.open.contribution.amount, None)),
            Phase::Answered(answered) => Some((answered.open.contribution.amount, None)),
            Phase::OpeningSigned(signed) => {
                Some((signed.open.contribution.amount, Some(signed.funding)))
            }
            Phase::Abandoned | Phase::Resolved => None,
        };
        let (capacity, funding) = ended.expect("a channel ends once");
        Self {
            how: Ending::Abandoned(reason),
            capacity,
            holder: MilliSats::ZERO,
            counterparty: MilliSats::ZERO,
            number: CommitmentNumber::FIRST,
            funding,
        }
    }

    /// A channel that the chain settled.
    pub(super) fn settled(by: Spender, live: &Live, party: Party) -> Self {
        let txid = match live.funded {
            Funded::Spent { txid, .. } => Some(txid),
            Funded::Waiting | Funded::Mined(_) => None,
        };
        Self::of_live(Ending::Settled { by, txid }, live, party)
    }

    fn of_live(how: Ending, live: &Live, party: Party) -> Self {
        let ledger = &live.rounds.ledger;
        Self {
            how,
            capacity: live.setup.funding.value,
            holder: ledger.balance(party),
            counterparty: ledger.balance(!party),
            number: live.rounds.agreed(),
            funding: Some(live.setup.funding),
        }
    }
}
