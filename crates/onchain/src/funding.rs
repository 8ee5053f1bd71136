//! The funding output: a key path that both sides sign as one, and a leaf that takes one signature from each.
//!
//! Commitments spend the leaf, so no nonce lives on the hot path; only the cooperative close spends the key path.
//!
//! Spec: protocol, section 2; BIP-0327 (key sorting and aggregation), BIP-0341, BIP-0342.

use bitcoin::hashes::Hash as _;
use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CHECKSIGVERIFY};
use bitcoin::secp256k1::{PublicKey, XOnlyPublicKey};
use bitcoin::taproot::{ControlBlock, LeafVersion, TapLeafHash, TapNodeHash, TaprootMerkleBranch};
use bitcoin::{ScriptBuf, key::TweakedPublicKey};
use musig2::KeyAggContext;
use thiserror::Error;

/// Why two keys cannot share a funding output.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FundingError {
    /// Both keys have this x coordinate, so one signature would count for both sides.
    #[error("both sides gave the same funding key {key}")]
    SameKey {
        /// The x coordinate.
        key: XOnlyPublicKey,
    },
    /// The keys add up to no key.
    #[error("the funding keys cannot be aggregated")]
    Aggregation,
}

/// The script of a funding output and what is needed to spend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingScript {
    /// Both keys, in the order of BIP-0327's `KeySort`.
    keys: [PublicKey; 2],
    /// The aggregate of `keys`, before the taproot tweak.
    internal_key: XOnlyPublicKey,
    /// The internal key tweaked with the leaf: what the output holds.
    output_key: XOnlyPublicKey,
    /// What the control block reveals about `output_key`.
    output_parity: bitcoin::secp256k1::Parity,
    /// The hash of the one leaf, which is also the Merkle root.
    leaf_hash: TapLeafHash,
}

impl FundingScript {
    /// Builds the script from one key of each side; their order does not matter.
    ///
    /// # Errors
    /// [`FundingError`] if the keys agree in their x coordinate or cannot be aggregated.
    pub fn new(mut keys: [PublicKey; 2]) -> Result<Self, FundingError> {
        keys.sort_by_key(PublicKey::serialize);
        let [first, second] = keys;
        if first.x_only_public_key().0 == second.x_only_public_key().0 {
            return Err(FundingError::SameKey { key: first.x_only_public_key().0 });
        }
        let leaf_hash = TapLeafHash::from_script(&leaf_script(keys), LeafVersion::TapScript);
        let untweaked = KeyAggContext::new(keys).map_err(|_| FundingError::Aggregation)?;
        let internal: PublicKey = untweaked.aggregated_pubkey();
        let tweaked = untweaked
            .with_taproot_tweak(&leaf_hash.to_byte_array())
            .map_err(|_| FundingError::Aggregation)?;
        let output: PublicKey = tweaked.aggregated_pubkey();
        let (output_key, output_parity) = output.x_only_public_key();
        Ok(Self {
            keys,
            internal_key: internal.x_only_public_key().0,
            output_key,
            output_parity,
            leaf_hash,
        })
    }

    /// Both funding keys, sorted.
    #[must_use]
    pub const fn keys(&self) -> [PublicKey; 2] {
        self.keys
    }

    /// The aggregate key, before the tweak.
    #[must_use]
    pub const fn internal_key(&self) -> XOnlyPublicKey {
        self.internal_key
    }

    /// The key that the output holds: the cooperative close's signature verifies against it.
    #[must_use]
    pub const fn output_key(&self) -> XOnlyPublicKey {
        self.output_key
    }

    /// The hash of the leaf that commitments spend.
    #[must_use]
    pub const fn leaf_hash(&self) -> TapLeafHash {
        self.leaf_hash
    }

    /// The root of the script tree, which has one leaf.
    #[must_use]
    pub fn merkle_root(&self) -> TapNodeHash {
        TapNodeHash::from(self.leaf_hash)
    }

    /// The script that commitments spend: a signature of each key, the one that sorts first checked first.
    #[must_use]
    pub fn leaf_script(&self) -> ScriptBuf {
        leaf_script(self.keys)
    }

    /// The x coordinate that the leaf checks first; its signature is the last witness item before the script.
    #[must_use]
    pub fn first_leaf_key(&self) -> XOnlyPublicKey {
        let [first, _] = leaf_keys(self.keys);
        first
    }

    /// The proof, for a witness, that the leaf belongs to the output.
    #[must_use]
    pub fn control_block(&self) -> ControlBlock {
        ControlBlock {
            leaf_version: LeafVersion::TapScript,
            output_key_parity: self.output_parity,
            internal_key: self.internal_key,
            merkle_branch: TaprootMerkleBranch::default(),
        }
    }

    /// The script of the output on chain.
    #[must_use]
    pub fn script_pubkey(&self) -> ScriptBuf {
        ScriptBuf::new_p2tr_tweaked(TweakedPublicKey::dangerous_assume_tweaked(self.output_key))
    }

    /// The aggregation that a MuSig2 session signs for, tweaked with the leaf. Costs point multiplications.
    #[must_use]
    pub fn key_agg_context(&self) -> KeyAggContext {
        KeyAggContext::new(self.keys)
            .expect("the same keys were aggregated at construction")
            .with_taproot_tweak(&self.leaf_hash.to_byte_array())
            .expect("the same tweak was applied at construction")
    }
}

/// The x coordinates in the order of the leaf.
fn leaf_keys(keys: [PublicKey; 2]) -> [XOnlyPublicKey; 2] {
    let mut leaf_keys = keys.map(|key| key.x_only_public_key().0);
    leaf_keys.sort_by_key(XOnlyPublicKey::serialize);
    leaf_keys
}

/// `<k1> OP_CHECKSIGVERIFY <k2> OP_CHECKSIG`.
fn leaf_script(keys: [PublicKey; 2]) -> ScriptBuf {
    let [first, second] = leaf_keys(keys);
    ScriptBuf::builder()
        .push_x_only_key(&first)
        .push_opcode(OP_CHECKSIGVERIFY)
        .push_x_only_key(&second)
        .push_opcode(OP_CHECKSIG)
        .into_script()
}

#[cfg(test)]
mod tests;
