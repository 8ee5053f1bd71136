//! A regtest chain in one process that speaks bitcoind's RPC.
