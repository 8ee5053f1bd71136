//! Bringing closes on chain: the cooperative one as it is, a commitment together with the child that pays for it.
//!
//! A commitment pays no fee, so it is never sent alone while there are coins for a child (protocol section 3). Before
//! its funding output is mined it can go nowhere: nodes take no version-3 transaction whose unconfirmed parent is of
//! another version (BIP-0431). Until then no coin is held for it, so that a funding nobody ever mines binds nothing.

use bitcoin::{OutPoint, Script, Transaction, TxOut};
use strait_channel::{Channel, Closing, Funded, Live};
use strait_onchain::{AnchorChild, Coin, WalletCoin, WalletScript};
use strait_primitives::{ChannelId, FeeRate, Sats, VBytes};
use strait_wallet::{
    BumpInputs, BumpRequest, FEE_RATE_MAX as BUMP_FEE_RATE_MAX, FundError, Purpose, WalletChange,
};
use strait_watcher::{ChildRequest, Watcher};
use strait_wire::{Fault, FaultCode, Note};

use crate::effect::Effect;
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::on_chain::Facts;

/// The script of a pay-to-anchor output: anyone may spend it.
const ANCHOR_SCRIPT: &[u8] = &[0x51, 0x02, 0x4e, 0x73];

/// What is in a channel that closes.
#[derive(Debug, Clone, Copy)]
struct Purse {
    /// All of it.
    capacity: Sats,
    /// This node's part.
    stake: Sats,
    /// True if no lock and no contract may bring this node more than that.
    is_plain: bool,
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
                let purse = Purse {
                    capacity: live.setup.funding.value,
                    stake: self.stake_with_locks(live, &id),
                    is_plain: live.rounds.ledger.is_plain(),
                };
                let package = self.with_child(id, commitment, &purse, out);
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

    /// A child whose parent lost the race is void, and other closes may need its coins now: a peer that lets many closes
    /// race must not bind what the last of them needs. Where a reorganisation brings the parent back, it chooses anew.
    pub(crate) fn free_void_child(&mut self, id: ChannelId, out: &mut Step) {
        if self.has_lost_the_race(id) {
            self.free_bump_coins(id, out);
        }
    }

    /// True if this node published its commitment, and a block holds another spend of the funding output.
    fn has_lost_the_race(&self, id: ChannelId) -> bool {
        let Some(channel) = self.channels.get(&id) else { return false };
        let closing = channel.state().live().map(|live| &live.closing);
        if !matches!(closing, Some(Closing::Forced(_))) {
            return false;
        }
        let spend = self.watchers.get(&id).and_then(|watcher| watcher.state().spend());
        spend.is_some_and(|spend| spend.txid != channel.holder_transaction().compute_txid())
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
        purse: &Purse,
        out: &mut Step,
    ) -> Vec<Transaction> {
        let Some(anchor) = anchor_of(&commitment) else { return vec![commitment] };
        let paid: u64 = commitment.output.iter().map(|output| output.value.to_sat()).sum();
        let parent_fee = purse.capacity.to_sat().saturating_sub(paid);
        let parent_size = VBytes(commitment.weight().to_vbytes_ceil());
        let size = VBytes(parent_size.0.saturating_add(AnchorChild::size_with(1).0));
        let wanted = self.child_rate(id, size, purse.stake);
        let request = BumpRequest {
            purpose: Purpose::Bump(id),
            parent_size,
            parent_fee: Sats::new(parent_fee).expect("at most the capacity"),
            anchor: anchor.value,
            fee_rate: wanted,
            worth: purse.stake,
        };
        match self.affordable(request) {
            Ok((fee_rate, inputs, change)) => {
                if !change.is_empty() {
                    self.record(Event::Wallet(change), out);
                }
                self.note_child(id, fee_rate, out);
                let child = child_of(&inputs, anchor).to_psbt();
                let child = crate::coins::sign(&self.wallet, &self.seed, child);
                vec![commitment, child]
            }
            Err(FundError::Unworthy { .. }) => {
                if purse.is_plain && purse.stake < FeeRate::RELAY_FLOOR.fee(size) {
                    self.note_close_left(id, out);
                }
                // Mempools may hold a child that left before: what it spends is not free while it may be mined.
                self.ask_to_close(id, out);
                vec![commitment]
            }
            Err(_) => vec![commitment],
        }
    }

    /// What the channel's watcher wants the package to pay.
    fn child_rate(&self, id: ChannelId, size: VBytes, stake: Sats) -> FeeRate {
        let (tip, fee_rate) = (self.tip().height, self.fee_rate());
        let Some(channel) = self.channels.get(&id) else { return fee_rate };
        let request = ChildRequest { tip, fee_rate, size, stake };
        let unseen = Watcher::new();
        let watcher = self.watchers.get(&id).unwrap_or(&unseen);
        let facts = Facts { channel, payments: &self.payments };
        watcher.child_rate(&request, &facts).min(BUMP_FEE_RATE_MAX)
    }

    /// Coins for a child at the rate wanted; where the wallet has not so much, at what is usual, and at last at what nodes
    /// still pass on: a close that waits in mempools is found there when fees fall.
    fn affordable(
        &mut self,
        request: BumpRequest,
    ) -> Result<(FeeRate, BumpInputs, WalletChange), FundError> {
        let lower = [self.fee_rate(), FeeRate::RELAY_FLOOR];
        let lower = lower.into_iter().filter(|rate| *rate < request.fee_rate);
        let mut failed = None;
        for fee_rate in core::iter::once(request.fee_rate).chain(lower) {
            match self.wallet.bump_inputs(&BumpRequest { fee_rate, ..request }) {
                Ok((inputs, change)) => return Ok((fee_rate, inputs, change)),
                Err(error @ FundError::Insufficient { .. }) => {
                    failed.get_or_insert(error);
                }
                // What costs too much at the rate wanted may be worth what is usual; below that it would only wait.
                Err(error @ FundError::Unworthy { .. }) if fee_rate > self.fee_rate() => {
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failed.expect("the rate wanted was tried"))
    }

    /// The log hears of a child that pays more than those before.
    fn note_child(&mut self, id: ChannelId, fee_rate: FeeRate, out: &mut Step) {
        let tip = self.tip().height;
        let event = self.watchers.entry(id).or_default().note_child(tip, fee_rate);
        self.log_watch(id, event, out);
    }

    /// The log hears that a close is not worth its price.
    fn note_close_left(&mut self, id: ChannelId, out: &mut Step) {
        let tip = self.tip().height;
        let event = self.watchers.entry(id).or_default().note_close_left(tip);
        self.log_watch(id, event, out);
    }

    /// Forgets closes that have brought less than they cost for about a week: they would keep their place for ever, and
    /// there is nothing in them to lose. None of them had a child: what is not worth the cheapest never was.
    pub(crate) fn forget_left_closes(&mut self, moment: &Moment<'_>, out: &mut Step) {
        let tip = self.tip().height;
        let is_over = |(id, watcher): &(&ChannelId, &Watcher)| {
            let live = self.channels.get(id).and_then(|channel| channel.state().live());
            watcher.is_close_given_up(tip)
                && live.is_some_and(|live| matches!(live.closing, Closing::Forced(_)))
        };
        let ids: Vec<ChannelId> = self.watchers.iter().filter(is_over).map(|(id, _)| *id).collect();
        for id in ids {
            self.free_bump_coins(id, out);
            self.with_channel(id, moment, out, |channel, _, decision| channel.resolve(decision));
        }
    }

    /// Channels in the order in which their closes should have the wallet's coins: those whose locks expire first, then
    /// those with the most at stake.
    pub(crate) fn by_urgency(&self) -> Vec<ChannelId> {
        let urgency = |channel: &Channel| {
            let live = channel.state().live();
            let expiries = live.map(|live| live.rounds.ledger.outputs_locked());
            let first = expiries.into_iter().flatten().map(|lock| lock.expiry).min();
            let stake = live.map_or(Sats::ZERO, Live::stake);
            (first.is_none(), first, core::cmp::Reverse(stake), channel.id())
        };
        let mut all: Vec<_> = self.channels.values().map(urgency).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, _, _, id)| id).collect()
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
