//! Transactions that wait for a block: who spends what, who depends on whom.
//!
//! This file is the container; who may enter is decided in [`admission`] (one transaction) and [`package`]
//! (several), which answer with a [`Plan`] that [`Mempool::carry_out`] applies. Pure: time is an argument.
//!
//! **Invariant:** no two entries spend the same output, and `spends` names exactly the inputs of the entries.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, OutPoint, Transaction, Txid, Wtxid};
use strait_primitives::VBytes;

pub(crate) mod admission;
mod diagram;
pub(crate) mod package;
mod replacement;
mod truc;

pub(crate) use diagram::{Chunk, chunks};

/// A waiting transaction and what was learnt about it on entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The transaction.
    pub(crate) transaction: Transaction,
    /// Its id.
    pub(crate) txid: Txid,
    /// Its id with witness.
    pub(crate) wtxid: Wtxid,
    /// What it pays.
    pub(crate) fee: Amount,
    /// Its size as fees count it.
    pub(crate) size: VBytes,
    /// What its signature operations cost.
    pub(crate) sigops_cost: u64,
    /// When it entered, in seconds since 1970.
    pub(crate) entered_s: u64,
    /// The height of the chain when it entered.
    pub(crate) entered_height: u32,
}

/// A change to the mempool that has passed every rule.
#[derive(Debug, Default)]
#[must_use = "a plan changes nothing until it is carried out"]
pub(crate) struct Plan {
    /// Entries to add, parents first.
    pub(crate) add: Vec<Entry>,
    /// Entries they replace, descendants included.
    pub(crate) remove: BTreeSet<Txid>,
}

/// The waiting transactions.
#[derive(Debug, Default)]
pub(crate) struct Mempool {
    /// The entries, by id.
    entries: BTreeMap<Txid, Entry>,
    /// The entry that spends each output.
    spends: BTreeMap<OutPoint, Txid>,
    /// Changes so far: what `getrawmempool` calls the sequence.
    changes: u64,
}

impl Mempool {
    /// The entry with this id.
    pub(crate) fn entry(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// True if the transaction waits here.
    pub(crate) fn contains(&self, txid: &Txid) -> bool {
        self.entries.contains_key(txid)
    }

    /// All entries, by id.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The entry that spends this output.
    pub(crate) fn spender(&self, outpoint: &OutPoint) -> Option<&Entry> {
        self.entry(self.spends.get(outpoint)?)
    }

    /// The entries whose outputs this transaction spends.
    pub(crate) fn parents_of(&self, transaction: &Transaction) -> BTreeSet<Txid> {
        let ids = transaction.input.iter().map(|input| input.previous_output.txid);
        ids.filter(|txid| self.contains(txid)).collect()
    }

    /// The entries that spend outputs of this transaction.
    pub(crate) fn children_of(&self, txid: Txid) -> BTreeSet<Txid> {
        let outputs = OutPoint { txid, vout: 0 }..=OutPoint { txid, vout: u32::MAX };
        self.spends.range(outputs).map(|(_, spender)| *spender).collect()
    }

    /// The entry and everything it depends on.
    pub(crate) fn ancestors_of(&self, txid: Txid) -> BTreeSet<Txid> {
        self.closure([txid], |next| {
            self.entry(&next).map(|entry| self.parents_of(&entry.transaction)).unwrap_or_default()
        })
    }

    /// The entry and everything that depends on it.
    pub(crate) fn descendants_of(&self, txid: Txid) -> BTreeSet<Txid> {
        self.closure([txid], |next| self.children_of(next))
    }

    /// All entries connected with these in any way, these included.
    pub(crate) fn cluster_of(&self, start: impl IntoIterator<Item = Txid>) -> BTreeSet<Txid> {
        self.closure(start, |next| {
            let parents = self.entry(&next).map(|entry| self.parents_of(&entry.transaction));
            let mut near = parents.unwrap_or_default();
            near.extend(self.children_of(next));
            near
        })
    }

    /// Everything reachable from the start, the start included.
    fn closure(
        &self,
        start: impl IntoIterator<Item = Txid>,
        near: impl Fn(Txid) -> BTreeSet<Txid>,
    ) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Txid> = start.into_iter().collect();
        while let Some(txid) = open.pop() {
            if found.insert(txid) {
                open.extend(near(txid));
            }
        }
        found
    }

    /// Applies a plan.
    pub(crate) fn carry_out(&mut self, plan: Plan) {
        for txid in &plan.remove {
            self.remove(txid);
        }
        for entry in plan.add {
            for input in &entry.transaction.input {
                let before = self.spends.insert(input.previous_output, entry.txid);
                assert_eq!(before, None, "a plan removes what its additions conflict with");
            }
            self.entries.insert(entry.txid, entry);
            self.changes = self.changes.saturating_add(1);
        }
    }

    /// Removes one entry and leaves its descendants.
    fn remove(&mut self, txid: &Txid) {
        if let Some(entry) = self.entries.remove(txid) {
            for input in &entry.transaction.input {
                self.spends.remove(&input.previous_output);
            }
            self.changes = self.changes.saturating_add(1);
        }
    }

    /// Removes the transaction, if it waits here, and everything that depends on it.
    pub(crate) fn remove_with_descendants(&mut self, txid: Txid) {
        for gone in self.descendants_of(txid) {
            self.remove(&gone);
        }
    }

    /// Removes what a block confirmed and what can never confirm because of it.
    pub(crate) fn remove_for_block(&mut self, transactions: &[Transaction]) {
        for transaction in transactions {
            self.remove(&transaction.compute_txid());
            for input in &transaction.input {
                if let Some(conflict) = self.spends.get(&input.previous_output).copied() {
                    self.remove_with_descendants(conflict);
                }
            }
        }
    }
}
