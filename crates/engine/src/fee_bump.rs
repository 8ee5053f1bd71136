//! Bringing closes on chain: the cooperative one as it is, a commitment together with the child that pays for it.
//!
//! A commitment pays no fee, so it is never sent alone while there are coins for a child (protocol section 3). Before
//! its funding output is mined it can go nowhere: nodes take no version-3 transaction whose unconfirmed parent is of
//! another version (BIP-0431). Until then no coin is held for it, so that a funding nobody ever mines binds nothing.

use bitcoin::{OutPoint, Script, Transaction, TxOut};
use strait_channel::{Channel, Closing, Funded};
use strait_onchain::{AnchorChild, Coin, WalletCoin, WalletScript};
use strait_primitives::{ChannelId, Sats, VBytes};
use strait_wallet::{BumpInputs, BumpRequest, FundError, Purpose};
use strait_wire::{Fault, FaultCode, Note};

use crate::effect::Effect;
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;

/// The script of a pay-to-anchor output: anyone may spend it.
const ANCHOR_SCRIPT: &[u8] = &[0x51, 0x02, 0x4e, 0x73];

/// What is in a channel that closes.
#[derive(Debug, Clone, Copy)]
struct Purse {
    /// All of it.
    capacity: Sats,
    /// This node's part.
    stake: Sats,
}

impl Engine {
    /// A channel wants a transaction on chain: its funding, its close, or its commitment.
    pub(crate) fn broadcast_for(
        &mut self,
        id: ChannelId,
        transaction: Transaction,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let Some(live) = self.channels.get(&id).and_then(|channel| channel.state().live()) else {
            return;
        };
        match (&live.closing, live.funded) {
            (Closing::Running, Funded::Waiting) => {
                if let Some(change) = self.wallet.release(Purpose::Opening(id)) {
                    self.record(Event::Wallet(change), out);
                }
                self.note_own(&transaction, moment, out);
                out.effects.push(Effect::Broadcast(vec![transaction]));
            }
            (Closing::Forced(_), _) => {
                self.rebroadcast_close(id, out);
                self.tell_closing(id, out);
            }
            _ => out.effects.push(Effect::Broadcast(vec![transaction])),
        }
    }

    /// Brings a channel's close on its way again, until it is mined.
    pub(crate) fn rebroadcast_close(&mut self, id: ChannelId, out: &mut Step) {
        let Some(channel) = self.channels.get(&id) else { return };
        let Some(live) = channel.state().live() else { return };
        let funded = live.funded;
        if matches!(funded, Funded::Spent { .. }) {
            return;
        }
        match &live.closing {
            Closing::Agreed { transaction, .. } => {
                let close = bitcoin::consensus::deserialize(transaction)
                    .expect("a recorded close was encoded by this node");
                out.effects.push(Effect::Broadcast(vec![close]));
            }
            Closing::Forced(_) if funded == Funded::Waiting => self.free_bump_coins(id, out),
            Closing::Forced(_) => {
                let commitment = channel.holder_transaction();
                let stake = self.stake_with_locks(live, &id);
                let purse = Purse { capacity: live.setup.funding.value, stake };
                let package = self.with_child(id, commitment, purse, out);
                out.effects.push(Effect::Broadcast(package));
            }
            Closing::Running | Closing::ShuttingDown { .. } | Closing::Lost => {}
        }
    }

    /// A channel needs no coins for a child, or none any more.
    pub(crate) fn free_bump_coins(&mut self, id: ChannelId, out: &mut Step) {
        if let Some(change) = self.wallet.release(Purpose::Bump(id)) {
            self.record(Event::Wallet(change), out);
        }
    }

    /// Asks the peer, each block, for the close that is not worth its price to this node: it may have more to lose, and
    /// nothing else would tell it that no round runs any more.
    fn ask_to_close(&self, id: ChannelId, out: &mut Step) {
        let Some(peer) = self.channels.get(&id).map(Channel::peer) else { return };
        if self.connected.contains_key(&peer) {
            let note = Note::cut("this side closes, and has too little here to pay for it");
            let fault = Fault { channel: Some(id), code: FaultCode::CloseAsked, note };
            crate::peers::send(peer, fault, out);
        }
    }

    /// The commitment and, if the wallet can pay and it is worth its price, the child that pays for both. Alone it costs
    /// nothing, and whoever has more at stake may pay for it.
    fn with_child(
        &mut self,
        id: ChannelId,
        commitment: Transaction,
        purse: Purse,
        out: &mut Step,
    ) -> Vec<Transaction> {
        let Some(anchor) = anchor_of(&commitment) else { return vec![commitment] };
        let paid: u64 = commitment.output.iter().map(|output| output.value.to_sat()).sum();
        let parent_fee = purse.capacity.to_sat().saturating_sub(paid);
        let request = BumpRequest {
            purpose: Purpose::Bump(id),
            parent_size: VBytes(commitment.weight().to_vbytes_ceil()),
            parent_fee: Sats::new(parent_fee).expect("at most the capacity"),
            anchor: anchor.value,
            fee_rate: self.fee_rate(),
            worth: purse.stake,
        };
        match self.wallet.bump_inputs(&request) {
            Ok((inputs, change)) => {
                if !change.is_empty() {
                    self.record(Event::Wallet(change), out);
                }
                let child = child_of(&inputs, anchor).to_psbt();
                let child = crate::coins::sign(&self.wallet, &self.seed, child);
                vec![commitment, child]
            }
            Err(FundError::Unworthy { .. }) => {
                self.free_bump_coins(id, out);
                self.ask_to_close(id, out);
                vec![commitment]
            }
            Err(_) => vec![commitment],
        }
    }
}

/// The child that the wallet has reckoned.
///
/// # Panics
/// Never: the wallet chooses taproot coins that fit into a child, pay its fee and leave an output above dust.
fn child_of(inputs: &BumpInputs, anchor: Coin) -> AnchorChild {
    let coin = |coin: &strait_wallet::Coin| WalletCoin {
        outpoint: coin.outpoint,
        output: coin.txout.clone(),
    };
    let coins: Vec<WalletCoin> = inputs.inputs.iter().map(coin).collect();
    let script = WalletScript::try_from(Script::from_bytes(inputs.change.script_pubkey.as_bytes()))
        .expect("a wallet's own scripts are taproot");
    let child = AnchorChild::new(anchor, &coins, script, inputs.fee)
        .expect("the wallet chose coins that pay for a child");
    assert_eq!(child.change(), &inputs.change, "the wallet has reckoned with this child");
    child
}

/// The anchor of a commitment.
fn anchor_of(commitment: &Transaction) -> Option<Coin> {
    let is_anchor = |output: &TxOut| output.script_pubkey.as_bytes() == ANCHOR_SCRIPT;
    let index = commitment.output.iter().position(is_anchor)?;
    let output = commitment.output.get(index)?;
    Some(Coin {
        outpoint: OutPoint {
            txid: commitment.compute_txid(),
            vout: u32::try_from(index).expect("a commitment has few outputs"),
        },
        value: Sats::new(output.value.to_sat()).expect("an anchor is small"),
    })
}

#[cfg(test)]
mod tests;
