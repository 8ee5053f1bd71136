//! A contract written in plain Rust, with the runtime that runs it: what tests and the simulator use in place of
//! WebAssembly.
//!
//! The contract is a purse. Each party starts with its own collateral, may give its own part to the other, may lock
//! it behind a hash, and either may end it. Three further actions misbehave on demand, so that a channel can be tested
//! against every kind of failure. Never offered to peers: its module hash is the hash of no module.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use minicbor::{Decode, Encode};
use strait_primitives::{BlockHeight, Fuel, MilliSats, ModuleHash, PaymentHash};

use crate::{
    Action, Call, CallError, Collateral, ContractRuntime, Failure, Finality, LoadError, LocalFault,
    Metered, Outcome, OutcomeLock, Params, Party, Refusal, State, TrapReason,
};

/// The module hash of the purse.
pub const PURSE: ModuleHash = ModuleHash::from_bytes([0x5c; 32]);
/// The bytes that [`ScriptedRuntime::load`] takes for the purse.
pub const PURSE_MODULE: &[u8] = b"purse";
/// What each call of the purse costs.
pub const PURSE_FUEL: Fuel = Fuel(1_000);

/// What a party can ask of the purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum PurseAction {
    /// Gives a part of one's own to the other.
    #[n(0)]
    Give {
        /// How much.
        #[n(0)]
        amount: MilliSats,
    },
    /// Puts a part of one's own behind a hash.
    #[n(1)]
    Lock {
        /// How much.
        #[n(0)]
        amount: MilliSats,
        /// The hash whose preimage claims it.
        #[n(1)]
        payment_hash: PaymentHash,
        /// The height from which it falls back; must be above the ledger's.
        #[n(2)]
        expiry: BlockHeight,
    },
    /// Ends the purse.
    #[n(2)]
    Finish,
    /// Gives money to the other out of nothing, so that no later outcome stands.
    #[n(3)]
    Mint {
        /// How much.
        #[n(0)]
        amount: MilliSats,
    },
    /// Burns fuel.
    #[n(4)]
    Burn {
        /// How much.
        #[n(0)]
        fuel: Fuel,
    },
    /// Traps.
    #[n(5)]
    Panic,
}

impl PurseAction {
    /// The action as a contract's bytes.
    ///
    /// # Panics
    /// Never: an action of the purse is short.
    #[must_use]
    pub fn to_action(self) -> Action {
        let bytes = minicbor::to_vec(self).expect("encoding into memory cannot fail");
        Action::new(&bytes).expect("an action of the purse is below 100 bytes")
    }
}

/// What the purse remembers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Purse {
    #[n(0)]
    first: MilliSats,
    #[n(1)]
    second: MilliSats,
    #[n(2)]
    locks: Vec<OutcomeLock>,
    #[n(3)]
    finality: Finality,
}

/// Runs the purse, and nothing else.
#[derive(Debug, Default)]
pub struct ScriptedRuntime {
    /// What was loaded: the purse or nothing.
    loaded: Mutex<BTreeSet<ModuleHash>>,
}

impl ScriptedRuntime {
    /// A runtime that has loaded nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A runtime that has loaded the purse.
    #[must_use]
    pub fn with_purse() -> Self {
        Self { loaded: Mutex::new(BTreeSet::from([PURSE])) }
    }

    /// Charges one call.
    fn start(&self, call: Call<'_>) -> Result<(), CallError> {
        if !self.is_loaded(call.module) {
            return Err(LocalFault::ModuleMissing { module: *call.module }.into());
        }
        if call.fuel < PURSE_FUEL {
            return Err(Failure::OutOfFuel { limit: call.fuel }.into());
        }
        Ok(())
    }
}

impl ContractRuntime for ScriptedRuntime {
    fn load(&self, wasm: &[u8]) -> Result<ModuleHash, LoadError> {
        if wasm != PURSE_MODULE {
            return Err(LoadError::NotComponent);
        }
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(PURSE);
        Ok(PURSE)
    }

    fn is_loaded(&self, module: &ModuleHash) -> bool {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).contains(module)
    }

    fn init(
        &self,
        call: Call<'_>,
        collateral: &Collateral,
        params: &Params,
    ) -> Result<Metered<State>, CallError> {
        self.start(call)?;
        if !params.as_bytes().is_empty() {
            return Err(refused(1, "a purse takes no parameters"));
        }
        let purse = Purse {
            first: collateral.first(),
            second: collateral.second(),
            locks: Vec::new(),
            finality: Finality::Open,
        };
        purse.to_state(call, PURSE_FUEL)
    }

    fn apply(
        &self,
        call: Call<'_>,
        state: &State,
        who: Party,
        action: &Action,
        height: BlockHeight,
    ) -> Result<Metered<State>, CallError> {
        self.start(call)?;
        let mut purse = Purse::from_state(state)?;
        let action = minicbor::decode(action.as_bytes())
            .map_err(|_| refused(2, "not an action of the purse"))?;
        let used = purse.act(call, who, action, height)?;
        purse.to_state(call, used)
    }

    fn outcome(&self, call: Call<'_>, state: &State) -> Result<Metered<Outcome>, CallError> {
        self.start(call)?;
        let Purse { first, second, locks, finality } = Purse::from_state(state)?;
        Ok(Metered { value: Outcome { first, second, locks, finality }, used: PURSE_FUEL })
    }
}

impl Purse {
    fn from_state(state: &State) -> Result<Self, CallError> {
        minicbor::decode(state.as_bytes())
            .map_err(|_| Failure::Trap { reason: TrapReason::Unreachable }.into())
    }

    fn to_state(&self, call: Call<'_>, used: Fuel) -> Result<Metered<State>, CallError> {
        let bytes = minicbor::to_vec(self).expect("encoding into memory cannot fail");
        let limit = call.limits.state_bytes;
        let too_large = Failure::StateTooLarge { actual: bytes.len(), limit };
        if u32::try_from(bytes.len()).is_ok_and(|length| length > limit) {
            return Err(too_large.into());
        }
        let value = State::new(&bytes).map_err(|_| too_large)?;
        Ok(Metered { value, used })
    }

    fn act(
        &mut self,
        call: Call<'_>,
        who: Party,
        action: PurseAction,
        height: BlockHeight,
    ) -> Result<Fuel, CallError> {
        if self.finality == Finality::Final {
            return Err(refused(3, "the purse has ended"));
        }
        match action {
            PurseAction::Give { amount } => {
                self.take(who, amount)?;
                self.put(!who, amount)?;
            }
            PurseAction::Lock { amount, payment_hash, expiry } => {
                if expiry <= height {
                    return Err(refused(5, "the lock has expired already"));
                }
                self.take(who, amount)?;
                self.locks.push(OutcomeLock { offered_by: who, amount, payment_hash, expiry });
            }
            PurseAction::Finish => self.finality = Finality::Final,
            PurseAction::Mint { amount } => self.put(!who, amount)?,
            PurseAction::Burn { fuel } => {
                let used = Fuel(fuel.0.saturating_add(PURSE_FUEL.0));
                if used > call.fuel {
                    return Err(Failure::OutOfFuel { limit: call.fuel }.into());
                }
                return Ok(used);
            }
            PurseAction::Panic => {
                return Err(Failure::Trap { reason: TrapReason::Unreachable }.into());
            }
        }
        Ok(PURSE_FUEL)
    }

    fn part(&mut self, party: Party) -> &mut MilliSats {
        match party {
            Party::First => &mut self.first,
            Party::Second => &mut self.second,
        }
    }

    fn take(&mut self, party: Party, amount: MilliSats) -> Result<(), CallError> {
        let part = self.part(party);
        *part = part.checked_sub(amount).ok_or_else(|| refused(4, "more than one has"))?;
        Ok(())
    }

    fn put(&mut self, party: Party, amount: MilliSats) -> Result<(), CallError> {
        let part = self.part(party);
        *part = part.checked_add(amount).ok_or_else(|| refused(6, "more than there is"))?;
        Ok(())
    }
}

fn refused(code: u32, reason: &str) -> CallError {
    Failure::Refused(Refusal::new(code, reason.as_bytes())).into()
}

#[cfg(test)]
mod tests;
