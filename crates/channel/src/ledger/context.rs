//! What the operations of one round are applied in: rules, agreements, how contracts answer, and the round's bill.

use std::collections::{BTreeMap, BTreeSet};

use strait_contract::limits::FUEL_PER_ROUND_MAX;
use strait_contract::{ContractRuntime, Terms};
use strait_primitives::{BlockHeight, CommitmentNumber, ContractId, Fuel, Party};

use super::{Agreement, ContractChange, Rules};

/// The agreements that `OpenContract` may name.
pub type Agreements = BTreeMap<ContractId, Agreement>;

/// How contracts answer: called for real, or as recorded.
#[derive(Clone, Copy)]
pub enum Contracts<'a> {
    /// The modules run.
    Run(&'a dyn ContractRuntime),
    /// The log says what they answered.
    Replay(&'a [ContractChange]),
}

/// What the operations of one round are applied in.
pub struct RoundContext<'a> {
    /// The channel's rules.
    pub(super) rules: &'a Rules,
    /// Who proposes.
    pub(crate) proposer: Party,
    /// The number this round leads to.
    pub(super) number: CommitmentNumber,
    /// What contracts may be opened.
    pub(super) agreements: &'a Agreements,
    /// The height by which agreements are judged; none where that was done before.
    pub(super) height: Option<BlockHeight>,
    /// How contracts answer.
    pub(super) contracts: Contracts<'a>,
    /// What the round has done to contracts so far.
    pub(super) progress: Progress,
}

/// What a round has done to contracts so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// Contracts opened or settled: none of them is opened (again) in this round, because an agreement opens its contract
    /// once and a round records one change of each.
    pub(super) spent: BTreeSet<ContractId>,
    /// How each contract changed, to be recorded.
    pub(super) changes: BTreeMap<ContractId, ContractChange>,
    /// Fuel each contract has used.
    used: BTreeMap<ContractId, Fuel>,
    /// Fuel all of them have used: at most [`FUEL_PER_ROUND_MAX`], however many contracts a peer calls.
    used_by_all: Fuel,
}

impl<'a> RoundContext<'a> {
    /// A round that leads to `number`, before its first operation.
    #[must_use]
    pub fn new(
        rules: &'a Rules,
        proposer: Party,
        number: CommitmentNumber,
        agreements: &'a Agreements,
        contracts: Contracts<'a>,
    ) -> Self {
        let progress = Progress::default();
        Self { rules, proposer, number, agreements, height: None, contracts, progress }
    }

    /// The same, and agreements hold by this height alone.
    #[must_use]
    pub(crate) fn at(self, height: BlockHeight) -> Self {
        Self { height: Some(height), ..self }
    }

    /// What the round did to contracts, to be recorded.
    #[must_use]
    pub fn into_changes(self) -> Vec<ContractChange> {
        self.progress.changes.into_values().collect()
    }

    pub(super) fn recorded(&self, contract: ContractId) -> Option<&ContractChange> {
        match self.contracts {
            Contracts::Run(_) => None,
            Contracts::Replay(changes) => changes.iter().find(|c| c.contract == contract),
        }
    }

    /// The agreement that opens a contract in this round, if there is one and it is still valid.
    pub(super) fn agreement(&self, contract: ContractId) -> Option<&'a Agreement> {
        let is_in_time =
            |agreement: &Agreement| self.height.is_none_or(|at| agreement.holds_at(at));
        let agreement = self.agreements.get(&contract);
        agreement.filter(|agreement| self.number <= agreement.valid_to && is_in_time(agreement))
    }

    /// What a contract may still use: the least of its own terms and what all contracts of a round share.
    ///
    /// A proposer asks for outcomes at the end of each request and a receiver at the end of the round, so a proposer
    /// never uses less: what it could afford, the receiver can.
    pub(super) fn fuel_left(&self, contract: ContractId, terms: &Terms) -> Fuel {
        let used = self.progress.used.get(&contract).map_or(0, |fuel| fuel.0);
        let own = terms.limits.fuel_per_round.0.saturating_sub(used);
        Fuel(own.min(FUEL_PER_ROUND_MAX.0.saturating_sub(self.progress.used_by_all.0)))
    }

    pub(super) fn burn(&mut self, contract: ContractId, fuel: Fuel) {
        let used = self.progress.used.entry(contract).or_default();
        used.0 = used.0.saturating_add(fuel.0);
        let all = &mut self.progress.used_by_all;
        all.0 = all.0.saturating_add(fuel.0);
    }
}
