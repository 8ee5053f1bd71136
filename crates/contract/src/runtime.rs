//! The one trait: something that can run contracts.

use strait_primitives::{BlockHeight, Fuel, ModuleHash};

use crate::{Action, CallError, Collateral, Limits, LoadError, Outcome, Params, Party, State};

/// A result with what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered<T> {
    /// The result.
    pub value: T,
    /// The fuel that the call used.
    pub used: Fuel,
}

/// What every call of a contract is given besides its own arguments.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The module to run.
    pub module: &'a ModuleHash,
    /// The limits of the contract's terms.
    pub limits: &'a Limits,
    /// The fuel this call may use: the least of what the terms give a call and what the round has left.
    pub fuel: Fuel,
}

/// Runs contracts. The same call gives the same result or the same [`Failure`](crate::Failure) on every machine and
/// in every implementation of the same metering version; what a machine cannot do is a
/// [`LocalFault`](crate::LocalFault).
///
/// Callers use [`Terms`](crate::Terms), which fixes module, limits and collateral and checks what comes back.
pub trait ContractRuntime: Send + Sync {
    /// Checks, compiles and keeps a module.
    ///
    /// # Errors
    /// [`LoadError`] says why the module is none that contracts may have.
    fn load(&self, wasm: &[u8]) -> Result<ModuleHash, LoadError>;

    /// Whether calls of this module can be answered.
    fn is_loaded(&self, module: &ModuleHash) -> bool;

    /// The first state. An implementation bounds it by the limits of the call.
    ///
    /// # Errors
    /// [`CallError`], whose two kinds never mix.
    fn init(
        &self,
        call: Call<'_>,
        collateral: &Collateral,
        params: &Params,
    ) -> Result<Metered<State>, CallError>;

    /// The state after an action of `who` at the ledger's `height`. An implementation bounds it by the limits.
    ///
    /// # Errors
    /// [`CallError`], whose two kinds never mix.
    fn apply(
        &self,
        call: Call<'_>,
        state: &State,
        who: Party,
        action: &Action,
        height: BlockHeight,
    ) -> Result<Metered<State>, CallError>;

    /// How the state divides the collateral, as the contract says: not yet checked against it.
    ///
    /// # Errors
    /// [`CallError`], whose two kinds never mix.
    fn outcome(&self, call: Call<'_>, state: &State) -> Result<Metered<Outcome>, CallError>;
}
