//! Whether several transactions may enter together: a child and the parents it pays for.
//!
//! Each is first tried alone; what fails for its fee, or for a parent that failed so, is tried together, where the
//! package's fee rate counts. Results are kept per transaction, as Bitcoin Core reports them.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, Transaction, Txid, Wtxid};
use strait_primitives::VBytes;

use super::admission::{
    Admission, Candidate, FeeCap, Scene, admit, check_cap, check_cluster, check_ephemeral_spends,
    check_relay_fee, examine,
};
use super::replacement::check_package_replacement;
use super::truc::check_truc_in_package;
use super::{Entry, Mempool, Plan};
use crate::chain::Chain;
use crate::limits::{PACKAGE_TRANSACTIONS_MAX, PACKAGE_WEIGHT_MAX};
use crate::reject::{Reject, RejectKind};
use crate::script_check;

/// A package-wide failure of one of its transactions.
const TRANSACTION_FAILED: &str = "transaction failed";

/// What became of one transaction of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionResult {
    /// It would enter, or has entered.
    Valid {
        /// Its size.
        size: VBytes,
        /// Its own fee.
        fee: Amount,
        /// Fees of all whose fees were counted together.
        effective_fee: Amount,
        /// Their size together.
        effective_size: VBytes,
        /// Their ids.
        effective_includes: Vec<Wtxid>,
    },
    /// It was there before.
    AlreadyWaiting {
        /// Its size.
        size: VBytes,
        /// Its fee.
        fee: Amount,
    },
    /// It was there before with another witness.
    OtherWitness {
        /// The id of what waits.
        wtxid: Wtxid,
    },
    /// It was refused.
    Invalid(Reject),
}

/// Whether a package as a whole failed, and where the blame lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PackageState {
    /// Nothing failed.
    Success,
    /// A transaction failed; its result says why.
    TransactionFailed(&'static str),
    /// A rule for packages was broken.
    PolicyBroken(Reject),
}

/// What became of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageOutcome {
    /// The package as a whole.
    pub(crate) state: PackageState,
    /// Each transaction that was looked at.
    pub(crate) results: BTreeMap<Wtxid, TransactionResult>,
    /// What was replaced.
    pub(crate) replaced: BTreeSet<Txid>,
}

impl PackageOutcome {
    /// A package about which nothing more is known than how it failed.
    fn bare(state: PackageState) -> Self {
        Self { state, results: BTreeMap::new(), replaced: BTreeSet::new() }
    }
}

/// Results of what passed together.
fn valid_together(entries: &[Entry]) -> BTreeMap<Wtxid, TransactionResult> {
    let effective_fee = entries.iter().map(|entry| entry.fee).sum();
    let effective_size = VBytes(entries.iter().map(|entry| entry.size.0).sum());
    let effective_includes: Vec<Wtxid> = entries.iter().map(|entry| entry.wtxid).collect();
    let result = |entry: &Entry| TransactionResult::Valid {
        size: entry.size,
        fee: entry.fee,
        effective_fee,
        effective_size,
        effective_includes: effective_includes.clone(),
    };
    entries.iter().map(|entry| (entry.wtxid, result(entry))).collect()
}

/// The result of one that passed alone.
pub(crate) fn valid_alone(entry: &Entry) -> TransactionResult {
    TransactionResult::Valid {
        size: entry.size,
        fee: entry.fee,
        effective_fee: entry.fee,
        effective_size: entry.size,
        effective_includes: vec![entry.wtxid],
    }
}

/// Checks what a package must be before any coin is looked at.
fn check_shape(package: &[Transaction]) -> Result<(), Reject> {
    let refuse = |reason| Err(Reject::rule(reason, ""));
    if package.len() > PACKAGE_TRANSACTIONS_MAX {
        return refuse("package-too-many-transactions");
    }
    let weight: u64 = package.iter().map(|transaction| transaction.weight().to_wu()).sum();
    if package.len() > 1 && weight > PACKAGE_WEIGHT_MAX {
        return refuse("package-too-large");
    }
    let mut later: BTreeSet<Txid> = package.iter().map(Transaction::compute_txid).collect();
    if later.len() != package.len() {
        return refuse("package-contains-duplicates");
    }
    let mut spent = BTreeSet::new();
    for transaction in package {
        if transaction.input.iter().any(|input| later.contains(&input.previous_output.txid)) {
            return refuse("package-not-sorted");
        }
        later.remove(&transaction.compute_txid());
    }
    for transaction in package {
        if transaction.input.iter().any(|input| spent.contains(&input.previous_output)) {
            return refuse("conflict-in-package");
        }
        spent.extend(transaction.input.iter().map(|input| input.previous_output));
    }
    Ok(())
}

/// True if all but the last are parents of the last and none of each other.
pub(crate) fn is_child_with_parents(package: &[Transaction]) -> bool {
    let Some((child, parents)) = package.split_last() else { return false };
    let ids: BTreeSet<Txid> = parents.iter().map(Transaction::compute_txid).collect();
    let spends = |transaction: &Transaction, txid: &Txid| {
        transaction.input.iter().any(|input| input.previous_output.txid == *txid)
    };
    ids.iter().all(|txid| spends(child, txid))
        && parents.iter().all(|parent| !ids.iter().any(|txid| spends(parent, txid)))
}

/// Decides about transactions that come together.
///
/// # Errors
/// The outcome to report, if not all may enter.
fn admit_together(
    scene: Scene<'_>,
    admission: Admission,
    cap: FeeCap,
) -> Result<Plan, Box<PackageOutcome>> {
    let blame = |wtxid: Wtxid, message: &'static str, reject: Reject| {
        let mut outcome = PackageOutcome::bare(PackageState::TransactionFailed(message));
        outcome.results.insert(wtxid, TransactionResult::Invalid(reject));
        Box::new(outcome)
    };
    let broken = |reject| Box::new(PackageOutcome::bare(PackageState::PolicyBroken(reject)));
    check_shape(scene.package).map_err(broken)?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for (transaction, before) in scene.package.iter().zip(0_usize..) {
        let parents = scene.package.get(..before).unwrap_or_default();
        let candidate = examine(Scene { package: parents, ..scene }, transaction, admission)
            .and_then(|candidate| check_cap(&candidate.entry, cap).map(|()| candidate))
            .map_err(|reject| blame(transaction.compute_wtxid(), TRANSACTION_FAILED, reject))?;
        candidates.push(candidate);
    }
    for candidate in &candidates {
        check_truc_in_package(scene.mempool, candidate, scene.package)
            .map_err(|fault| broken(Reject::rule("TRUC-violation", fault.details)))?;
    }
    let mut remove = BTreeSet::new();
    if admission == Admission::InPackage {
        let fee = candidates.iter().map(|candidate| candidate.entry.fee).sum();
        let size = VBytes(candidates.iter().map(|candidate| candidate.entry.size.0).sum());
        if let (Err(reject), Some(last)) = (check_relay_fee(fee, size), candidates.last()) {
            return Err(blame(last.entry.wtxid, TRANSACTION_FAILED, reject));
        }
        if candidates.iter().any(|candidate| !candidate.conflicts.is_empty()) {
            remove = check_package_replacement(scene.mempool, &candidates).map_err(broken)?;
        }
    }
    check_cluster(scene.mempool, &candidates, &remove).map_err(broken)?;
    for transaction in scene.package {
        check_ephemeral_spends(scene, transaction)
            .map_err(|reject| blame(transaction.compute_wtxid(), "unspent-dust", reject))?;
    }
    for candidate in &candidates {
        script_check::check_scripts(&candidate.entry.transaction, &candidate.coins)
            .map_err(|reject| blame(candidate.entry.wtxid, TRANSACTION_FAILED, reject))?;
    }
    Ok(Plan { add: candidates.into_iter().map(|candidate| candidate.entry).collect(), remove })
}

/// Tells whether transactions would enter together, each paying for itself; changes nothing.
pub(crate) fn rehearse(scene: Scene<'_>) -> PackageOutcome {
    match admit_together(scene, Admission::Rehearsal, FeeCap::None) {
        Ok(plan) => {
            let results = plan.add.iter().map(|entry| (entry.wtxid, valid_alone(entry)));
            let results = results.collect();
            PackageOutcome { results, ..PackageOutcome::bare(PackageState::Success) }
        }
        Err(outcome) => *outcome,
    }
}

/// Lets a package in as far as it passes.
pub(crate) fn submit(
    chain: &Chain,
    mempool: &mut Mempool,
    package: &[Transaction],
    now_s: u64,
    cap: FeeCap,
) -> PackageOutcome {
    if let Err(reject) = check_shape(package) {
        return PackageOutcome::bare(PackageState::PolicyBroken(reject));
    }
    let mut outcome = PackageOutcome::bare(PackageState::Success);
    let mut failed_alone: BTreeMap<Wtxid, Reject> = BTreeMap::new();
    let mut together: Vec<Transaction> = Vec::new();
    for transaction in package {
        let wtxid = transaction.compute_wtxid();
        if let Some(waiting) = mempool.entry(&transaction.compute_txid()) {
            let result = if waiting.wtxid == wtxid {
                TransactionResult::AlreadyWaiting { size: waiting.size, fee: waiting.fee }
            } else {
                TransactionResult::OtherWitness { wtxid: waiting.wtxid }
            };
            outcome.results.insert(wtxid, result);
            continue;
        }
        let scene = Scene { chain, mempool, package: &[], now_s };
        match admit(scene, transaction, Admission::Alone, cap) {
            Ok(plan) => {
                outcome.results.extend(valid_together(&plan.add));
                outcome.replaced.extend(plan.remove.iter().copied());
                mempool.carry_out(plan);
            }
            Err(reject) => {
                match reject.kind {
                    RejectKind::Fee | RejectKind::MissingInputs if package.len() > 1 => {
                        together.push(transaction.clone());
                    }
                    RejectKind::Fee | RejectKind::MissingInputs | RejectKind::Rule => {
                        outcome.state = PackageState::TransactionFailed(TRANSACTION_FAILED);
                    }
                }
                failed_alone.insert(wtxid, reject);
            }
        }
    }
    if outcome.state == PackageState::Success {
        match together.len() {
            0 => {}
            1 => outcome.state = PackageState::TransactionFailed(TRANSACTION_FAILED),
            _ => submit_together(chain, mempool, &together, now_s, cap, &mut outcome),
        }
    }
    for (wtxid, reject) in failed_alone {
        outcome.results.entry(wtxid).or_insert(TransactionResult::Invalid(reject));
    }
    outcome
}

/// Tries what failed alone together, and adds what became of it.
fn submit_together(
    chain: &Chain,
    mempool: &mut Mempool,
    together: &[Transaction],
    now_s: u64,
    cap: FeeCap,
    outcome: &mut PackageOutcome,
) {
    let scene = Scene { chain, mempool, package: together, now_s };
    match admit_together(scene, Admission::InPackage, cap) {
        Ok(plan) => {
            outcome.results.extend(valid_together(&plan.add));
            outcome.replaced.extend(plan.remove.iter().copied());
            mempool.carry_out(plan);
        }
        Err(failed) => {
            outcome.state = failed.state;
            outcome.results.extend(failed.results);
        }
    }
}
