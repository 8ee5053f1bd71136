//! What both sides agree to before a contract lives, and the only door through which a channel calls it.

use bitcoin_hashes::{Hash as _, HashEngine as _, sha256};
use strait_primitives::{BlockHeight, Digest, Fuel, ModuleHash};

use crate::{
    Action, Call, CallError, Collateral, ContractRuntime, Failure, Limits, LocalFault, Metered,
    Outcome, Params, Party, State,
};

/// Separates the digest of terms from every other digest.
const DIGEST_TAG: &[u8] = b"strait/contract-terms/1";

/// The terms of a contract: all that its result can depend on besides the actions and the ledger's height.
#[derive(Debug, Clone, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub struct Terms {
    /// The code.
    #[n(0)]
    pub module: ModuleHash,
    /// What the code is told at the start.
    #[n(1)]
    pub params: Params,
    /// What each party puts in.
    #[n(2)]
    pub collateral: Collateral,
    /// What the code may use.
    #[n(3)]
    pub limits: Limits,
}

impl Terms {
    /// The SHA-256 that names these terms.
    ///
    /// # Panics
    /// Never: encoding into memory cannot fail.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let bytes = minicbor::to_vec(self).expect("encoding into memory cannot fail");
        let mut engine = sha256::Hash::engine();
        engine.input(DIGEST_TAG);
        engine.input(&bytes);
        Digest::from_bytes(sha256::Hash::from_engine(engine).to_byte_array())
    }

    /// The first state, with an outcome that stands. `round_fuel` is what the round has left for this contract.
    ///
    /// # Errors
    /// [`CallError::Failed`] is the contract's answer, [`CallError::Local`] is not.
    pub fn init(
        &self,
        runtime: &dyn ContractRuntime,
        round_fuel: Fuel,
    ) -> Result<Metered<State>, CallError> {
        let call = self.call(round_fuel)?;
        self.bounded(call, runtime.init(call, &self.collateral, &self.params)?)
    }

    /// The state after one action. Its outcome is asked for once a round, by [`Terms::outcome`], before signing.
    ///
    /// # Errors
    /// [`CallError::Failed`] is the contract's answer, [`CallError::Local`] is not.
    pub fn apply(
        &self,
        runtime: &dyn ContractRuntime,
        step: &Step<'_>,
        round_fuel: Fuel,
    ) -> Result<Metered<State>, CallError> {
        let call = self.call(round_fuel)?;
        self.bounded(call, runtime.apply(call, step.state, step.who, step.action, step.height)?)
    }

    /// How a state divides the collateral; checked, so it can be settled as it stands.
    ///
    /// # Errors
    /// [`CallError::Failed`] is the contract's answer (an outcome that cannot stand included), [`CallError::Local`]
    /// is not.
    pub fn outcome(
        &self,
        runtime: &dyn ContractRuntime,
        state: &State,
        round_fuel: Fuel,
    ) -> Result<Metered<Outcome>, CallError> {
        let call = self.call(round_fuel)?;
        let outcome = runtime.outcome(call, state)?;
        assert!(outcome.used <= call.fuel, "a runtime used more fuel than it had");
        outcome.value.check(&self.collateral, &self.limits).map_err(Failure::from)?;
        Ok(outcome)
    }

    /// What every call is given. Limits were checked before the terms were agreed to, so bad ones are our own fault.
    fn call(&self, round_fuel: Fuel) -> Result<Call<'_>, LocalFault> {
        self.limits.check()?;
        let fuel = self.limits.fuel_per_call.min(round_fuel);
        Ok(Call { module: &self.module, limits: &self.limits, fuel })
    }

    /// Holds a runtime to its promises: it never exceeds the fuel, and a long state is the contract's failure.
    fn bounded(&self, call: Call<'_>, result: Metered<State>) -> Result<Metered<State>, CallError> {
        assert!(result.used <= call.fuel, "a runtime used more fuel than it had");
        let actual = result.value.as_bytes().len();
        let limit = self.limits.state_bytes;
        if u32::try_from(actual).is_ok_and(|bytes| bytes <= limit) {
            return Ok(result);
        }
        Err(Failure::StateTooLarge { actual, limit }.into())
    }
}

/// One action on one state.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The state before.
    pub state: &'a State,
    /// Who acts.
    pub who: Party,
    /// What is asked.
    pub action: &'a Action,
    /// The height of the ledger, not of anyone's tip.
    pub height: BlockHeight,
}
