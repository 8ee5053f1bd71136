//! Did everyone who plays fair end with what is its own? Reckoned from the chain's blocks alone, once all is at rest.
//!
//! A node began with coinbases. It gave what it put into channels, what its users sent and the fees of its transactions, and
//! got what others sent it and, of each channel that is over, at least what was its own in the poorest commitment that
//! anybody could have brought on chain. What it has is what the chain holds for the keys of its wallet.

use std::collections::BTreeMap;

use bitcoin::{Block, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use strait_engine::{Engine, LockStage};
use strait_primitives::{BlockHeight, FeeRate, MilliSats, Party, Side, VBytes};
use strait_wallet::{AddressGap, Wallet};

use crate::chain::SimChain;
use crate::durable::{Durable, Share, Stake, StakeLife};
use crate::host::Host;
use crate::oracle::Violation;
use crate::place::Place;
use crate::users::Users;

/// Size of what a close may cost a node beside the child that its wallet pays for: claims and a cooperative close.
const CLOSE_SIZE: VBytes = VBytes(700);
/// Size of what a lock may cost in a close: its claim, and its part of the commitment.
const LOCK_SIZE: VBytes = VBytes(400);
/// What a close may lose to rounding: a trimmed output, an anchor.
const CLOSE_DUST_SAT: u64 = 1_500;
/// By how much the price of a close may rise toward a deadline: six doublings, within half of what it saves.
const HURRY: u64 = 64;
/// The script of an anchor.
const ANCHOR_SCRIPT: &[u8] = &[0x51, 0x02, 0x4e, 0x73];
/// What fees may exceed the rate by, when one transaction replaces another.
const REPLACEMENT_SAT: u64 = 3_000;

/// What went in and out of a node's wallet.
#[derive(Debug, Default)]
struct Account {
    mined: u64,
    put_into_channels: u64,
    sent: u64,
    received: u64,
    fees: u64,
    due_of_channels: u64,
    allowance: u64,
}

/// The chain, read once.
struct Reading<'a> {
    durable: &'a Durable,
    wallet: Wallet,
    highest: FeeRate,
    /// Every output so far.
    outputs: BTreeMap<OutPoint, TxOut>,
    /// The size of every transaction so far.
    sizes: BTreeMap<Txid, u64>,
    /// What the chain holds for the wallet.
    coins: BTreeMap<OutPoint, u64>,
    /// What users of this node have asked to send, and of others.
    own_sends: BTreeMap<(ScriptBuf, u64), u64>,
    other_sends: BTreeMap<(ScriptBuf, u64), u64>,
    account: Account,
    place: Place,
}

/// Fails if a node that plays fair has less than is its own, or sent what nobody asked for.
pub(crate) fn check_wealth(host: &Host, users: &Users, chain: &SimChain) -> Result<(), Violation> {
    let durable = &host.durable;
    let wallet = Wallet::load(host.identity.account(), &durable.state.wallet, AddressGap(3))
        .expect("the fold of a node's log holds its wallet");
    let mut reading = Reading {
        durable,
        wallet,
        highest: chain.highest_rate,
        outputs: BTreeMap::new(),
        sizes: BTreeMap::new(),
        coins: BTreeMap::new(),
        own_sends: users.sends(|place| place == host.place),
        other_sends: users.sends(|place| place != host.place),
        account: Account::default(),
        place: host.place,
    };
    for block in blocks(chain) {
        for transaction in &block.txdata {
            reading.read(transaction)?;
        }
    }
    let Some(running) = &host.running else { return Ok(()) };
    reading.reckon_channels(chain, &running.engine);
    reading.judge()?;
    reading.compare(host, chain)
}

fn size_of(transaction: &Transaction) -> u64 {
    u64::try_from(transaction.vsize()).expect("a transaction is small")
}

/// What must come of a commitment: the balance, what was offered and not claimed, and what was claimed.
fn due_of(share: &Share, engine: &Engine) -> MilliSats {
    let own = share.locks.iter().filter(|(key, _)| {
        let is_claimed = engine.lock_view(key).is_none_or(|view| view.stage == LockStage::Claimed);
        match key.offerer {
            Side::Holder => !is_claimed,
            Side::Counterparty => is_claimed && engine.lock_view(key).is_some(),
        }
    });
    MilliSats::checked_sum(own.map(|(_, amount)| *amount).chain([share.balance]))
        .expect("a ledger's parts are at most its capacity")
}

/// All blocks of the best chain but the first.
pub(crate) fn blocks(chain: &SimChain) -> impl Iterator<Item = std::sync::Arc<Block>> + '_ {
    (1..=chain.regtest.height().to_u32()).filter_map(|height| {
        let hash = chain.regtest.hash_at(BlockHeight::new(height))?;
        Some(chain.regtest.block(&hash)?.1)
    })
}

impl Reading<'_> {
    fn read(&mut self, transaction: &Transaction) -> Result<(), Violation> {
        let inputs = transaction.input.iter().map(|input| input.previous_output);
        let spent: Vec<OutPoint> = inputs.collect();
        let own_in: u64 = spent.iter().filter_map(|coin| self.coins.remove(coin)).sum();
        let all_in: u64 = spent
            .iter()
            .filter_map(|outpoint| self.outputs.get(outpoint))
            .map(|output| output.value.to_sat())
            .sum();
        let txid = transaction.compute_txid();
        self.sizes.insert(txid, size_of(transaction));
        for (vout, output) in (0_u32..).zip(&transaction.output) {
            let (outpoint, value) = (OutPoint { txid, vout }, output.value.to_sat());
            self.outputs.insert(outpoint, output.clone());
            if self.wallet.owns_script(&output.script_pubkey) {
                self.coins.insert(outpoint, value);
                self.note_income(transaction, output, own_in);
            } else if own_in > 0 && value > 0 {
                self.note_expense(outpoint, output)?;
            }
        }
        if own_in > 0 {
            let all_out: u64 = transaction.output.iter().map(|output| output.value.to_sat()).sum();
            self.note_fee(transaction, all_in - all_out)?;
        }
        Ok(())
    }

    /// What comes from elsewhere. What channels pay out is reckoned by channel.
    fn note_income(&mut self, transaction: &Transaction, output: &TxOut, own_in: u64) {
        let value = output.value.to_sat();
        if transaction.is_coinbase() {
            self.account.mined += value;
        } else if own_in == 0
            && let Some(left) = self.other_sends.get_mut(&(output.script_pubkey.clone(), value))
            && *left > 0
        {
            *left -= 1;
            self.account.received += value;
        }
    }

    /// What goes elsewhere: into a channel of this node's, or to whom a user named.
    fn note_expense(&mut self, outpoint: OutPoint, output: &TxOut) -> Result<(), Violation> {
        let value = output.value.to_sat();
        let is_funding = |stake: &Stake| stake.funding == outpoint && stake.party == Party::Opener;
        if self.durable.stakes.values().any(is_funding) {
            self.account.put_into_channels += value;
            return Ok(());
        }
        if let Some(left) = self.own_sends.get_mut(&(output.script_pubkey.clone(), value))
            && *left > 0
        {
            *left -= 1;
            self.account.sent += value;
            return Ok(());
        }
        Err(Violation::Unasked {
            node: self.place.to_string(),
            value_sat: value,
            txid: outpoint.txid.to_string(),
        })
    }

    fn note_fee(&mut self, transaction: &Transaction, fee: u64) -> Result<(), Violation> {
        let size = size_of(transaction);
        let usual = match self.parent_of(transaction) {
            Some(parent) => self.highest.fee(VBytes(size + parent)).to_sat() * HURRY,
            None => self.highest.fee(VBytes(size)).to_sat(),
        };
        let most = usual + usual / 4 + REPLACEMENT_SAT;
        if fee > most {
            let account = format!("{} pays {fee} sat for its place", transaction.compute_txid());
            let node = self.place.to_string();
            return Err(Violation::Poorer { node, actual_sat: fee, expected_sat: most, account });
        }
        self.account.fees += fee;
        Ok(())
    }

    /// The size of the commitment that a transaction pays for by spending its anchor.
    fn parent_of(&self, transaction: &Transaction) -> Option<u64> {
        let spends = transaction.input.iter().map(|input| input.previous_output);
        let is_anchor = |outpoint: &OutPoint| {
            let output = self.outputs.get(outpoint);
            output.is_some_and(|output| output.script_pubkey.as_bytes() == ANCHOR_SCRIPT)
        };
        let anchor = spends.into_iter().find(is_anchor)?;
        self.sizes.get(&anchor.txid).copied()
    }

    fn reckon_channels(&mut self, chain: &SimChain, engine: &Engine) {
        let is_mined = |stake: &&Stake| chain.regtest.is_mined(&stake.funding.txid);
        let over = |stake: &&Stake| stake.life == StakeLife::Over;
        let stakes = self.durable.stakes.values();
        for stake in stakes.filter(is_mined).filter(over) {
            let due = stake.shares.iter().map(|share| due_of(share, engine)).min();
            let locks = stake.shares.iter().map(|share| share.locks.len()).max();
            let locks = u64::try_from(locks.unwrap_or(0)).expect("a channel has few locks");
            self.account.due_of_channels += due.unwrap_or(MilliSats::ZERO).floor_sats().to_sat();
            self.account.allowance += self.highest.fee(CLOSE_SIZE).to_sat() + CLOSE_DUST_SAT;
            self.account.allowance += self.highest.fee(LOCK_SIZE).to_sat() * locks;
            // A claim in a hurry may cost half of what it saves.
            let locked = stake.shares.iter().map(Share::locked_sat).max();
            self.account.allowance += locked.unwrap_or(0) / 2;
        }
    }

    fn judge(&self) -> Result<(), Violation> {
        let account = &self.account;
        let gained = account.mined + account.received + account.due_of_channels;
        let given = account.put_into_channels + account.sent + account.fees + account.allowance;
        let expected_sat = gained.saturating_sub(given);
        let actual_sat: u64 = self.coins.values().sum();
        if actual_sat >= expected_sat {
            return Ok(());
        }
        let (node, account) = (self.place.to_string(), format!("{account:?}"));
        Err(Violation::Poorer { node, actual_sat, expected_sat, account })
    }

    /// The wallet says what the chain holds for it, unless something of it still waits.
    fn compare(&self, host: &Host, chain: &SimChain) -> Result<(), Violation> {
        let Some(running) = &host.running else { return Ok(()) };
        let waits = chain.regtest.waiting().any(|transaction| {
            transaction.input.iter().any(|input| self.coins.contains_key(&input.previous_output))
        });
        let view = running.engine.wallet_view();
        let parts = [view.confirmed, view.reserved, view.immature];
        let wallet_sat: u64 = parts.iter().map(|part| part.to_sat()).sum();
        let chain_sat: u64 = self.coins.values().sum();
        if waits || wallet_sat == chain_sat {
            return Ok(());
        }
        Err(Violation::Wallet { node: self.place.to_string(), wallet_sat, chain_sat })
    }
}
