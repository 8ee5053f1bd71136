//! Names of things and curve material as bytes: nothing here is checked against the curve, only against its length.

use crate::bytes::{byte_id, hidden, shown};

byte_id! {
    /// A channel: the hash of both node ids and the opener's nonce, so no third party can make it collide.
    ChannelId, 32, shown
}
byte_id! {
    /// A contract living in a channel.
    ContractId, 32, shown
}
byte_id! {
    /// The SHA-256 of a WebAssembly module.
    ModuleHash, 32, shown
}
byte_id! {
    /// A SHA-256 that names content (a ledger, a message, a state).
    Digest, 32, shown
}
byte_id! {
    /// A node: its compressed secp256k1 public key, which is also its libp2p identity.
    NodeId, 33, shown
}
byte_id! {
    /// A compressed secp256k1 public key, not yet known to be on the curve.
    PublicKeyBytes, 33, shown
}
byte_id! {
    /// An x-only secp256k1 public key (BIP-0340), not yet known to be on the curve.
    XOnlyKeyBytes, 32, shown
}
byte_id! {
    /// A BIP-0340 signature, not yet verified.
    SchnorrSignature, 64, shown
}
byte_id! {
    /// The hash that locks a payment.
    PaymentHash, 32, shown
}
byte_id! {
    /// The preimage of a [`PaymentHash`]; never logged.
    Preimage, 32, hidden
}
byte_id! {
    /// The hash of a [`RevocationSecret`], shown before its commitment is signed.
    RevocationHash, 32, shown
}
byte_id! {
    /// The secret that revokes one commitment (BOLT-0003's shachain leaf); never logged.
    RevocationSecret, 32, hidden
}
byte_id! {
    /// Entropy that makes one channel's keys differ from every other channel's of the same seed. Not secret alone.
    KeySalt, 32, shown
}
byte_id! {
    /// What makes a request that moves money idempotent: the hash of the caller's idempotency key.
    RequestKey, 16, shown
}
byte_id! {
    /// Names a token of the interface; the token's secret is another thing.
    TokenId, 8, shown
}

/// A lock, counted by its offerer within one channel. Known by (channel, offerer, id), never by hash or amount.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct LockId(#[n(0)] pub u64);
