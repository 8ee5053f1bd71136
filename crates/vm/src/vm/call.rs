//! One call: a fresh instance, its counters set, one function, the fuel read, the instance gone.

use bitcoin_hashes::{Hash as _, sha256};
use strait_contract::{
    Action, Call, CallError, Collateral, ContractRuntime, Failure, LoadError, LocalFault, Metered,
    Outcome, OutcomeError, Params, Party, Refusal, State,
};
use strait_primitives::{BlockHeight, Fuel, ModuleHash};
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Lift, Lower};

use std::sync::{Arc, PoisonError};

use super::{Exports, Vm};
use crate::interface::{WitCollateral, WitDivision, WitParty, WitRefusal};
use crate::limits::{BYTE_FUEL, LOCK_BYTES};
use crate::verdict::{fault, of_running, of_starting};

/// What `init` and `apply` answer.
type StateAnswer = Result<Vec<u8>, WitRefusal>;

impl ContractRuntime for Vm {
    fn load(&self, wasm: &[u8]) -> Result<ModuleHash, LoadError> {
        let hash = ModuleHash::from_bytes(sha256::Hash::hash(wasm).to_byte_array());
        if self.is_loaded(&hash) {
            return Ok(hash);
        }
        // Two threads may compile the same module at once; the second result is dropped.
        let loaded = Arc::new(self.compiled(wasm)?);
        self.modules.write().unwrap_or_else(PoisonError::into_inner).entry(hash).or_insert(loaded);
        Ok(hash)
    }

    fn is_loaded(&self, module: &ModuleHash) -> bool {
        self.module(module).is_some()
    }

    fn init(
        &self,
        call: Call<'_>,
        collateral: &Collateral,
        params: &Params,
    ) -> Result<Metered<State>, CallError> {
        let fed = params.as_bytes();
        let arguments = (WitCollateral::from(collateral), fed);
        let answer: Metered<StateAnswer> =
            self.run(call, |e| e.init, arguments, fed.len(), state_bytes)?;
        to_state(call, answer)
    }

    fn apply(
        &self,
        call: Call<'_>,
        state: &State,
        who: Party,
        action: &Action,
        height: BlockHeight,
    ) -> Result<Metered<State>, CallError> {
        let (state, action) = (state.as_bytes(), action.as_bytes());
        let arguments = (state, WitParty::from(who), action, height.to_u32());
        let fed_bytes = state.len() + action.len();
        let answer: Metered<StateAnswer> =
            self.run(call, |e| e.apply, arguments, fed_bytes, state_bytes)?;
        to_state(call, answer)
    }

    fn outcome(&self, call: Call<'_>, state: &State) -> Result<Metered<Outcome>, CallError> {
        let state = state.as_bytes();
        let answer_bytes =
            |division: &WitDivision| division.lock_count().saturating_mul(LOCK_BYTES);
        let answer: Metered<WitDivision> =
            self.run(call, |e| e.outcome, (state,), state.len(), answer_bytes)?;
        let limit = call.limits.outcome_locks;
        let actual = answer.value.lock_count();
        if actual > usize::from(limit) {
            return Err(Failure::from(OutcomeError::TooManyLocks { actual, limit }).into());
        }
        // A number above all the money there is belongs to no outcome; what it should sum to is the caller's to check.
        let value = answer.value.into_outcome().map_err(|_| Failure::Malformed)?;
        Ok(Metered { value, used: answer.used })
    }
}

impl Vm {
    /// Makes an instance, calls one function in it, and throws it away. `fed_bytes` go in; `answer_bytes` says how
    /// many came out.
    fn run<P, R>(
        &self,
        call: Call<'_>,
        function: impl Fn(&Exports) -> ComponentExportIndex,
        arguments: P,
        fed_bytes: usize,
        answer_bytes: impl Fn(&R) -> usize,
    ) -> Result<Metered<R>, CallError>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let module =
            self.module(call.module).ok_or(LocalFault::ModuleMissing { module: *call.module })?;
        let out_of_fuel = Failure::OutOfFuel { limit: call.fuel };
        let entry = module.entry_fuel.saturating_add(price_of_bytes(fed_bytes));
        let fuel = call.fuel.0.checked_sub(entry).ok_or_else(|| out_of_fuel.clone())?;

        let _slot = self.slots.take();
        let mut store = self.store(call.limits.memory.to_bytes());
        let instance = module.pre.instantiate(&mut store).map_err(|e| of_starting(&e, call))?;
        instance
            .get_typed_func::<(u64, u32), ()>(&mut store, module.exports.set)
            .and_then(|set| set.call(&mut store, (fuel, call.limits.call_depth.0)))
            .map_err(|e| fault(&e))?;
        let (value,) = instance
            .get_typed_func::<P, (R,)>(&mut store, function(&module.exports))
            .map_err(|e| fault(&e))?
            .call(&mut store, arguments)
            .map_err(|e| of_running(&e, call, &module.counters))?;
        let (left,) = instance
            .get_typed_func::<(), (u64,)>(&mut store, module.exports.left)
            .and_then(|left| left.call(&mut store, ()))
            .map_err(|e| fault(&e))?;
        assert!(left <= fuel, "the counter of fuel only goes down: {left} left of {fuel}");

        let left = left.checked_sub(price_of_bytes(answer_bytes(&value))).ok_or(out_of_fuel)?;
        let used = call.fuel.0.checked_sub(left).expect("less is left than there was");
        Ok(Metered { value, used: Fuel(used) })
    }
}

fn state_bytes(answer: &StateAnswer) -> usize {
    answer.as_ref().map_or_else(|refusal| refusal.reason.len(), Vec::len)
}

fn price_of_bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(BYTE_FUEL)
}

fn to_state(call: Call<'_>, answer: Metered<StateAnswer>) -> Result<Metered<State>, CallError> {
    let bytes = answer.value.map_err(|WitRefusal { code, reason }| {
        Failure::Refused(Refusal::new(code, reason.as_bytes()))
    })?;
    let limit = call.limits.state_bytes;
    let too_large = Failure::StateTooLarge { actual: bytes.len(), limit };
    if u32::try_from(bytes.len()).map_or(true, |length| length > limit) {
        return Err(too_large.into());
    }
    let value = State::new(&bytes).map_err(|_| too_large)?;
    Ok(Metered { value, used: answer.used })
}
