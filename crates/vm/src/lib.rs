//! Contracts in wasmtime: admission, metering, limits, cache.
//!
//! [`Vm`] is the node's [`ContractRuntime`](strait_contract::ContractRuntime). A module passes three stations: it is
//! *admitted* (validated against a closed set of features and one shape), *metered* (counters for fuel and call depth
//! are written into its code, so that both are the same on every machine and in every engine), and *compiled* once. A
//! call then gets a fresh instance, its arguments, and nothing else.
//!
//! **Invariant:** no contract ever sees a clock, entropy, a file, a socket or another call's memory; what this machine
//! cannot do is a local fault and never the contract's answer. Spec: protocol section 11, ADR-0004.

mod admit;
mod clock;
mod engine;
mod graft;
mod interface;
pub mod limits;
mod meter;
mod options;
mod slots;
mod verdict;
mod vm;

pub use options::Options;
pub use vm::{StartError, Vm};
