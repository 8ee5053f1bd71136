//! Amounts, heights, times, fee rates and ids: validated newtypes, the vocabulary of every other crate.
//!
//! Nothing here knows Bitcoin scripts, messages or storage; a type belongs here when at least two crates must
//! agree on its meaning. Units live in the types, and arithmetic on money is checked.
//!
//! Encoding: each type derives CBOR (minicbor) as its bare content, because log records and peer messages both
//! carry them. Ids print and parse as lower-case hex.
//!
//! **Invariant:** no dependency on a cryptographic library, a clock or an allocator-heavy crate; a bare integer or
//! byte array never crosses a crate boundary where one of these types fits.

mod amount;
mod bytes;
mod fee;
mod height;
mod ids;
mod number;
mod party;
mod side;
mod time;

pub use amount::{AmountError, MilliSats, Sats};
pub use bytes::ParseHexError;
pub use fee::{FeeRate, VBytes};
pub use height::{BlockDelta, BlockHeight};
pub use ids::{
    ChannelId, ContractId, Digest, KeySalt, LockId, ModuleHash, NodeId, PaymentHash, Preimage,
    PublicKeyBytes, RequestKey, RevocationHash, RevocationSecret, SchnorrSignature, TokenId,
    XOnlyKeyBytes,
};
pub use number::{CommitmentNumber, EventSeq, Fuel};
pub use party::Party;
pub use side::Side;
pub use time::{Millis, Timestamp};
