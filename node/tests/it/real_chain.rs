//! Two nodes on a real bitcoind: what they sign is judged by Bitcoin Core, and every coin is found where it belongs.
//!
//! Without `BITCOIND_EXE` these tests say why they do nothing; with one that does not work they fail.

mod cooperative;
mod force;
mod judge;
mod locks;
mod metered;
mod reorganisation;
mod restored;
mod revoked;
pub(crate) mod world;
