//! Write Strait contracts in Rust: implement [`Contract`], name it in [`export!`], build with `cargo xtask contracts`.
//!
//! A contract is a pure function of its arguments. Each call runs in a fresh instance, so statics remember nothing;
//! whatever must last goes into the state. Read `docs/contracts.md` first: what the chain does not protect, no
//! contract can.
//!
//! On wasm32 this crate brings an allocator that never frees (a call ends before it matters) and turns a panic into a
//! trap, so a contract is `no_std` and small. On any other machine it is plain types and traits, and a contract's
//! tests are ordinary `cargo test`.
//!
//! # Examples
//! ```
//! use strait_contract_sdk::{Call, Collateral, Contract, Division, Finality, Reader, Refusal, Writer};
//!
//! /// Gives the first party everything, whatever is asked.
//! struct Keep;
//!
//! impl Contract for Keep {
//!     fn init(collateral: Collateral, _params: &[u8]) -> Result<Vec<u8>, Refusal> {
//!         let total = collateral.total_msat().ok_or(Refusal::new(1, "too much"))?;
//!         Ok(Writer::new().u64(total).into_bytes())
//!     }
//!
//!     fn apply(_state: &[u8], _call: Call<'_>) -> Result<Vec<u8>, Refusal> {
//!         Err(Refusal::new(2, "there is nothing to do"))
//!     }
//!
//!     fn outcome(state: &[u8]) -> Division {
//!         let total_msat = Reader::new(state).u64().expect("written by init");
//!         Division { first_msat: total_msat, second_msat: 0, locks: Vec::new(), finality: Finality::Open }
//!     }
//! }
//! ```

#![no_std]

extern crate alloc;

mod bytes;
mod contract;
#[cfg(target_arch = "wasm32")]
mod guest;

pub use bytes::{Reader, Writer};
pub use contract::{Call, Collateral, Contract, Division, Finality, Lock, Party, Refusal};
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use guest::{Adapter, bindings};

/// Exports a [`Contract`] as the module's one interface. On other machines than wasm32 it does nothing.
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! export {
    ($contract:ty) => {
        const _: () = {
            type Exported = $crate::Adapter<$contract>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Exports a [`Contract`] as the module's one interface. On other machines than wasm32 it does nothing.
#[cfg(not(target_arch = "wasm32"))]
#[macro_export]
macro_rules! export {
    ($contract:ty) => {};
}
