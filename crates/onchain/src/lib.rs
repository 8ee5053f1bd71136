//! Keys, scripts, transactions and weights of the channel protocol: pure functions from facts to bytes.
//!
//! The channel machine builds commitments here, the signer signs the hashes they yield, the watcher builds its
//! claims here. Nothing in this crate holds a secret, decides a policy or remembers anything.
//!
//! **Invariant:** no clock, entropy, file, socket or thread; the same facts give the same bytes on every machine.
//!
//! Spec: `docs/protocol/`, sections 1, 2, 3, 4, 7 and 8.

pub mod cbor;
mod closing;
mod commitment;
#[cfg(test)]
mod fixture;
mod funding;
mod key_path;
mod keys;
pub mod limits;
mod opening;
mod output;
mod party;
mod script;
mod secret_hash;
mod spend;
mod wallet_script;

pub use closing::{ClosingError, ClosingShare, ClosingTerms, ClosingTransaction};
pub use commitment::{
    BuildError, Commitment, CommitmentContext, CommitmentOutput, CommitmentSignatures,
    CommitmentSpec, CommitmentTerms, LockSpec, OutputKind, Role, TermsError,
};
pub use funding::{FundingError, FundingScript};
pub use key_path::{WitnessError, key_path_signatures};
pub use keys::{ChannelKeyBytes, ChannelPublicKeys, KeyError, KeyKind};
pub use opening::{Contribution, FundingOutput, FundingPlan, FundingTransaction, OpeningError};
pub use party::WalletCoin;
pub use secret_hash::{payment_hash_of, revocation_hash_of};
pub use spend::{
    AnchorChild, AnchorChildError, Claim, ClaimError, ClaimKey, ClaimTransaction, Coin,
    SignatureRequest, SpendError,
};
pub use wallet_script::{WalletScript, WalletScriptError};
