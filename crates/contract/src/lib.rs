//! What a contract may see, ask and answer; knows no WebAssembly engine.
//!
//! The channel machine keeps [`Terms`] and a [`State`] per live contract and asks a [`ContractRuntime`] for the next
//! state and its [`Outcome`]. `strait-vm` is the runtime of the node; [`ScriptedRuntime`] is one written in plain Rust
//! for tests and the simulator.
//!
//! Two kinds of errors never mix: a [`Failure`] is the contract's own answer, the same on every machine, and may be
//! held against the peer that proposed the call; a [`LocalFault`] says only that *this* machine has no answer.
//!
//! **Invariant:** nothing here reads a clock, draws entropy or knows wasmtime. Spec: protocol section 11, ADR-0004.

mod collateral;
mod failure;
pub mod limits;
mod outcome;
mod party;
mod payload;
mod runtime;
pub mod scripted;
mod terms;

pub use collateral::{Collateral, CollateralError};
pub use failure::{CallError, Failure, LoadError, LocalFault, Refusal, TrapReason};
pub use limits::{Limits, LimitsError, MemoryPages, MeteringVersion, StackCells};
pub use outcome::{Finality, Outcome, OutcomeError, OutcomeLock};
pub use party::Party;
pub use payload::{Action, Params, PayloadTooLong, State};
pub use runtime::{Call, ContractRuntime, Metered};
pub use scripted::ScriptedRuntime;
pub use terms::{Step, Terms};
