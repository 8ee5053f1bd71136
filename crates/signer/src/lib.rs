//! Secrets, revocation and the rules of signing.
//!
//! Everything secret of a node comes from one seed and stays behind the types of this crate; the channel machine asks
//! them for signatures and secrets, and [`SigningState`] refuses what would lose money. Entropy is an argument: this
//! crate never asks for any.
//!
//! **Invariant:** no secret is printed, and none leaves but through a method that says so in its name.
//!
//! Spec: `docs/protocol/`, sections 1, 6, 8 and 9; BIP-0032, BIP-0039, BIP-0086, BIP-0327, BIP-0340, BOLT-0003.

mod channel_signer;
mod closing;
#[cfg(test)]
mod fixture;
mod node_key;
mod psbt;
mod rules;
mod seed;
mod shachain;
mod verify;

pub use channel_signer::{ChannelSigner, SignedCommitment};
pub use closing::{
    Close, ClosingNonce, ClosingSession, ClosingSessionError, PartialSignature, PublicNonce,
};
pub use node_key::NodeKey;
pub use psbt::PsbtError;
pub use rules::{Refusal, Rounds, SigningEvent, SigningState, Standing};
pub use seed::{Seed, SeedWords, SeedWordsError, WalletDescriptors};
pub use shachain::{CommitmentSeed, SecretError, SecretStore};
pub use verify::{BadSignature, verify_commitment, verify_schnorr};
pub use zeroize::Zeroizing;
