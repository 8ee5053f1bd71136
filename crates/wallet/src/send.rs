//! Payments asked for by the operator: whole transactions of our own, unsigned.

use std::collections::BTreeSet;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::{
    OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Weight, Witness, absolute,
    transaction,
};
use strait_primitives::{FeeRate, Sats};

use crate::account::Branch;
use crate::coins::{Coin, coin, sum};
use crate::limits::{OVERHEAD_WEIGHT, SEND_INPUTS_MAX, SEND_OUTPUTS_MAX};
use crate::reserve::FeeReserve;
use crate::select::{FundError, Need, Picked, check_rate, inputs_weight, pay, vbytes, worthwhile};
use crate::{Wallet, WalletChange};

/// What is to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pay {
    /// These outputs, to others or to our own addresses (which splits coins).
    Outputs(Vec<TxOut>),
    /// All there is, less the fee and what must be kept, to one script.
    Everything(ScriptBuf),
}

/// Which coins may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoinSource {
    /// Mined ones only.
    Confirmed,
    /// Also those still on their way, if every input of their transaction is ours, so that nobody else can undo it.
    ConfirmedOrOwnPending,
}

/// A payment to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    /// What is to be paid.
    pub pay: Pay,
    /// What the transaction pays for its size.
    pub fee_rate: FeeRate,
    /// What must be left in free, mined coins: its change is not mined when a close may be needed.
    pub keep: FeeReserve,
    /// Which coins may be spent.
    pub coins: CoinSource,
    /// Fresh random bytes: the same ones build the same transaction.
    pub entropy: [u8; 32],
}

/// A payment, ready to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an unsigned transaction pays nobody"]
pub struct Payment {
    /// The transaction with all that a signer needs.
    pub psbt: Psbt,
    /// The coins it spends, in the order of its inputs.
    pub inputs: Vec<Coin>,
    /// What comes back to us; none if it would be dust.
    pub change: Option<TxOut>,
    /// What it pays to the miner.
    pub fee: Sats,
}

impl Wallet {
    /// Builds a payment. Sign it, then note it with [`Wallet::note_unconfirmed`] in the same step: until then its
    /// coins are not spent.
    ///
    /// Version 2, replaceable, and locked to the tip so that it rewards no rewriting of older blocks.
    ///
    /// # Errors
    /// [`FundError`] if the coins do not suffice, the reserve would be broken, or an output is dust.
    pub fn send(
        &mut self,
        request: &SendRequest,
    ) -> Result<(Payment, Option<WalletChange>), FundError> {
        check_rate(request.fee_rate)?;
        let coins = match request.coins {
            CoinSource::Confirmed => self.confirmed_coins(),
            CoinSource::ConfirmedOrOwnPending => {
                let mut coins = self.confirmed_coins();
                coins.extend(self.own_pending());
                coins
            }
        };
        let (mut outputs, picked) = match &request.pay {
            Pay::Outputs(outputs) => {
                let need = outputs_need(outputs, request.fee_rate)?;
                let coins = request.keep.keep_back(coins)?;
                (outputs.clone(), need.pick(coins, request.entropy)?)
            }
            Pay::Everything(script) => sweep(request.keep.keep_back(coins)?, script, request)?,
        };
        let mut change = None;
        let mut revealed = None;
        if picked.change > Sats::ZERO {
            let (_, script, added) = self.fresh_change();
            revealed = (!added.is_empty()).then_some(added);
            let output = pay(picked.change, script);
            outputs.push(output.clone());
            change = Some(output);
        }
        Ok((self.assemble(picked, outputs, change, request.entropy), revealed))
    }

    fn assemble(
        &self,
        picked: Picked,
        mut outputs: Vec<TxOut>,
        change: Option<TxOut>,
        entropy: [u8; 32],
    ) -> Payment {
        let mut inputs = picked.inputs;
        shuffle(&mut inputs, entropy, b"inputs");
        shuffle(&mut outputs, entropy, b"outputs");
        let height = self.tip().height.to_u32();
        let spend = |coin: &Coin| TxIn {
            previous_output: coin.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        };
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::from_height(height)
                .expect("block heights stay below 500 million for 9,000 years"),
            input: inputs.iter().map(spend).collect(),
            output: outputs,
        };
        let brought = sum(inputs.iter().map(Coin::value));
        let paid: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
        assert_eq!(brought.to_sat(), paid + picked.fee.to_sat(), "a payment conserves its coins");
        let mut psbt = Psbt::from_unsigned_tx(tx).expect("its scripts and witnesses are empty");
        for (input, coin) in psbt.inputs.iter_mut().zip(&inputs) {
            *input = self.psbt_input(coin.outpoint).expect("the wallet chose coins of its own");
        }
        for (output, paid) in psbt.outputs.iter_mut().zip(&psbt.unsigned_tx.output) {
            *output = self.psbt_output(&paid.script_pubkey);
        }
        Payment { psbt, inputs, change, fee: picked.fee }
    }

    /// Free change that is on its way in transactions which are ours alone.
    fn own_pending(&self) -> Vec<Coin> {
        let mine: BTreeSet<Txid> = self
            .unconfirmed()
            .iter()
            .filter(|tx| {
                let is_ours = |outpoint: OutPoint| self.graph.index.txout(outpoint).is_some();
                tx.input.iter().all(|input| is_ours(input.previous_output))
            })
            .map(|tx| tx.compute_txid())
            .collect();
        self.outputs()
            .into_iter()
            .filter(|((branch, _), output)| {
                *branch == Branch::Change
                    && output.spent_by.is_none()
                    && output.chain_position.is_unconfirmed()
                    && mine.contains(&output.outpoint.txid)
                    && self.holds.holder(&output.outpoint).is_none()
            })
            .map(|(place, output)| coin(place, output))
            .collect()
    }
}

/// What outputs demand of the inputs.
fn outputs_need(outputs: &[TxOut], fee_rate: FeeRate) -> Result<Need, FundError> {
    if outputs.len() > SEND_OUTPUTS_MAX {
        let (limit, actual) = (SEND_OUTPUTS_MAX, outputs.len());
        return Err(FundError::TooManyOutputs { limit, actual });
    }
    let mut amount = Sats::ZERO;
    let mut other_weight = OVERHEAD_WEIGHT;
    for output in outputs {
        let value = Sats::new(output.value.to_sat()).unwrap_or(Sats::MAX);
        check_dust(value, output)?;
        amount = sum([amount, value]);
        other_weight += output.weight();
    }
    Ok(Need { amount, other_weight, fee_rate, inputs_max: SEND_INPUTS_MAX })
}

/// All of these coins that bring more than they cost, to one script.
fn sweep(
    coins: Vec<Coin>,
    script: &ScriptBuf,
    request: &SendRequest,
) -> Result<(Vec<TxOut>, Picked), FundError> {
    let coins = worthwhile(coins, request.fee_rate);
    if coins.is_empty() {
        return Err(FundError::Nothing);
    }
    if coins.len() > SEND_INPUTS_MAX {
        let (limit, actual) = (SEND_INPUTS_MAX, coins.len());
        return Err(FundError::TooManyInputs { limit, actual });
    }
    let mut output = pay(Sats::ZERO, script.clone());
    let weight: Weight = OVERHEAD_WEIGHT + output.weight() + inputs_weight(coins.len());
    let fee = request.fee_rate.fee(vbytes(weight));
    let brought = sum(coins.iter().map(Coin::value));
    let Some(amount) = brought.checked_sub(fee) else {
        return Err(FundError::Insufficient { needed: fee, available: brought });
    };
    check_dust(amount, &output)?;
    output = pay(amount, script.clone());
    Ok((vec![output], Picked { inputs: coins, change: Sats::ZERO, fee }))
}

fn check_dust(amount: Sats, output: &TxOut) -> Result<(), FundError> {
    let limit = Sats::new(output.script_pubkey.minimal_non_dust().to_sat()).unwrap_or(Sats::MAX);
    if amount < limit {
        return Err(FundError::Dust { amount, limit });
    }
    Ok(())
}

/// Puts items in an order that only the entropy knows.
fn shuffle<T>(items: &mut Vec<T>, entropy: [u8; 32], what: &[u8]) {
    let mut keyed: Vec<(sha256::Hash, T)> = Vec::with_capacity(items.len());
    for (place, item) in items.drain(..).enumerate() {
        let place = u64::try_from(place).expect("a transaction has fewer than 2^64 parts");
        let mut engine = sha256::Hash::engine();
        engine.input(&entropy);
        engine.input(what);
        engine.input(&place.to_be_bytes());
        keyed.push((sha256::Hash::from_engine(engine), item));
    }
    keyed.sort_by_key(|(key, _)| *key);
    items.extend(keyed.into_iter().map(|(_, item)| item));
}
