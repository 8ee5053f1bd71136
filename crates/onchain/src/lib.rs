//! Keys, scripts, transactions and weights of the protocol: pure functions.
