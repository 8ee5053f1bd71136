//! Which coins pay: selection with exact fees, and the selection for a channel's funding transaction.

use bdk_wallet::chain::ChainPosition;
use bdk_wallet::coin_selection::{
    BranchAndBoundCoinSelection, CoinSelectionAlgorithm, CoinSelectionResult, InsufficientFunds,
    LargestFirstCoinSelection, SingleRandomDraw,
};
use bdk_wallet::{KeychainKind, LocalOutput, Utxo, WeightedUtxo};
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, TxOut, Weight};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use strait_primitives::{FeeRate, Sats, VBytes};
use thiserror::Error;

use crate::account::Branch;
use crate::coins::{Coin, sum};
use crate::holds::Purpose;
use crate::limits::{
    CHANGE_MIN, CHANGE_WEIGHT, FEE_RATE_MAX, INPUT_VBYTES, INPUT_WEIGHT, SATISFACTION_WEIGHT,
    TRANSACTION_WEIGHT_MAX,
};
use crate::{Wallet, WalletChange};

/// Bytes of a change output, for the search that tries to do without one.
const CHANGE_BYTES: u64 = 43;

/// Why no coins were chosen; nothing is held.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FundError {
    /// Nothing is to be paid.
    #[error("there is nothing to pay")]
    Nothing,
    /// An output is too small for the network to relay.
    #[error("an output of {amount} is below the {limit} that nodes relay")]
    Dust {
        /// The output's value.
        amount: Sats,
        /// The least its script may hold.
        limit: Sats,
    },
    /// The coins that may be spent do not suffice.
    #[error("{needed} needed, fees included, but only {available} can be spent")]
    Insufficient {
        /// What inputs must bring, fees included.
        needed: Sats,
        /// The sum of all coins that may be spent.
        available: Sats,
    },
    /// The coins suffice, but the reserve for fees would be broken.
    #[error("{left} would be left, but {keep} must stay in reserve for fees")]
    Reserve {
        /// What must stay.
        keep: Sats,
        /// What would.
        left: Sats,
    },
    /// Only more coins than one transaction may spend would suffice.
    #[error("{actual} coins needed where at most {limit} fit; pay less, or join coins first")]
    TooManyInputs {
        /// The most there may be.
        limit: usize,
        /// How many it would take.
        actual: usize,
    },
    /// More outputs than one transaction should have.
    #[error("{actual} outputs where at most {limit} fit")]
    TooManyOutputs {
        /// The most there may be.
        limit: usize,
        /// How many were asked for.
        actual: usize,
    },
    /// The fee rate is beyond belief.
    #[error("a fee rate of {actual} is above the {limit} that is believed")]
    FeeRate {
        /// The highest that is believed.
        limit: FeeRate,
        /// What was asked for.
        actual: FeeRate,
    },
    /// A fee child would cost more than its parent brings.
    #[error("a fee of {cost} for what is worth {worth}")]
    Unworthy {
        /// What the child would pay.
        cost: Sats,
        /// What the parent is worth.
        worth: Sats,
    },
    /// The rest of the transaction alone is heavier than nodes relay.
    #[error("a weight of {actual} is above the {limit} that nodes relay")]
    TooHeavy {
        /// The heaviest relayed.
        limit: Weight,
        /// What was asked for.
        actual: Weight,
    },
    /// The purpose holds coins already: release them before choosing others.
    #[error("{purpose:?} holds coins already")]
    AlreadyHeld {
        /// Which one.
        purpose: Purpose,
    },
}

/// What coins are wanted for a transaction that the caller puts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectRequest {
    /// What the inputs must bring beyond their fee and the change.
    pub amount: Sats,
    /// All that this side pays fees for, except the inputs chosen and their change: overhead, outputs, inputs of others.
    pub other_weight: Weight,
    /// The rate this side pays; zero for an acceptor that pays no fee.
    pub fee_rate: FeeRate,
    /// What must be left in free, mined coins and the change of this transaction.
    pub keep: Sats,
    /// The most inputs the transaction may take from this wallet.
    pub inputs_max: usize,
    /// Fresh random bytes: the same ones choose the same coins.
    pub entropy: [u8; 32],
}

/// The coins chosen. Their sum is the amount asked for, the fee and the change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "its coins are held until their purpose is released"]
pub struct Selection {
    /// The inputs, in order of their outpoints.
    pub inputs: Vec<Coin>,
    /// What comes back to us; none if it would be dust.
    pub change: Option<TxOut>,
    /// What this side pays for its part of the transaction, at the rate asked for or above.
    pub fee: Sats,
}

/// The terms of one choice, without the wallet.
pub(crate) struct Need {
    pub(crate) amount: Sats,
    pub(crate) other_weight: Weight,
    pub(crate) fee_rate: FeeRate,
    pub(crate) inputs_max: usize,
}

/// A choice that covers its need.
pub(crate) struct Picked {
    pub(crate) inputs: Vec<Coin>,
    /// Zero, or enough for an output.
    pub(crate) change: Sats,
    pub(crate) fee: Sats,
}

impl Wallet {
    /// Chooses mined, free coins for a purpose, holds them for it, and gives it a change address.
    ///
    /// # Errors
    /// [`FundError`] if the coins do not suffice, the reserve would be broken, or the purpose holds coins already.
    pub fn select(
        &mut self,
        request: &SelectRequest,
        purpose: Purpose,
    ) -> Result<(Selection, WalletChange), FundError> {
        if self.holds.of(purpose).next().is_some() {
            return Err(FundError::AlreadyHeld { purpose });
        }
        let need = Need {
            amount: request.amount,
            other_weight: request.other_weight,
            fee_rate: request.fee_rate,
            inputs_max: request.inputs_max,
        };
        let picked = need.pick(self.confirmed_coins(), request.entropy)?;
        self.check_kept(&picked, request.keep)?;
        let outpoints: Vec<OutPoint> = picked.inputs.iter().map(|coin| coin.outpoint).collect();
        let mut change = self.hold(outpoints, purpose);
        let mut output = None;
        if picked.change > Sats::ZERO {
            let (script, revealed) = self.address_for(purpose);
            change.extend(revealed);
            output = Some(pay(picked.change, script));
        }
        Ok((Selection { inputs: picked.inputs, change: output, fee: picked.fee }, change))
    }

    /// Refuses a choice that leaves less than the reserve.
    fn check_kept(&self, picked: &Picked, keep: Sats) -> Result<(), FundError> {
        let free = sum(self.confirmed_coins().iter().map(Coin::value));
        let mined = picked.inputs.iter().filter(|coin| coin.confirmed_at.is_some());
        let left = sum([free.saturating_sub(sum(mined.map(Coin::value))), picked.change]);
        if left < keep {
            return Err(FundError::Reserve { keep, left });
        }
        Ok(())
    }
}

impl Need {
    /// Chooses among the coins: an exact match without change if there is one, a random draw otherwise.
    pub(crate) fn pick(&self, coins: Vec<Coin>, entropy: [u8; 32]) -> Result<Picked, FundError> {
        if self.amount == Sats::ZERO {
            return Err(FundError::Nothing);
        }
        check_rate(self.fee_rate)?;
        if self.other_weight > TRANSACTION_WEIGHT_MAX {
            let (limit, actual) = (TRANSACTION_WEIGHT_MAX, self.other_weight);
            return Err(FundError::TooHeavy { limit, actual });
        }
        let candidates = worthwhile(coins, self.fee_rate);
        let mut chosen = self.search(&candidates, Search::Private(entropy))?;
        if chosen.len() > self.inputs_max {
            chosen = self.search(&candidates, Search::Fewest)?;
        }
        if chosen.len() > self.inputs_max {
            let (limit, actual) = (self.inputs_max, chosen.len());
            return Err(FundError::TooManyInputs { limit, actual });
        }
        let mut inputs: Vec<Coin> =
            candidates.into_iter().filter(|coin| chosen.contains(&coin.outpoint)).collect();
        inputs.sort_unstable_by_key(|coin| coin.outpoint);
        Ok(self.settle(inputs))
    }

    /// The outpoints that cover the need, by one of the library's searches.
    fn search(&self, candidates: &[Coin], search: Search) -> Result<Vec<OutPoint>, FundError> {
        // The library counts weight units and we count whole virtual bytes: one more byte covers the rounding,
        // and two the longer count of many inputs.
        let base = VBytes(self.other_weight.to_vbytes_ceil() + 3);
        let target = sum([self.amount, self.fee_rate.fee(base)]);
        let per_kilo_weight = self.fee_rate.to_sat_per_kvb().div_ceil(4);
        let rate = bitcoin::FeeRate::from_sat_per_kwu(per_kilo_weight);
        let amount = Amount::from_sat(target.to_sat());
        let optional = candidates.iter().map(weighted).collect();
        // The library judges change by this script's dust limit; we only use the coins that it chooses.
        let script = Script::new();
        let result = match search {
            Search::Private(entropy) => {
                BranchAndBoundCoinSelection::new(CHANGE_BYTES, SingleRandomDraw).coin_select(
                    Vec::new(),
                    optional,
                    rate,
                    amount,
                    script,
                    &mut ChaCha20Rng::from_seed(entropy),
                )
            }
            Search::Fewest => LargestFirstCoinSelection.coin_select(
                Vec::new(),
                optional,
                rate,
                amount,
                script,
                &mut ChaCha20Rng::from_seed([0; 32]),
            ),
        };
        match result {
            Ok(CoinSelectionResult { selected, .. }) => {
                Ok(selected.iter().map(Utxo::outpoint).collect())
            }
            Err(InsufficientFunds { needed, available }) => Err(FundError::Insufficient {
                needed: Sats::new(needed.to_sat()).unwrap_or(Sats::MAX),
                available: Sats::new(available.to_sat()).unwrap_or(Sats::MAX),
            }),
        }
    }

    /// Splits what the inputs bring into amount, fee and change.
    fn settle(&self, inputs: Vec<Coin>) -> Picked {
        let brought = sum(inputs.iter().map(Coin::value));
        let weight = self.other_weight + inputs_weight(inputs.len());
        let left = brought.saturating_sub(self.amount);
        let fee = self.fee_rate.fee(vbytes(weight));
        assert!(
            brought >= self.amount && left >= fee,
            "coins of {brought} were chosen for {} and a fee of {fee}",
            self.amount
        );
        let change = left.saturating_sub(self.fee_rate.fee(vbytes(weight + CHANGE_WEIGHT)));
        if change < CHANGE_MIN {
            return Picked { inputs, change: Sats::ZERO, fee: left };
        }
        let fee = left.saturating_sub(change);
        Picked { inputs, change, fee }
    }
}

/// How the library looks for coins.
enum Search {
    /// An exact match, or coins drawn at random.
    Private([u8; 32]),
    /// As few as possible.
    Fewest,
}

/// Refuses a rate that only a mistake explains.
pub(crate) fn check_rate(actual: FeeRate) -> Result<(), FundError> {
    if actual > FEE_RATE_MAX {
        return Err(FundError::FeeRate { limit: FEE_RATE_MAX, actual });
    }
    Ok(())
}

/// The coins that bring more than they cost.
pub(crate) fn worthwhile(mut coins: Vec<Coin>, fee_rate: FeeRate) -> Vec<Coin> {
    let cost = fee_rate.fee(INPUT_VBYTES);
    coins.retain(|coin| coin.value() > cost);
    coins
}

/// The weight of so many inputs, and of the longer count that more than 252 of them take.
pub(crate) fn inputs_weight(count: usize) -> Weight {
    let inputs = u64::try_from(count).expect("a transaction has fewer than 2^64 inputs");
    let longer_count = if count > 252 { Weight::from_wu(8) } else { Weight::ZERO };
    INPUT_WEIGHT * inputs + longer_count
}

/// The size that fees are paid for.
pub(crate) fn vbytes(weight: Weight) -> VBytes {
    VBytes(weight.to_vbytes_ceil())
}

/// An output of this value.
pub(crate) fn pay(amount: Sats, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(amount.to_sat()), script_pubkey }
}

/// The library's form of a coin that may be spent.
fn weighted(coin: &Coin) -> WeightedUtxo {
    let keychain = match coin.branch {
        Branch::Receive => KeychainKind::External,
        Branch::Change => KeychainKind::Internal,
    };
    let output = LocalOutput {
        outpoint: coin.outpoint,
        txout: coin.txout.clone(),
        keychain,
        is_spent: false,
        derivation_index: coin.index.0,
        // The searches used here do not look at it.
        chain_position: ChainPosition::Unconfirmed { first_seen: None, last_seen: None },
    };
    WeightedUtxo { satisfaction_weight: SATISFACTION_WEIGHT, utxo: Utxo::Local(output) }
}
