//! One operation after the other: from a ledger to the next.
//!
//! The same code runs three times for each round: when it is proposed and when it is received, with contracts called
//! for real, and when the log is replayed, with what they answered then.

use std::collections::BTreeSet;
use std::sync::Arc;

use strait_contract::{CallError, Outcome, Step, Terms};
use strait_onchain::limits::EXPIRY_END;
use strait_onchain::payment_hash_of;
use strait_primitives::{BlockHeight, ContractId, LockId, MilliSats, Party, Preimage};
use strait_wire::Operation;

use super::context::{Contracts, Progress, RoundContext};
use super::contract::{ContractChange, LiveContract};
use super::{DUST_LIMIT, Ledger, LedgerError, Lock, Rules};
use crate::Pair;
use crate::limits::{EXPIRY_LEAD_MAX, LOCKS_EVER_MAX};
use crate::party::{channel_party, contract_party};

/// What takes a request back of which one operation was not allowed: as little as the request can have touched.
enum Undo {
    /// Of a request that only pays or raises the height.
    Balances { balance: Pair<MilliSats>, reserve_reached: Pair<bool>, height: BlockHeight },
    /// Of any other.
    Everything(Box<(Ledger, Progress)>),
}

impl Undo {
    fn of(ledger: &Ledger, operations: &[Operation], ctx: &RoundContext<'_>) -> Self {
        let is_plain = operations.iter().all(|operation| match operation {
            Operation::Pay { .. } | Operation::RaiseHeight { .. } => true,
            Operation::AddLock { .. }
            | Operation::ClaimLock { .. }
            | Operation::CancelLock { .. }
            | Operation::OpenContract { .. }
            | Operation::Act { .. }
            | Operation::SettleContract { .. } => false,
        });
        if is_plain {
            let Ledger { balance, reserve_reached, height, .. } = *ledger;
            Self::Balances { balance, reserve_reached, height }
        } else {
            Self::Everything(Box::new((ledger.clone(), ctx.progress.clone())))
        }
    }

    fn undo(self, ledger: &mut Ledger, ctx: &mut RoundContext<'_>) {
        match self {
            Self::Balances { balance, reserve_reached, height } => {
                (ledger.balance, ledger.reserve_reached, ledger.height) =
                    (balance, reserve_reached, height);
            }
            Self::Everything(before) => (*ledger, ctx.progress) = *before,
        }
    }
}

impl Ledger {
    /// Applies the operations of one request; on an error nothing of it remains.
    ///
    /// # Errors
    /// [`LedgerError`]: what the first operation that is not allowed would have broken.
    pub fn apply_all(
        &mut self,
        operations: &[Operation],
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        let undo = Undo::of(self, operations, ctx);
        let done = operations.iter().try_for_each(|operation| self.apply(operation, ctx));
        let done = done.and_then(|()| self.settle_outcomes(operations, ctx));
        if done.is_err() {
            undo.undo(self, ctx);
        }
        self.assert_conserved();
        done
    }

    fn apply(
        &mut self,
        operation: &Operation,
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        let proposer = ctx.proposer;
        match operation {
            Operation::Pay { amount, reference: _ } => {
                self.debit(proposer, *amount, ctx.rules)?;
                self.credit(!proposer, *amount, ctx.rules);
                Ok(())
            }
            Operation::AddLock { lock, amount, payment_hash, expiry, route: _ } => {
                let new = Lock { amount: *amount, payment_hash: *payment_hash, expiry: *expiry };
                self.add_lock(proposer, *lock, new, ctx.rules)
            }
            Operation::ClaimLock { lock, preimage } => {
                self.claim_lock(proposer, *lock, preimage, ctx.rules)
            }
            Operation::CancelLock { lock, reason: _ } => {
                let cancelled = self.take_lock(!proposer, *lock)?;
                self.credit(!proposer, cancelled.amount, ctx.rules);
                Ok(())
            }
            Operation::RaiseHeight { height } => self.raise_height(*height),
            Operation::OpenContract { contract } => self.open_contract(*contract, ctx),
            Operation::Act { contract, action } => self.act(*contract, action.as_bytes(), ctx),
            Operation::SettleContract { contract } => self.settle_contract(*contract, ctx),
        }
    }

    fn debit(&mut self, party: Party, amount: MilliSats, rules: &Rules) -> Result<(), LedgerError> {
        if amount == MilliSats::ZERO {
            return Err(LedgerError::Zero);
        }
        let spendable = self.spendable(party, rules);
        if amount > spendable {
            let reserve = self.floor(party, rules);
            return Err(LedgerError::Balance { amount, spendable, reserve });
        }
        let balance = self.balance.entry(party);
        *balance = balance.checked_sub(amount).expect("what is spendable is at most the balance");
        Ok(())
    }

    fn credit(&mut self, party: Party, amount: MilliSats, rules: &Rules) {
        let balance = self.balance.entry(party);
        *balance = balance.checked_add(amount).expect("a balance is at most the capacity");
        if *balance >= rules.reserve {
            *self.reserve_reached.entry(party) = true;
        }
    }

    fn add_lock(
        &mut self,
        offerer: Party,
        id: LockId,
        lock: Lock,
        rules: &Rules,
    ) -> Result<(), LedgerError> {
        let next = self.next_lock.entry(offerer);
        let expected = LockId(*next);
        if id != expected {
            return Err(LedgerError::LockNumber { actual: id, expected });
        }
        if *next >= LOCKS_EVER_MAX {
            return Err(LedgerError::LocksEver { limit: LOCKS_EVER_MAX });
        }
        *next = next.checked_add(1).expect("a channel has fewer than 2^64 locks");
        if lock.amount < rules.lock_min {
            return Err(LedgerError::LockSize { amount: lock.amount, limit: rules.lock_min });
        }
        check_expiry(lock.expiry, self.height)?;
        self.debit(offerer, lock.amount, rules)?;
        self.locks.insert((offerer, id), lock);
        Ok(())
    }

    fn claim_lock(
        &mut self,
        receiver: Party,
        id: LockId,
        preimage: &Preimage,
        rules: &Rules,
    ) -> Result<(), LedgerError> {
        let lock = self.take_lock(!receiver, id)?;
        if payment_hash_of(preimage) != lock.payment_hash {
            return Err(LedgerError::Preimage { lock: id });
        }
        self.credit(receiver, lock.amount, rules);
        Ok(())
    }

    fn take_lock(&mut self, offerer: Party, id: LockId) -> Result<Lock, LedgerError> {
        self.locks.remove(&(offerer, id)).ok_or(LedgerError::UnknownLock { lock: id })
    }

    /// Holds all locks, contracts' included, against the caps (protocol section 3).
    fn check_lock_limits(&self, rules: &Rules) -> Result<(), LedgerError> {
        for lock in self.contracts.values().flat_map(|contract| &contract.outcome.locks) {
            check_expiry(lock.expiry, self.height)?;
            if lock.amount < rules.lock_min {
                return Err(LedgerError::LockSize { amount: lock.amount, limit: rules.lock_min });
            }
        }
        for party in [Party::Opener, Party::Acceptor] {
            let own = self.locks.keys().filter(|(offerer, _)| *offerer == party).count();
            let contracts: usize = self
                .contracts
                .values()
                .map(|c| {
                    c.outcome.locks.iter().filter(|l| channel_party(l.offered_by) == party).count()
                })
                .sum();
            if contracts > usize::from(rules.contract_locks_max) {
                return Err(LedgerError::LockCount { limit: rules.contract_locks_max });
            }
            if own.saturating_add(contracts) > usize::from(rules.locks_max) {
                return Err(LedgerError::LockCount { limit: rules.locks_max });
            }
        }
        let exposure = self.trimmed_exposure();
        if exposure > rules.dust_exposure_max {
            return Err(LedgerError::DustExposure { exposure, limit: rules.dust_exposure_max });
        }
        Ok(())
    }

    fn trimmed_exposure(&self) -> MilliSats {
        let own = self.locks.values().map(|lock| lock.amount);
        let contracts =
            self.contracts.values().flat_map(|c| c.outcome.locks.iter().map(|l| l.amount));
        MilliSats::checked_sum(own.chain(contracts).filter(|a| a.floor_sats() < DUST_LIMIT))
            .expect("locks hold at most the capacity")
    }

    fn raise_height(&mut self, height: BlockHeight) -> Result<(), LedgerError> {
        if height <= self.height {
            return Err(LedgerError::Height { actual: height, current: self.height });
        }
        self.height = height;
        Ok(())
    }

    fn open_contract(
        &mut self,
        id: ContractId,
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        let agreement = ctx.agreement(id).ok_or(LedgerError::NoAgreement { contract: id })?;
        if self.contracts.contains_key(&id) || !ctx.progress.spent.insert(id) {
            return Err(LedgerError::DuplicateContract { contract: id });
        }
        let terms = agreement.terms.clone();
        for party in [Party::Opener, Party::Acceptor] {
            let part = terms.collateral.of(contract_party(party));
            if part > MilliSats::ZERO {
                self.debit(party, part, ctx.rules)?;
            }
        }
        let (state, outcome) = match ctx.contracts {
            Contracts::Run(runtime) => {
                let made = terms
                    .init(runtime, ctx.fuel_left(id, &terms))
                    .map_err(|e| call_error(id, &terms, e))?;
                ctx.burn(id, made.used);
                (made.value, unsettled(&terms))
            }
            Contracts::Replay(_) => {
                let change =
                    ctx.recorded(id).ok_or(LedgerError::UnknownContract { contract: id })?;
                (change.state.clone(), change.outcome.clone())
            }
        };
        self.contracts.insert(id, Arc::new(LiveContract { terms, state, outcome }));
        Ok(())
    }

    fn act(
        &mut self,
        id: ContractId,
        action: &[u8],
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        let height = self.height;
        let contract =
            self.contracts.get_mut(&id).ok_or(LedgerError::UnknownContract { contract: id })?;
        let Contracts::Run(runtime) = ctx.contracts else {
            // Replay keeps only where a round left the contract; `settle_outcomes` puts that in place.
            return Ok(());
        };
        let action = strait_contract::Action::new(action).map_err(|_| LedgerError::Call {
            contract: id,
            source: strait_contract::Failure::Malformed.into(),
        })?;
        let who = contract_party(ctx.proposer);
        let step = Step { state: &contract.state, who, action: &action, height };
        let left = ctx.fuel_left(id, &contract.terms);
        let made = contract
            .terms
            .apply(runtime, &step, left)
            .map_err(|e| call_error(id, &contract.terms, e))?;
        ctx.burn(id, made.used);
        Arc::make_mut(contract).state = made.value;
        Ok(())
    }

    fn settle_contract(
        &mut self,
        id: ContractId,
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        self.refresh_outcome(id, ctx)?;
        let contract =
            self.contracts.remove(&id).ok_or(LedgerError::UnknownContract { contract: id })?;
        if !contract.is_final() || !contract.outcome.locks.is_empty() {
            return Err(LedgerError::NotFinal { contract: id });
        }
        ctx.progress.spent.insert(id);
        for party in [Party::Opener, Party::Acceptor] {
            self.credit(party, contract.outcome_of(party), ctx.rules);
        }
        Ok(())
    }

    /// Asks every contract that these operations touched what its state is worth, once, however often it was called;
    /// then counts all locks. Both look at where the operations end, so that a round applied at once and the same
    /// round applied request by request agree.
    fn settle_outcomes(
        &mut self,
        operations: &[Operation],
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        let mut touched = BTreeSet::new();
        let mut adds_locks = false;
        for operation in operations {
            match operation {
                Operation::OpenContract { contract } | Operation::Act { contract, .. } => {
                    touched.insert(*contract);
                }
                Operation::AddLock { .. } => adds_locks = true,
                Operation::Pay { .. }
                | Operation::ClaimLock { .. }
                | Operation::CancelLock { .. }
                | Operation::RaiseHeight { .. }
                | Operation::SettleContract { .. } => {}
            }
        }
        for id in &touched {
            // One that was settled again has been asked when it was.
            if self.contracts.contains_key(id) {
                self.refresh_outcome(*id, ctx)?;
            }
        }
        if adds_locks || !touched.is_empty() { self.check_lock_limits(ctx.rules) } else { Ok(()) }
    }

    fn refresh_outcome(
        &mut self,
        id: ContractId,
        ctx: &mut RoundContext<'_>,
    ) -> Result<(), LedgerError> {
        let contract =
            self.contracts.get_mut(&id).ok_or(LedgerError::UnknownContract { contract: id })?;
        let (state, outcome) = match ctx.contracts {
            Contracts::Run(runtime) => {
                let left = ctx.fuel_left(id, &contract.terms);
                let made = contract
                    .terms
                    .outcome(runtime, &contract.state, left)
                    .map_err(|e| call_error(id, &contract.terms, e))?;
                ctx.burn(id, made.used);
                (contract.state.clone(), made.value)
            }
            Contracts::Replay(_) => {
                let Some(change) = ctx.recorded(id) else { return Ok(()) };
                (change.state.clone(), change.outcome.clone())
            }
        };
        let sound = outcome.check(&contract.terms.collateral, &contract.terms.limits);
        sound.map_err(|source| LedgerError::Outcome { contract: id, source })?;
        let change = ContractChange { contract: id, state, outcome };
        let live = Arc::make_mut(contract);
        live.state = change.state.clone();
        live.outcome = change.outcome.clone();
        ctx.progress.changes.insert(id, change);
        Ok(())
    }
}

/// A script judges an expiry as a height only within bounds; and a lock holds both sides' money, and the channel after
/// its end, for as long as it says.
///
/// The bound goes by the ledger's height, which both sides know: whoever adds a lock raises it first, and nobody accepts
/// one above its own tip.
fn check_expiry(expiry: BlockHeight, height: BlockHeight) -> Result<(), LedgerError> {
    let end = height.saturating_add(EXPIRY_LEAD_MAX).to_u32().saturating_add(1).min(EXPIRY_END);
    if (1..end).contains(&expiry.to_u32()) {
        return Ok(());
    }
    Err(LedgerError::Expiry { expiry, end: BlockHeight::new(end) })
}

/// What a contract is worth before its module was asked: each its own collateral.
fn unsettled(terms: &Terms) -> Outcome {
    Outcome {
        first: terms.collateral.first(),
        second: terms.collateral.second(),
        locks: Vec::new(),
        finality: strait_contract::Finality::Open,
    }
}

fn call_error(contract: ContractId, terms: &Terms, error: CallError) -> LedgerError {
    match error {
        CallError::Failed(_) => LedgerError::Call { contract, source: error },
        CallError::Local(_) => LedgerError::LocalFault { module: terms.module, source: error },
    }
}
