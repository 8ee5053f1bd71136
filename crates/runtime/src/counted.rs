//! Contract calls, counted and timed on their way to whatever runs them.

use std::sync::Arc;

use strait_contract::{
    Action, Call, CallError, Collateral, ContractRuntime, Failure, LoadError, Metered, Outcome,
    Params, Party, State,
};
use strait_primitives::{BlockHeight, ModuleHash};
use strait_telemetry::{CallResult, ErrorKind, Metrics};

use crate::engine_worker::clock;

/// A contract runtime whose calls show in the metrics.
pub(crate) struct Counted {
    pub(crate) inner: Arc<dyn ContractRuntime>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Counted {
    fn count<T>(&self, call: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
        let begun = clock();
        let answer = call();
        let result = result_of(&answer);
        self.metrics.contract_called(result, begun.elapsed());
        match result {
            CallResult::Answered | CallResult::Refused => {}
            CallResult::Trapped | CallResult::LimitReached => {
                self.metrics.error(ErrorKind::Contract);
            }
        }
        answer
    }
}

fn result_of<T>(answer: &Result<T, CallError>) -> CallResult {
    match answer {
        Ok(_) => CallResult::Answered,
        Err(CallError::Failed(failure)) => match failure {
            Failure::Refused(_) => CallResult::Refused,
            Failure::OutOfFuel { .. }
            | Failure::TooDeep { .. }
            | Failure::OutOfMemory { .. }
            | Failure::StateTooLarge { .. } => CallResult::LimitReached,
            Failure::Trap { .. } | Failure::BadOutcome(_) | Failure::Malformed => {
                CallResult::Trapped
            }
        },
        Err(CallError::Local(_)) => CallResult::Trapped,
    }
}

impl ContractRuntime for Counted {
    fn load(&self, wasm: &[u8]) -> Result<ModuleHash, LoadError> {
        self.inner.load(wasm)
    }

    fn is_loaded(&self, module: &ModuleHash) -> bool {
        self.inner.is_loaded(module)
    }

    fn init(
        &self,
        call: Call<'_>,
        collateral: &Collateral,
        params: &Params,
    ) -> Result<Metered<State>, CallError> {
        self.count(|| self.inner.init(call, collateral, params))
    }

    fn apply(
        &self,
        call: Call<'_>,
        state: &State,
        who: Party,
        action: &Action,
        height: BlockHeight,
    ) -> Result<Metered<State>, CallError> {
        self.count(|| self.inner.apply(call, state, who, action, height))
    }

    fn outcome(&self, call: Call<'_>, state: &State) -> Result<Metered<Outcome>, CallError> {
        self.count(|| self.inner.outcome(call, state))
    }
}
