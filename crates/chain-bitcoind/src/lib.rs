//! A Bitcoin chain over bitcoind's JSON-RPC.
