//! A commitment before it is signed: its outputs, its hidden number, its size.

use bitcoin::{Amount, TxOut};
use strait_primitives::{CommitmentNumber, Sats, SchnorrSignature, VBytes};

use crate::limits::{COMMITMENT_SIZE_MAX, LOCKS_PER_SIDE_MAX};
use crate::output::ShortScript;

/// What an output of a commitment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// The broadcaster's balance, delayed and revocable.
    Broadcaster,
    /// The countersignatory's balance, in its wallet.
    Countersignatory,
    /// The lock at this place of the spec's slice.
    Lock(usize),
    /// The output that anyone spends to add a fee.
    Anchor,
    /// The hash of the ledger.
    LedgerHash,
}

/// An output of a commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommitmentOutput {
    /// Its value.
    pub(super) value: Sats,
    /// Its script.
    pub(super) script: ShortScript,
    /// What it is.
    pub(super) kind: OutputKind,
}

impl CommitmentOutput {
    /// Its value.
    #[must_use]
    pub const fn value(&self) -> Sats {
        self.value
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> OutputKind {
        self.kind
    }

    /// The output in the form transactions hold.
    #[must_use]
    pub fn to_tx_out(&self) -> TxOut {
        TxOut {
            value: Amount::from_sat(self.value.to_sat()),
            script_pubkey: self.script.to_script_buf(),
        }
    }
}

impl core::fmt::Debug for CommitmentOutput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}({}, {:x})", self.kind, self.value, self.script.to_script_buf())
    }
}

/// An unsigned commitment transaction: everything but its input's place and witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Its number.
    pub(super) number: CommitmentNumber,
    /// The lower half of the masked number.
    pub(super) lock_time: u32,
    /// The upper half of the masked number.
    pub(super) sequence: u32,
    /// Its outputs, in the order of the transaction.
    pub(super) outputs: Vec<CommitmentOutput>,
    /// What the outputs leave of the capacity.
    pub(super) fee: Sats,
}

impl Commitment {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> CommitmentNumber {
        self.number
    }

    /// Its outputs, in the order of the transaction.
    #[must_use]
    pub fn outputs(&self) -> &[CommitmentOutput] {
        &self.outputs
    }

    /// What the outputs leave to miners: almost always nothing.
    #[must_use]
    pub const fn fee(&self) -> Sats {
        self.fee
    }

    /// The size once both signatures are in place.
    #[must_use]
    pub fn signed_size(&self) -> VBytes {
        let outputs: u64 = self.outputs.iter().map(|o| 9 + u64::from(o.script.len())).sum();
        VBytes((BARE_WEIGHT + outputs * 4).div_ceil(4))
    }
}

/// Weight of a signed commitment without outputs: 51 bytes of frame at four units each, and 236 of witness (two
/// signatures of 64 bytes, the leaf of 68 and the control block of 33, with their lengths, count and marker).
const BARE_WEIGHT: u64 = 51 * 4 + 236;
/// Bytes of the longest outputs a commitment can have: 34 bytes of script each but the anchor's four.
const OUTPUT_BYTES: u64 = 43;
/// Bytes of the anchor output.
const ANCHOR_BYTES: u64 = 13;

const _: () = {
    assert!(LOCKS_PER_SIDE_MAX == 90, "the sizes below are for 90 locks in each direction");
    let outputs = (180 + 3) * OUTPUT_BYTES + ANCHOR_BYTES;
    assert!((BARE_WEIGHT + outputs * 4).div_ceil(4) == 7_992, "the size that was tried on Core");
    assert!(7_992 <= COMMITMENT_SIZE_MAX.0, "a full commitment is relayed");
    assert!(2 * LOCKS_PER_SIDE_MAX + 4 < 253, "the output count takes one byte");
};

/// Both signatures of a commitment, by the role of the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CommitmentSignatures {
    /// Made when it is published.
    #[n(0)]
    pub broadcaster: SchnorrSignature,
    /// Received in the round that made it.
    #[n(1)]
    pub countersignatory: SchnorrSignature,
}
