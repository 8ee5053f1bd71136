//! The on-chain wallet: coins, addresses and the reserve for fees.
