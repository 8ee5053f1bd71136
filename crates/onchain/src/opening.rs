//! The funding transaction: both sides' coins into one or more funding outputs, built alike by both.
//!
//! Inputs sort by outpoint, outputs by value and script. The opener pays the fee; change below dust goes to miners.
//!
//! Spec: protocol, section 7.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey, schnorr};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use strait_primitives::{FeeRate, Sats, SchnorrSignature, VBytes, Party};
use thiserror::Error;

use crate::funding::FundingScript;
use crate::limits::{DUST_LIMIT, STANDARD_SIZE_MAX};
use crate::party::WalletCoin;
use crate::wallet_script::WalletScript;

/// What one side brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// What of it goes into the funding outputs.
    pub amount: Sats,
    /// The coins it comes from; none if `amount` is nothing.
    pub coins: Vec<WalletCoin>,
    /// Where the rest goes.
    pub change: WalletScript,
}

/// A funding output to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingOutput {
    /// Its script.
    pub script: FundingScript,
    /// The channel's capacity.
    pub value: Sats,
}

/// What both sides must agree on to fund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FundingPlan {
    /// The opener's contribution, which also pays the fee.
    pub opener: Contribution,
    /// The acceptor's contribution.
    pub acceptor: Contribution,
    /// One output per channel.
    pub outputs: Vec<FundingOutput>,
    /// What the opener pays for block space.
    pub fee_rate: FeeRate,
}

/// Why a plan makes no funding transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// There is no output to fund.
    #[error("a funding transaction without a channel")]
    NoChannel,
    /// A coin is not taproot, so that its witness could change the funding's id or size.
    #[error("the coin {outpoint} of the {party:?} is not taproot")]
    NotTaproot {
        /// Who brought it.
        party: Party,
        /// The coin.
        outpoint: OutPoint,
    },
    /// A coin is brought twice.
    #[error("the coin {outpoint} is brought twice")]
    CoinTwice {
        /// The coin.
        outpoint: OutPoint,
    },
    /// Two channels of the plan have the same script.
    #[error("two channels share the script {script}")]
    ScriptTwice {
        /// The script.
        script: ScriptBuf,
    },
    /// Contributions and channels differ.
    #[error("contributions of {contributed:?} for channels of {channels:?}")]
    Unbalanced {
        /// The sum of both contributions; `None` above all the money there is.
        contributed: Option<Sats>,
        /// The sum of all channels.
        channels: Option<Sats>,
    },
    /// A side's coins do not cover its contribution and what it pays.
    #[error("the {party:?} brings {coins:?} where {needed:?} are needed")]
    Underfunded {
        /// Which side.
        party: Party,
        /// What its coins hold; `None` above all the money there is.
        coins: Option<Sats>,
        /// Contribution and fee.
        needed: Option<Sats>,
    },
    /// A channel is too small to have an output.
    #[error("a channel of {value} is below {limit}")]
    Dust {
        /// The channel's capacity.
        value: Sats,
        /// The smallest.
        limit: Sats,
    },
    /// The transaction would not be relayed.
    #[error("a transaction of {actual:?}, at most {limit:?}")]
    TooLarge {
        /// Its size.
        actual: VBytes,
        /// The most that nodes relay.
        limit: VBytes,
    },
}

/// Why a set of signatures does not complete a funding transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// A coin's signature is missing.
    #[error("no signature for the coin {outpoint}")]
    Missing {
        /// The coin.
        outpoint: OutPoint,
    },
    /// A coin's signature does not verify.
    #[error("the signature for the coin {outpoint} is wrong")]
    Wrong {
        /// The coin.
        outpoint: OutPoint,
    },
}

/// An unsigned funding transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FundingTransaction {
    /// The transaction, without witnesses.
    unsigned: Transaction,
    /// What its inputs spend, in their order.
    spent: Vec<TxOut>,
    /// What it leaves to miners.
    fee: Sats,
}

/// Bytes of a transaction besides inputs and outputs, when both counts take three bytes: never too little.
const FRAME_BYTES: u64 = 4 + 3 + 3 + 4;
/// Bytes of an input without its witness.
const INPUT_BYTES: u64 = 41;
/// Witness of a taproot key path: count, length, signature.
const KEY_PATH_WITNESS_BYTES: u64 = 66;
/// Bytes of the longest output.
const OUTPUT_BYTES: u64 = 43;

/// The size of a transaction of taproot key paths and outputs of the longest form.
#[must_use]
pub(crate) fn wallet_spend_size(inputs: usize, outputs: usize) -> VBytes {
    let count = |n| u64::try_from(n).expect("counts have at most 64 bits");
    let base = FRAME_BYTES + count(inputs) * INPUT_BYTES + count(outputs) * OUTPUT_BYTES;
    VBytes((base * 4 + 2 + count(inputs) * KEY_PATH_WITNESS_BYTES).div_ceil(4))
}

impl FundingTransaction {
    /// Builds the transaction that both sides build from the same plan.
    ///
    /// The fee is reckoned as if both sides had change, so that it does not depend on who has.
    ///
    /// # Errors
    /// [`OpeningError`] says what is wrong with the plan.
    pub fn new(plan: &FundingPlan) -> Result<Self, OpeningError> {
        let spent = coins_of(plan)?;
        let mut output = channel_outputs(plan)?;
        let size = wallet_spend_size(spent.len(), plan.outputs.len() + 2);
        if size > STANDARD_SIZE_MAX {
            return Err(OpeningError::TooLarge { actual: size, limit: STANDARD_SIZE_MAX });
        }
        let fee = plan.fee_rate.fee(size);
        for (party, contribution, costs) in
            [(Party::Opener, &plan.opener, fee), (Party::Acceptor, &plan.acceptor, Sats::ZERO)]
        {
            let change = change_of(party, contribution, costs)?;
            if change >= DUST_LIMIT {
                output.push(TxOut {
                    value: Amount::from_sat(change.to_sat()),
                    script_pubkey: contribution.change.to_script_buf(),
                });
            }
        }
        output.sort_unstable();
        let paid_in: Amount = spent.values().map(|coin| coin.value).sum();
        let paid_out: Amount = output.iter().map(|output| output.value).sum();
        assert!(paid_out <= paid_in, "each side's change was taken from its own coins");
        let input = spent.keys().map(|outpoint| TxIn {
            previous_output: *outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        });
        Ok(Self {
            unsigned: Transaction {
                version: Version::TWO,
                lock_time: LockTime::ZERO,
                input: input.collect(),
                output,
            },
            spent: spent.into_values().collect(),
            fee: Sats::new((paid_in - paid_out).to_sat()).expect("less than all coins together"),
        })
    }

    /// The id, which no signature can change.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.unsigned.compute_txid()
    }

    /// What it leaves to miners.
    #[must_use]
    pub const fn fee(&self) -> Sats {
        self.fee
    }

    /// The transaction without witnesses.
    #[must_use]
    pub const fn unsigned(&self) -> &Transaction {
        &self.unsigned
    }

    /// Where a channel's funding output is; `None` for a script that the transaction does not pay.
    #[must_use]
    pub fn outpoint_of(&self, script: &FundingScript) -> Option<OutPoint> {
        let script = script.script_pubkey();
        let vout = self.unsigned.output.iter().position(|output| output.script_pubkey == script)?;
        Some(OutPoint { txid: self.txid(), vout: u32::try_from(vout).ok()? })
    }

    /// The transaction for a wallet to sign: each input with the output it spends.
    #[must_use]
    pub fn to_psbt(&self) -> Psbt {
        psbt_of(&self.unsigned, &self.spent)
    }

    /// Checks every coin's key-path signature and completes the transaction.
    ///
    /// # Errors
    /// [`WitnessError`] names the first coin without a right signature.
    pub fn complete(
        mut self,
        signatures: &BTreeMap<OutPoint, SchnorrSignature>,
    ) -> Result<Transaction, WitnessError> {
        let outpoints: Vec<_> =
            self.unsigned.input.iter().map(|input| input.previous_output).collect();
        for outpoint in &outpoints {
            let signature = signatures.get(outpoint);
            let signature = signature.ok_or(WitnessError::Missing { outpoint: *outpoint })?;
            self.verify(*outpoint, signature)?;
        }
        for (input, outpoint) in self.unsigned.input.iter_mut().zip(outpoints) {
            let signature = signatures.get(&outpoint).expect("checked above");
            input.witness = Witness::from_slice(&[signature.as_bytes()]);
        }
        Ok(self.unsigned)
    }

    /// Checks one coin's key-path signature (`SIGHASH_DEFAULT`).
    ///
    /// # Errors
    /// [`WitnessError::Wrong`] if it does not verify; [`WitnessError::Missing`] if no input spends that coin.
    pub fn verify(
        &self,
        outpoint: OutPoint,
        signature: &SchnorrSignature,
    ) -> Result<(), WitnessError> {
        let index = self
            .unsigned
            .input
            .iter()
            .position(|input| input.previous_output == outpoint)
            .ok_or(WitnessError::Missing { outpoint })?;
        let wrong = || WitnessError::Wrong { outpoint };
        let spent = self.spent.get(index).ok_or_else(wrong)?;
        let program = spent.script_pubkey.as_bytes().get(2..).ok_or_else(wrong)?;
        let key = XOnlyPublicKey::from_slice(program).map_err(|_| wrong())?;
        let hash = SighashCache::new(&self.unsigned)
            .taproot_key_spend_signature_hash(
                index,
                &Prevouts::All(&self.spent),
                TapSighashType::Default,
            )
            .map_err(|_| wrong())?;
        let message = Message::from_digest(hash.to_byte_array());
        schnorr::Signature::from_slice(signature.as_bytes())
            .and_then(|signature| {
                Secp256k1::verification_only().verify_schnorr(&signature, &message, &key)
            })
            .map_err(|_| wrong())
    }
}

/// A transaction for a wallet to sign.
pub(crate) fn psbt_of(unsigned: &Transaction, spent: &[TxOut]) -> Psbt {
    let mut psbt = Psbt::from_unsigned_tx(unsigned.clone()).expect("built without witnesses");
    for (input, spent) in psbt.inputs.iter_mut().zip(spent) {
        input.witness_utxo = Some(spent.clone());
    }
    psbt
}

/// All coins by their place, each once and each taproot.
fn coins_of(plan: &FundingPlan) -> Result<BTreeMap<OutPoint, TxOut>, OpeningError> {
    let mut coins = BTreeMap::new();
    for (party, contribution) in [(Party::Opener, &plan.opener), (Party::Acceptor, &plan.acceptor)]
    {
        for WalletCoin { outpoint, output } in &contribution.coins {
            let outpoint = *outpoint;
            if !output.script_pubkey.is_p2tr() {
                return Err(OpeningError::NotTaproot { party, outpoint });
            }
            if coins.insert(outpoint, output.clone()).is_some() {
                return Err(OpeningError::CoinTwice { outpoint });
            }
        }
    }
    Ok(coins)
}

/// The funding outputs, all different and together what both sides contribute.
fn channel_outputs(plan: &FundingPlan) -> Result<Vec<TxOut>, OpeningError> {
    if plan.outputs.is_empty() {
        return Err(OpeningError::NoChannel);
    }
    let contributed = plan.opener.amount.checked_add(plan.acceptor.amount);
    let channels = Sats::checked_sum(plan.outputs.iter().map(|output| output.value));
    if contributed.is_none() || contributed != channels {
        return Err(OpeningError::Unbalanced { contributed, channels });
    }
    let mut outputs: Vec<TxOut> = Vec::with_capacity(plan.outputs.len() + 2);
    for FundingOutput { script, value } in &plan.outputs {
        if *value < DUST_LIMIT {
            return Err(OpeningError::Dust { value: *value, limit: DUST_LIMIT });
        }
        let script_pubkey = script.script_pubkey();
        if outputs.iter().any(|output| output.script_pubkey == script_pubkey) {
            return Err(OpeningError::ScriptTwice { script: script_pubkey });
        }
        outputs.push(TxOut { value: Amount::from_sat(value.to_sat()), script_pubkey });
    }
    Ok(outputs)
}

/// What coins hold together; `None` above all the money there is.
pub(crate) fn total_of(coins: &[WalletCoin]) -> Option<Sats> {
    coins.iter().try_fold(Sats::ZERO, |sum, coin| {
        sum.checked_add(Sats::new(coin.output.value.to_sat()).ok()?)
    })
}

/// What is left of a side's coins.
fn change_of(party: Party, contribution: &Contribution, costs: Sats) -> Result<Sats, OpeningError> {
    let coins = total_of(&contribution.coins);
    let needed = contribution.amount.checked_add(costs);
    match (coins, needed) {
        (Some(coins), Some(needed)) => coins.checked_sub(needed),
        (None, _) | (_, None) => None,
    }
    .ok_or(OpeningError::Underfunded { party, coins, needed })
}

#[cfg(test)]
mod tests;
