//! Contracts as the ledger sees them: a collateral, a state, and what the state is worth to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use strait_contract::{Finality, Outcome, State, Terms};
use strait_primitives::{BlockHeight, CommitmentNumber, ContractId, MilliSats, Party};

use crate::party::contract_party;

/// Terms that both sides have durably agreed to, not yet opened by a round.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Agreement {
    /// What was agreed to.
    #[n(0)]
    pub terms: Terms,
    /// The last commitment number at which it may be opened.
    #[n(1)]
    pub valid_to: CommitmentNumber,
    /// The last height at which whoever opens it may do so, by its own tip. Logs of the first version do not say.
    #[n(2)]
    pub until: Option<BlockHeight>,
}

impl Agreement {
    /// True at a tip at which it may be opened.
    pub(crate) fn holds_at(&self, tip: BlockHeight) -> bool {
        self.until.is_none_or(|until| tip <= until)
    }
}

/// A contract inside a ledger.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct LiveContract {
    /// What it runs under.
    #[n(0)]
    pub terms: Terms,
    /// Where it stands.
    #[n(1)]
    pub state: State,
    /// What that is worth: checked to divide the collateral.
    #[n(2)]
    pub outcome: Outcome,
}

impl LiveContract {
    /// The money in it.
    #[must_use]
    pub fn collateral(&self) -> MilliSats {
        self.terms.collateral.total()
    }

    /// What `party` gets of it if it is settled as it stands, locks aside.
    #[must_use]
    pub const fn outcome_of(&self, party: Party) -> MilliSats {
        self.outcome.of(contract_party(party))
    }

    /// True if its module says that nothing more will happen.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self.outcome.finality, Finality::Final)
    }
}

/// What a round did to one contract: what a node stores, so that replay needs no WebAssembly.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ContractChange {
    /// Which.
    #[n(0)]
    pub contract: ContractId,
    /// Its state when the round ended, or when it was settled.
    #[n(1)]
    pub state: State,
    /// What that is worth.
    #[n(2)]
    pub outcome: Outcome,
}

/// CBOR of the shared map.
pub(super) mod map {
    use super::{Arc, BTreeMap, ContractId, LiveContract};

    pub(in crate::ledger) fn encode<C, W: minicbor::encode::Write>(
        map: &BTreeMap<ContractId, Arc<LiveContract>>,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let count = u64::try_from(map.len()).expect("counts have at most 64 bits");
        e.map(count)?;
        for (id, contract) in map {
            e.encode_with(id, ctx)?.encode_with(contract.as_ref(), ctx)?;
        }
        Ok(())
    }

    pub(in crate::ledger) fn decode<C>(
        d: &mut minicbor::Decoder<'_>,
        ctx: &mut C,
    ) -> Result<BTreeMap<ContractId, Arc<LiveContract>>, minicbor::decode::Error> {
        let plain: BTreeMap<ContractId, LiveContract> = d.decode_with(ctx)?;
        Ok(plain.into_iter().map(|(id, contract)| (id, Arc::new(contract))).collect())
    }
}
