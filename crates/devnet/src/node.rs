//! The devnet as a value: a chain and a mempool that agree with each other. The RPC server holds one behind a lock.
//!
//! Pure: time is an argument, and the same calls give the same blocks.

use bitcoin::{Amount, BlockHash, ScriptBuf, Transaction};

use crate::chain::{Chain, Reorganisation};
use crate::locks;
use crate::mempool::admission::{Admission, FeeCap, Scene, admit};
use crate::mempool::package::{self, PackageOutcome};
use crate::mempool::{Chunk, Entry, Mempool};
use crate::mining::{self, Selection, Taste};
use crate::reject::Reject;

#[cfg(test)]
mod tests;

/// A chain and the transactions that wait for it.
#[derive(Debug)]
pub(crate) struct Node {
    chain: Chain,
    mempool: Mempool,
    /// Blocks mined so far: goes into each coinbase, so that no two are the same transaction.
    mined: u64,
}

impl Node {
    /// A node that has the genesis block of regtest and nothing else.
    pub(crate) fn new() -> Self {
        Self { chain: Chain::new(), mempool: Mempool::default(), mined: 0 }
    }

    /// The chain.
    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The waiting transactions.
    pub(crate) const fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// Mines a block of what waits and pays best.
    pub(crate) fn mine(&mut self, payout: ScriptBuf, now_s: u64) -> BlockHash {
        let selection = mining::select(&self.mempool);
        self.mine_selection(payout, selection, now_s)
    }

    /// Mines a block of what waits, pays best, and pleases the miner.
    pub(crate) fn mine_where(
        &mut self,
        payout: ScriptBuf,
        now_s: u64,
        taste: impl Fn(&Chunk) -> Taste,
    ) -> BlockHash {
        let selection = mining::select_where(&self.mempool, taste);
        self.mine_selection(payout, selection, now_s)
    }

    /// Mines a block of exactly these transactions, which need not be relayable.
    ///
    /// # Errors
    /// [`Reject`] if any of them may not stand in the next block after the ones before it.
    pub(crate) fn mine_exactly(
        &mut self,
        payout: ScriptBuf,
        transactions: Vec<Transaction>,
        now_s: u64,
    ) -> Result<BlockHash, Reject> {
        let fees = self.check_block(&transactions)?;
        Ok(self.mine_selection(payout, Selection { transactions, fees }, now_s))
    }

    /// Checks that the next block may hold exactly these transactions. Returns their fees.
    ///
    /// # Errors
    /// [`Reject`] if any of them may not stand after the ones before it.
    pub(crate) fn check_block(&self, transactions: &[Transaction]) -> Result<Amount, Reject> {
        let mut fees = Amount::ZERO;
        for (index, transaction) in transactions.iter().enumerate() {
            let before = transactions.get(..index).expect("an index of this list");
            let fee = crate::mempool::admission::check_for_block(&self.chain, transaction, before)?;
            fees = fees.checked_add(fee).unwrap_or(Amount::MAX_MONEY);
        }
        Ok(fees)
    }

    /// Mines and connects.
    fn mine_selection(&mut self, payout: ScriptBuf, selection: Selection, now_s: u64) -> BlockHash {
        self.mined = self.mined.saturating_add(1);
        let header_time = u32::try_from(now_s).unwrap_or(u32::MAX);
        let block = mining::mine(&self.chain, payout, selection, self.mined, header_time);
        self.mempool.remove_for_block(&block.txdata);
        let hash = self.chain.append(block);
        self.drop_unconfirmable();
        hash
    }

    /// Tells whether a transaction would enter the mempool; changes nothing.
    ///
    /// # Errors
    /// [`Reject`] with the rule it breaks.
    pub(crate) fn rehearse(&self, transaction: &Transaction, now_s: u64) -> Result<Entry, Reject> {
        let scene = self.scene(now_s);
        let mut plan = admit(scene, transaction, Admission::Alone, FeeCap::None)?;
        Ok(plan.add.pop().expect("a plan for one transaction adds it"))
    }

    /// Tells whether transactions would enter together, each paying for itself; changes nothing.
    pub(crate) fn rehearse_package(&self, package: &[Transaction], now_s: u64) -> PackageOutcome {
        package::rehearse(Scene { package, ..self.scene(now_s) })
    }

    /// Lets a transaction in.
    ///
    /// # Errors
    /// [`Reject`] with the rule it breaks.
    pub(crate) fn submit(&mut self, transaction: &Transaction, now_s: u64) -> Result<(), Reject> {
        let plan = admit(self.scene(now_s), transaction, Admission::Alone, FeeCap::None)?;
        self.mempool.carry_out(plan);
        Ok(())
    }

    /// Lets a package in as far as it passes.
    pub(crate) fn submit_package(
        &mut self,
        package: &[Transaction],
        now_s: u64,
        cap: FeeCap,
    ) -> PackageOutcome {
        package::submit(&self.chain, &mut self.mempool, package, now_s, cap)
    }

    /// Rules a block out, with everything built on it. Its transactions wait again as far as they may.
    pub(crate) fn rule_out(&mut self, hash: BlockHash, now_s: u64) {
        let change = self.chain.rule_out(hash);
        self.follow(change, now_s);
    }

    /// Lifts the ban on a block.
    pub(crate) fn reconsider(&mut self, hash: BlockHash, now_s: u64) {
        let change = self.chain.reconsider(hash);
        self.follow(change, now_s);
    }

    /// Makes the mempool agree with a chain that has moved.
    fn follow(&mut self, change: Reorganisation, now_s: u64) {
        for block in &change.connected {
            self.mempool.remove_for_block(&block.txdata);
        }
        let back = change.disconnected.iter().flat_map(|block| &block.txdata);
        for transaction in back.filter(|transaction| !transaction.is_coinbase()) {
            let txid = transaction.compute_txid();
            if self.chain.block_of(&txid).is_some() {
                continue;
            }
            match admit(self.scene(now_s), transaction, Admission::Reorganisation, FeeCap::None) {
                Ok(plan) => self.mempool.carry_out(plan),
                Err(reject) => {
                    tracing::debug!(%txid, %reject, "not waiting again after a reorganisation");
                    self.mempool.remove_with_descendants(txid);
                }
            }
        }
        self.drop_unconfirmable();
    }

    /// Drops what the next block could not hold any more.
    fn drop_unconfirmable(&mut self) {
        loop {
            let scene = self.scene(0);
            let stale = self.mempool.entries().find(|entry| !is_confirmable(scene, entry));
            let Some(txid) = stale.map(|entry| entry.txid) else { return };
            self.mempool.remove_with_descendants(txid);
        }
    }

    /// What a decision looks at.
    const fn scene(&self, now_s: u64) -> Scene<'_> {
        Scene { chain: &self.chain, mempool: &self.mempool, package: &[], now_s }
    }
}

/// True if a waiting transaction may stand in the next block, after those it depends on.
fn is_confirmable(scene: Scene<'_>, entry: &Entry) -> bool {
    let transaction = &entry.transaction;
    let Some(coins) = scene.coins_of(transaction) else { return false };
    let next_height = scene.chain.height().saturating_add(1);
    locks::check_absolute(transaction, scene.chain).is_ok()
        && locks::check_relative(transaction, &coins, scene.chain).is_ok()
        && crate::consensus::check_value(transaction, &coins, next_height).is_ok()
}
