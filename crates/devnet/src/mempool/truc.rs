//! Topologically restricted transactions (version 3): at most one parent and one child wait together.
//!
//! Spec: BIP-0431.

use std::collections::BTreeSet;

use bitcoin::{Transaction, Txid};

use super::admission::Candidate;
use super::{Entry, Mempool};
use crate::limits::{TRUC_CHAIN_MAX, TRUC_CHILD_SIZE_MAX, TRUC_SIZE_MAX, TRUC_VERSION};

/// How a transaction breaks the version-3 rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrucFault {
    /// The rule in words.
    pub(super) details: String,
    /// The one other child whose eviction would make it pass.
    pub(super) sibling: Option<Txid>,
}

/// A fault that no eviction mends.
fn fault<T>(details: String) -> Result<T, TrucFault> {
    Err(TrucFault { details, sibling: None })
}

/// A transaction as the messages name it.
fn named(transaction: &Transaction) -> String {
    format!("tx {} (wtxid={})", transaction.compute_txid(), transaction.compute_wtxid())
}

/// True if the transaction opts in.
fn is_truc(transaction: &Transaction) -> bool {
    transaction.version.0 == TRUC_VERSION
}

/// Checks a transaction against the parents that wait in the mempool.
pub(super) fn check_truc(mempool: &Mempool, candidate: &Candidate) -> Result<(), TrucFault> {
    let transaction = &candidate.entry.transaction;
    let parents: Vec<&Entry> =
        candidate.parents.iter().filter_map(|txid| mempool.entry(txid)).collect();
    for parent in &parents {
        check_versions(transaction, &parent.transaction)?;
    }
    if !is_truc(transaction) {
        return Ok(());
    }
    check_size(candidate, TRUC_SIZE_MAX, "")?;
    let Some(parent) = parents.first() else { return Ok(()) };
    if parents.len() >= TRUC_CHAIN_MAX || mempool.ancestors_of(parent.txid).len() >= TRUC_CHAIN_MAX
    {
        return fault(format!("{} would have too many ancestors", named(transaction)));
    }
    check_size(candidate, TRUC_CHILD_SIZE_MAX, "child ")?;
    let mut others = mempool.descendants_of(parent.txid);
    others.remove(&parent.txid);
    if others.is_empty() || others.iter().any(|other| candidate.conflicts.contains(other)) {
        return Ok(());
    }
    Err(TrucFault {
        details: format!("{} would exceed descendant count limit", named(&parent.transaction)),
        sibling: evictable(mempool, &others),
    })
}

/// The only other child, if it can be evicted.
fn evictable(mempool: &Mempool, others: &BTreeSet<Txid>) -> Option<Txid> {
    let sibling = others.first().copied().filter(|_| others.len() == 1)?;
    (mempool.ancestors_of(sibling).len() == TRUC_CHAIN_MAX).then_some(sibling)
}

/// Version 3 and other versions do not depend on each other unconfirmed.
fn check_versions(child: &Transaction, parent: &Transaction) -> Result<(), TrucFault> {
    let (child_kind, parent_kind) = match (is_truc(child), is_truc(parent)) {
        (true, true) | (false, false) => return Ok(()),
        (true, false) => ("version=3", "non-version=3"),
        (false, true) => ("non-version=3", "version=3"),
    };
    let (child, parent) = (named(child), named(parent));
    fault(format!("{child_kind} {child} cannot spend from {parent_kind} {parent}"))
}

/// Refuses what is too large.
fn check_size(
    candidate: &Candidate,
    limit: strait_primitives::VBytes,
    role: &str,
) -> Result<(), TrucFault> {
    let size = candidate.entry.size;
    if size <= limit {
        return Ok(());
    }
    let name = named(&candidate.entry.transaction);
    fault(format!("version=3 {role}{name} is too big: {} > {} virtual bytes", size.0, limit.0))
}

/// Checks one transaction of a package against its parents in the package and in the mempool.
pub(super) fn check_truc_in_package(
    mempool: &Mempool,
    candidate: &Candidate,
    package: &[Transaction],
) -> Result<(), TrucFault> {
    let transaction = &candidate.entry.transaction;
    let inputs: BTreeSet<Txid> =
        transaction.input.iter().map(|input| input.previous_output.txid).collect();
    let along: Vec<&Transaction> =
        package.iter().filter(|other| inputs.contains(&other.compute_txid())).collect();
    let waiting: Vec<&Entry> =
        candidate.parents.iter().filter_map(|txid| mempool.entry(txid)).collect();
    let parents = waiting.iter().map(|entry| &entry.transaction).chain(along.iter().copied());
    let parents: Vec<&Transaction> = parents.collect();
    if !is_truc(transaction) {
        return parents.iter().try_for_each(|parent| check_versions(transaction, parent));
    }
    let waiting_ancestors =
        waiting.first().map_or(0, |entry| mempool.ancestors_of(entry.txid).len());
    if parents.len() >= TRUC_CHAIN_MAX
        || waiting_ancestors.saturating_add(along.len()) >= TRUC_CHAIN_MAX
    {
        return fault(format!("{} would have too many ancestors", named(transaction)));
    }
    let Some(parent) = parents.first() else { return Ok(()) };
    check_size(candidate, TRUC_CHILD_SIZE_MAX, "child ")?;
    check_versions(transaction, parent)?;
    let (parent_txid, txid) = (parent.compute_txid(), candidate.entry.txid);
    let crowded = || fault(format!("{} would exceed descendant count limit", named(parent)));
    for other in package.iter().filter(|other| other.compute_txid() != txid) {
        for spent in other.input.iter().map(|input| input.previous_output.txid) {
            if spent == parent_txid {
                return crowded();
            }
            if spent == txid {
                return fault(format!("{} would have too many ancestors", named(other)));
            }
        }
    }
    if mempool.descendants_of(parent_txid).len() > 1 {
        return crowded();
    }
    Ok(())
}
