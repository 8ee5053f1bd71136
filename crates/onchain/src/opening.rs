//! The funding transaction: both sides' coins into one or more funding outputs, built alike by both.
//!
//! Inputs sort by outpoint, outputs by value and script. The opener pays the fee; change below dust goes to miners.
//!
//! Spec: protocol, section 7.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use strait_primitives::{FeeRate, Party, Sats, SchnorrSignature, VBytes};
use thiserror::Error;

use crate::funding::FundingScript;
use crate::key_path::{KeyPathSpend, WitnessError, total_of, wallet_spend_size};
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

/// An unsigned funding transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FundingTransaction {
    /// The transaction, without witnesses, and what its inputs spend.
    spend: KeyPathSpend,
    /// What it leaves to miners.
    fee: Sats,
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
        let unsigned = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: input.collect(),
            output,
        };
        Ok(Self {
            spend: KeyPathSpend::new(unsigned, spent.into_values().collect()),
            fee: Sats::new((paid_in - paid_out).to_sat()).expect("less than all coins together"),
        })
    }

    /// The id, which no signature can change.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.spend.unsigned().compute_txid()
    }

    /// What it leaves to miners.
    #[must_use]
    pub const fn fee(&self) -> Sats {
        self.fee
    }

    /// The transaction without witnesses.
    #[must_use]
    pub const fn unsigned(&self) -> &Transaction {
        self.spend.unsigned()
    }

    /// Where a channel's funding output is; `None` for a script that the transaction does not pay.
    #[must_use]
    pub fn outpoint_of(&self, script: &FundingScript) -> Option<OutPoint> {
        let script = script.script_pubkey();
        let vout =
            self.unsigned().output.iter().position(|output| output.script_pubkey == script)?;
        Some(OutPoint { txid: self.txid(), vout: u32::try_from(vout).ok()? })
    }

    /// The transaction for a wallet to sign: each input with the output it spends.
    #[must_use]
    pub fn to_psbt(&self) -> Psbt {
        self.spend.to_psbt()
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
        self.spend.verify(outpoint, signature)
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
