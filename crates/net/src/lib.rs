//! Peers over libp2p: connections, streams, frames, back-off.
