//! `metered`: a service meters calls against a prepaid collateral.
//!
//! The customer puts a collateral in, and pays for each batch of calls with one action: the price of a call depends on
//! how many came before it (the tariff's steps), and the sum never passes the cap. The service may give money back.
//! Either may close; what was not spent is the customer's, in every state.
//!
//! Who may do what follows from one rule: *money moves only by an action of the party that loses it*. So only the
//! customer uses, only the service refunds, and closing, which both may do, moves nothing. No outcome depends on who
//! fell silent: the service serves what it has been paid for, call by call, and never on credit.
//!
//! Integers are big-endian, one after another:
//! ```text
//! parameters  customer u8 (0 opener, 1 acceptor) | cap u64 msat | steps u8 (1 to 16) | steps × (from u64 | price u64 msat)
//! actions     1 | calls u32            use: the customer pays for that many calls
//!             2 | amount u64 msat      refund: the service gives that much back
//!             3                        close: nothing moves any more
//! state       parameters | first u64 msat | second u64 msat | calls u64 | spent u64 msat | closed u8
//! ```

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod action;
mod state;
mod tariff;

pub use action::Action;
pub use state::{Metered, State};
pub use tariff::{Params, Step};

strait_contract_sdk::export!(Metered);
