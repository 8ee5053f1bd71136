//! The wallet's commands, and signatures on its coins.

use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::{Psbt, Script, Transaction, Witness};
use strait_primitives::{Digest, FeeRate, RequestKey, Sats};
use strait_signer::Seed;
use strait_wallet::{CoinSource, FeeReserve, Pay, SendRequest, Wallet};

use crate::answer::{Answer, CommandError};
use crate::command::{CommandId, SendAmount};
use crate::effect::Effect;
use crate::engine::{Engine, Moment, Step, derive_entropy};
use crate::event::{Event, RequestSubject};
use crate::payments::{reply, short};
use crate::requests::RequestFate;

/// What is asked of a payment on chain.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) id: CommandId,
    pub(crate) key: RequestKey,
    pub(crate) address: String,
    pub(crate) amount: SendAmount,
    pub(crate) fee_rate: Option<FeeRate>,
}

impl Engine {
    pub(crate) fn command_address(&mut self, id: CommandId, out: &mut Step) {
        if let Err(error) = self.check_disk() {
            return reply(id, Err(error), out);
        }
        let (address, change) = self.wallet.next_address();
        self.record(Event::Wallet(change), out);
        reply(id, Ok(Answer::Address(address.script_pubkey())), out);
    }

    pub(crate) fn command_send(&mut self, asked: &Sending, moment: &Moment<'_>, out: &mut Step) {
        let digest = sending_digest(asked);
        let answer = match self.book.requests.find(&asked.key) {
            Some(known) if known.digest != digest => Err(CommandError::KeyReused),
            Some(known) => self.sent_before(&known.fate),
            None if self.waiters.has_request(&asked.key) => Err(CommandError::KeyReused),
            None => self
                .check_room()
                .and_then(|()| self.check_disk())
                .and_then(|()| self.send_coins(asked, digest, moment, out)),
        };
        reply(asked.id, answer, out);
    }

    fn sent_before(&self, fate: &RequestFate) -> Result<Answer, CommandError> {
        let RequestFate::Became(RequestSubject::SendCoins(txid, amount, fee)) = *fate else {
            return Err(CommandError::KeyReused);
        };
        Ok(Answer::Sent { txid: strait_channel::txid_of(txid), amount, fee })
    }

    fn send_coins(
        &mut self,
        asked: &Sending,
        digest: RequestKey,
        moment: &Moment<'_>,
        out: &mut Step,
    ) -> Result<Answer, CommandError> {
        let script = self
            .wallet
            .parse_address(&asked.address)
            .map_err(|_| CommandError::Address { text: asked.address.clone() })?;
        let pay = match asked.amount {
            SendAmount::Exactly(amount) => Pay::Outputs(vec![bitcoin::TxOut {
                value: bitcoin::Amount::from_sat(amount.to_sat()),
                script_pubkey: script.clone(),
            }]),
            SendAmount::Everything => Pay::Everything(script.clone()),
        };
        let request = SendRequest {
            pay,
            fee_rate: self.asked_rate(asked.fee_rate)?,
            keep: self.kept_from(asked.amount, &script),
            coins: CoinSource::ConfirmedOrOwnPending,
            entropy: derive_entropy(&moment.entropy, b"send"),
        };
        let (payment, change) = self.wallet.send(&request).map_err(CommandError::Funds)?;
        if let Some(change) = change {
            self.record(Event::Wallet(change), out);
        }
        let fee = payment.fee;
        let transaction = sign(&self.wallet, &self.seed, payment.psbt);
        let amount = paid_to(&transaction, &script);
        self.note_own(&transaction, moment, out);
        let txid = transaction.compute_txid();
        let subject =
            RequestSubject::SendCoins(Digest::from_bytes(txid.to_byte_array()), amount, fee);
        self.record(Event::RequestBegun { key: asked.key, digest, subject }, out);
        out.effects.push(Effect::Broadcast(vec![transaction]));
        Ok(Answer::Sent { txid, amount, fee })
    }

    /// What a payment must leave alone. To an address of this wallet it may take any coin: that is how a large one is
    /// split, and all but the fee is there again once it is mined.
    fn kept_from(&self, amount: SendAmount, script: &Script) -> FeeReserve {
        match amount {
            SendAmount::Exactly(_) if self.wallet.owns_script(script) => FeeReserve::NONE,
            SendAmount::Exactly(_) | SendAmount::Everything => self.fee_reserve(),
        }
    }

    /// A transaction of this node is on its way: its coins are spent, and it is broadcast again until it is mined.
    pub(crate) fn note_own(
        &mut self,
        transaction: &Transaction,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        if let Some(change) = self.wallet.note_unconfirmed(transaction, moment.now) {
            self.record(Event::Wallet(change), out);
        }
    }
}

/// Signs this node's coins in a transaction.
///
/// # Panics
/// If the coins are not this node's: it chose them itself.
pub(crate) fn sign(wallet: &Wallet, seed: &Seed, mut psbt: Psbt) -> Transaction {
    let spent: Vec<_> = psbt.unsigned_tx.input.iter().map(|input| input.previous_output).collect();
    for (input, outpoint) in psbt.inputs.iter_mut().zip(spent) {
        if let Some(known) = wallet.psbt_input(outpoint) {
            *input = known;
        }
    }
    seed.sign_psbt(&mut psbt).expect("every input says what it spends");
    for input in &mut psbt.inputs {
        if let Some(signature) = &input.tap_key_sig {
            input.final_script_witness = Some(Witness::p2tr_key_spend(signature));
        }
        assert!(input.final_script_witness.is_some(), "the wallet signs every coin it chose");
    }
    psbt.extract_tx_unchecked_fee_rate()
}

fn paid_to(transaction: &Transaction, script: &Script) -> Sats {
    let paid = transaction.output.iter().filter(|output| *output.script_pubkey == *script);
    Sats::new(paid.map(|output| output.value.to_sat()).sum()).expect("less than all coins")
}

fn sending_digest(asked: &Sending) -> RequestKey {
    let mut engine = sha256::Hash::engine();
    engine.input(b"send");
    engine.input(asked.address.as_bytes());
    let amount = match asked.amount {
        SendAmount::Exactly(amount) => Some(amount),
        SendAmount::Everything => None,
    };
    engine.input(&minicbor::to_vec((amount, asked.fee_rate)).expect("memory cannot fail"));
    short(engine)
}

#[cfg(test)]
mod tests;
