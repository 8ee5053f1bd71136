//! Peer messages to bytes and back: total, bounded, versioned.
