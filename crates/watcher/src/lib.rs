//! The guard of what happens on chain.
