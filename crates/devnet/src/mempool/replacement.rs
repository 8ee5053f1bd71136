//! When a transaction, or a package, may replace what waits in its way.
//!
//! Spec: Bitcoin Core `doc/policy/mempool-replacements.md`: the replacement pays at least what it replaces, pays
//! for its own relay on top, and leaves a miner strictly better off.

use std::collections::BTreeSet;

use bitcoin::{Amount, Txid};
use strait_primitives::VBytes;

use super::admission::Candidate;
use super::diagram::{chunks, improves};
use super::{Entry, Mempool};
use crate::limits::{INCREMENTAL_FEE_RATE, REPLACED_CLUSTERS_MAX};
use crate::reject::{Reject, show_money};

/// Checks a lone transaction that conflicts, and names everything it would replace.
pub(super) fn check_replacement(
    mempool: &Mempool,
    candidate: &Candidate,
) -> Result<BTreeSet<Txid>, Reject> {
    let (too_many, too_cheap) = if candidate.evicts_sibling {
        (
            "too many potential replacements (including sibling eviction)",
            "insufficient fee (including sibling eviction)",
        )
    } else {
        ("too many potential replacements", "insufficient fee")
    };
    if candidate.conflicts.len() > REPLACED_CLUSTERS_MAX {
        return Err(Reject::rule(too_many, ""));
    }
    let replaced = with_descendants(mempool, &candidate.conflicts);
    let entry = &candidate.entry;
    pays_for(mempool, &replaced, entry.fee, entry.size, entry.txid)
        .map_err(|details| Reject::fee(too_cheap, details))?;
    if !is_better_for_miners(mempool, std::slice::from_ref(candidate), &replaced) {
        let details = "insufficient feerate: does not improve feerate diagram";
        return Err(Reject::fee("replacement-failed", details));
    }
    if let Some(conflict) = ancestor_in_conflict(mempool, candidate) {
        let details = format!("{} spends conflicting transaction {conflict}", entry.txid);
        return Err(Reject::rule("bad-txns-spends-conflicting-tx", details));
    }
    Ok(replaced)
}

/// Checks a package of one parent and one child that conflicts, and names everything it would replace.
///
/// The error is the package's: reason and details.
pub(super) fn check_package_replacement(
    mempool: &Mempool,
    candidates: &[Candidate],
) -> Result<BTreeSet<Txid>, Reject> {
    let [parent, child] = candidates else {
        return Err(Reject::rule("package RBF failed: package must be 1-parent-1-child", ""));
    };
    if !parent.parents.is_empty() || !child.parents.is_empty() {
        let reason = "package RBF failed: new transaction cannot have mempool ancestors";
        return Err(Reject::rule(reason, ""));
    }
    let conflicts: BTreeSet<Txid> = parent.conflicts.union(&child.conflicts).copied().collect();
    if conflicts.len() > REPLACED_CLUSTERS_MAX {
        return Err(Reject::rule("package RBF failed: too many potential replacements", ""));
    }
    let replaced = with_descendants(mempool, &conflicts);
    let fee = parent.entry.fee.checked_add(child.entry.fee).unwrap_or(Amount::MAX_MONEY);
    let size = VBytes(parent.entry.size.0.saturating_add(child.entry.size.0));
    pays_for(mempool, &replaced, fee, size, child.entry.txid).map_err(|details| {
        Reject::rule("package RBF failed: insufficient anti-DoS fees", details)
    })?;
    let package_rate = u128::from(fee.to_sat()).saturating_mul(u128::from(parent.entry.size.0));
    let parent_rate = u128::from(parent.entry.fee.to_sat()).saturating_mul(u128::from(size.0));
    if package_rate <= parent_rate {
        let reason = "package RBF failed: package feerate is less than or equal to parent feerate";
        return Err(Reject::rule(reason, ""));
    }
    if !is_better_for_miners(mempool, candidates, &replaced) {
        let reason = "package RBF failed: insufficient feerate: does not improve feerate diagram";
        return Err(Reject::rule(reason, ""));
    }
    Ok(replaced)
}

/// The entries and everything that depends on them.
fn with_descendants(mempool: &Mempool, conflicts: &BTreeSet<Txid>) -> BTreeSet<Txid> {
    conflicts.iter().flat_map(|txid| mempool.descendants_of(*txid)).collect()
}

/// A transaction that the candidate both builds on and conflicts with.
fn ancestor_in_conflict(mempool: &Mempool, candidate: &Candidate) -> Option<Txid> {
    let mut ancestors = candidate.parents.iter().flat_map(|txid| mempool.ancestors_of(*txid));
    ancestors.find(|ancestor| candidate.conflicts.contains(ancestor))
}

/// Checks that the fee covers what is replaced and its own relay.
fn pays_for(
    mempool: &Mempool,
    replaced: &BTreeSet<Txid>,
    fee: Amount,
    size: VBytes,
    txid: Txid,
) -> Result<(), String> {
    let before: Amount =
        replaced.iter().filter_map(|txid| mempool.entry(txid)).map(|entry| entry.fee).sum();
    let Some(additional) = fee.checked_sub(before) else {
        let (fee, before) = (show_money(fee), show_money(before));
        return Err(format!(
            "rejecting replacement {txid}, less fees than conflicting txs; {fee} < {before}"
        ));
    };
    let relay = Amount::from_sat(INCREMENTAL_FEE_RATE.fee(size).to_sat());
    if additional < relay {
        let (additional, relay) = (show_money(additional), show_money(relay));
        return Err(format!(
            "rejecting replacement {txid}, not enough additional fees to relay; {additional} < {relay}"
        ));
    }
    Ok(())
}

/// Compares what a miner could earn from the clusters touched, before and after.
fn is_better_for_miners(
    mempool: &Mempool,
    candidates: &[Candidate],
    replaced: &BTreeSet<Txid>,
) -> bool {
    let parents = candidates.iter().flat_map(|candidate| &candidate.parents);
    let touched = mempool.cluster_of(parents.chain(replaced).copied());
    let before: Vec<&Entry> = touched.iter().filter_map(|txid| mempool.entry(txid)).collect();
    let kept = before.iter().copied().filter(|entry| !replaced.contains(&entry.txid));
    let after = kept.chain(candidates.iter().map(|candidate| &candidate.entry));
    improves(&chunks(after), &chunks(before.iter().copied()))
}
