//! The on-chain wallet: coins, addresses and the reserve for fees.
//!
//! The engine calls it: it feeds blocks and its own broadcasts in, asks for coins, addresses and unsigned
//! transactions, and writes every [`WalletChange`] that comes out into the node's one log.
//!
//! ```text
//! blocks, own broadcasts ──▶ Wallet ──▶ WalletChange ──▶ log ──▶ WalletState (fold) ──▶ Wallet::load
//!                              │
//!                              └──▶ coins, balances, unsigned transactions
//! ```
//!
//! The law: `WalletState::default()` with every change applied in order equals [`Wallet::state`], across
//! restarts and reorganisations, and a wallet loaded from it answers every question as the live one does.
//!
//! It watches one BIP-0086 account (taproot, key path) by its extended public key. Which coins exist and which
//! of several conflicting transactions counts is worked out by bdk's graph; reservations, selection to our fee
//! rules and the disk format are ours, so a record outlives any version of that library.
//!
//! **Invariant:** no secret key, file, socket, clock or randomness of its own; entropy and time are arguments.

mod account;
mod blocks;
mod bump;
mod codec;
mod coins;
mod holds;
mod limits;
mod reserve;
mod select;
mod send;
mod state;
mod wallet;

pub use account::{
    Account, AccountError, AddressError, AddressGap, AddressIndex, BlockPoint, Branch,
};
pub use blocks::{ConnectError, DisconnectError};
pub use bump::{BumpInputs, BumpRequest};
pub use coins::{Balance, Coin};
pub use holds::{Purpose, ReserveError};
pub use limits::{
    BLOCKS_KEPT, BUMP_CHILD_VBYTES_MAX, BUMP_COINS_MAX, COMMITMENT_VBYTES, FEE_RATE_MAX,
    SEND_INPUTS_MAX, SEND_OUTPUTS_MAX,
};
pub use reserve::{FeeReserve, bump_reserve};
pub use select::{FundError, SelectRequest, Selection};
pub use send::{CoinSource, Pay, Payment, SendRequest};
pub use state::{DecodeError, WalletChange, WalletState};
pub use wallet::{LoadError, Wallet};
