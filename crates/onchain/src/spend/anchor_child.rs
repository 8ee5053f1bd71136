//! The child that pays a commitment's fee: it spends the anchor and confirmed coins of the wallet.
//!
//! It goes out in one package with its parent. Spec: protocol, section 3; BIP-0431.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use strait_primitives::{Sats, SchnorrSignature, VBytes};
use thiserror::Error;

use super::claim::Coin;
use crate::key_path::{KeyPathSpend, WitnessError, anchor_child_size, total_of};
use crate::limits::ANCHOR_CHILD_SIZE_MAX;
use crate::output::ANCHOR_SCRIPT;
use crate::party::WalletCoin;
use crate::wallet_script::WalletScript;

/// Why no child pays this fee.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnchorChildError {
    /// A coin is not taproot.
    #[error("the coin {outpoint} is not taproot")]
    NotTaproot {
        /// The coin.
        outpoint: OutPoint,
    },
    /// The coins do not cover the fee and a change output.
    #[error("the coins hold {coins:?} where {needed:?} are needed")]
    Underfunded {
        /// What the coins and the anchor hold; `None` above all the money there is.
        coins: Option<Sats>,
        /// The fee and the smallest change.
        needed: Option<Sats>,
    },
    /// Too many coins.
    #[error("a child of {actual:?}, at most {limit:?}")]
    TooLarge {
        /// Its size.
        actual: VBytes,
        /// The most that nodes relay.
        limit: VBytes,
    },
}

/// An unsigned child of a commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorChild {
    /// The transaction, whose first input is the anchor, and what its inputs spend.
    spend: KeyPathSpend,
    /// What it leaves to miners.
    fee: Sats,
}

impl AnchorChild {
    /// Builds the child that pays this fee, all coins' rest to `change`.
    ///
    /// The coins must be confirmed; which ones, and what fee lifts the parent, is the wallet's choice: it reckons once,
    /// and here only what no chain or node would take is refused.
    ///
    /// # Errors
    /// [`AnchorChildError`] if the coins are too few, too many or of the wrong kind.
    pub fn new(
        anchor: Coin,
        coins: &[WalletCoin],
        change: WalletScript,
        fee: Sats,
    ) -> Result<Self, AnchorChildError> {
        if let Some(coin) = coins.iter().find(|coin| !coin.output.script_pubkey.is_p2tr()) {
            return Err(AnchorChildError::NotTaproot { outpoint: coin.outpoint });
        }
        let size = Self::size_with(coins.len());
        if size > ANCHOR_CHILD_SIZE_MAX {
            return Err(AnchorChildError::TooLarge { actual: size, limit: ANCHOR_CHILD_SIZE_MAX });
        }
        let script_pubkey = change.to_script_buf();
        let dust = Sats::new(script_pubkey.minimal_non_dust().to_sat()).unwrap_or(Sats::MAX);
        let held = total_of(coins).and_then(|coins| coins.checked_add(anchor.value));
        let rest =
            held.and_then(|held| held.checked_sub(fee)).filter(|rest| *rest >= dust).ok_or_else(
                || AnchorChildError::Underfunded { coins: held, needed: fee.checked_add(dust) },
            )?;
        let outpoints = coins.iter().map(|coin| coin.outpoint);
        let input = core::iter::once(anchor.outpoint).chain(outpoints).map(|outpoint| TxIn {
            previous_output: outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        });
        let unsigned = Transaction {
            version: Version::non_standard(3),
            lock_time: LockTime::ZERO,
            input: input.collect(),
            output: vec![TxOut { value: Amount::from_sat(rest.to_sat()), script_pubkey }],
        };
        let anchor_output = TxOut {
            value: Amount::from_sat(anchor.value.to_sat()),
            script_pubkey: ANCHOR_SCRIPT.to_script_buf(),
        };
        let coins = coins.iter().map(|coin| coin.output.clone());
        let spent = core::iter::once(anchor_output).chain(coins).collect();
        Ok(Self { spend: KeyPathSpend::new(unsigned, spent), fee })
    }

    /// What a signed child with this many coins takes, to the byte, if its change is as long as a taproot output.
    #[must_use]
    pub fn size_with(coins: usize) -> VBytes {
        anchor_child_size(coins)
    }

    /// Its one output.
    ///
    /// # Panics
    /// Never: it is built with one.
    #[must_use]
    pub fn change(&self) -> &TxOut {
        self.spend.unsigned().output.first().expect("a child has one output")
    }

    /// What it leaves to miners.
    #[must_use]
    pub const fn fee(&self) -> Sats {
        self.fee
    }

    /// The id, which no signature can change.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.spend.unsigned().compute_txid()
    }

    /// The transaction for a wallet to sign: the anchor is complete already, the coins follow in their order.
    #[must_use]
    pub fn to_psbt(&self) -> Psbt {
        self.spend.to_psbt()
    }

    /// Checks every coin's key-path signature and completes the transaction.
    ///
    /// # Errors
    /// [`WitnessError`] names the first coin without a right signature.
    pub fn complete(
        self,
        signatures: &BTreeMap<OutPoint, SchnorrSignature>,
    ) -> Result<Transaction, WitnessError> {
        self.spend.complete(signatures)
    }
}
