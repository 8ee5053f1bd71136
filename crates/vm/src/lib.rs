//! Contracts in wasmtime: admission, metering, limits, cache.
//!
//! [`Vm`] is the node's [`ContractRuntime`](strait_contract::ContractRuntime). A module passes three stations: it is
//! *admitted* (validated against a closed set of features and one shape), *metered* (counters for fuel and call depth
//! are written into its code, so that both are the same on every machine and in every engine), and *compiled* once; the
//! first two are [`prepare`], which needs no engine. A
//! call then gets a fresh instance, its arguments, and nothing else.
//!
//! **Invariant:** no contract ever sees a clock, entropy, a file, a socket or another call's memory; what this machine
//! cannot do is a local fault and never the contract's answer. Spec: protocol section 11, ADR-0004.

#![cfg_attr(
    not(feature = "engine"),
    expect(dead_code, reason = "limits and counters that only the engine looks at")
)]

mod admit;
#[cfg(feature = "engine")]
mod clock;
#[cfg(feature = "engine")]
mod engine;
mod graft;
#[cfg(feature = "engine")]
mod interface;
pub mod limits;
mod meter;
#[cfg(feature = "engine")]
mod options;
mod prepare;
#[cfg(feature = "engine")]
mod slots;
#[cfg(feature = "engine")]
mod verdict;
#[cfg(feature = "engine")]
mod vm;

#[cfg(feature = "engine")]
pub use options::Options;
pub use prepare::{Prepared, prepare};
#[cfg(feature = "engine")]
pub use vm::{StartError, Vm};
