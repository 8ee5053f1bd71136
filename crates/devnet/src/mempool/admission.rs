//! Whether one transaction may wait in the mempool.
//!
//! The order of the checks is Bitcoin Core's, so that a transaction with several faults is refused for the same one.

use std::collections::BTreeSet;

use bitcoin::{Amount, OutPoint, Transaction, Txid};
use strait_primitives::{FeeRate, VBytes};

use super::replacement::check_replacement;
use super::truc::{TrucFault, check_truc};
use super::{Entry, Mempool, Plan};
use crate::chain::Chain;
use crate::coin::{Coin, CoinOrigin};
use crate::limits::{
    BYTES_PER_SIGOP, CLUSTER_SIZE_MAX, CLUSTER_TRANSACTIONS_MAX, RELAY_FEE_RATE_MIN,
    STANDARD_SIGOPS_COST_MAX,
};
use crate::reject::Reject;
use crate::{consensus, locks, script_check, standard};

/// In what circumstances a transaction asks to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Alone: every rule holds, and it may replace what it conflicts with.
    Alone,
    /// With others whose fees count together.
    InPackage,
    /// With others, to see whether each would pass: nothing may be replaced, each pays for itself.
    Rehearsal,
    /// From a block that left the best chain: fees and relay topology do not matter.
    Reorganisation,
}

/// Whether a transaction is let in by someone else's limit on fees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeeCap {
    /// Any fee.
    None,
    /// Not above this rate.
    Rate(FeeRate),
}

/// Everything a decision looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The chain the next block extends.
    pub(crate) chain: &'a Chain,
    /// The waiting transactions.
    pub(crate) mempool: &'a Mempool,
    /// Transactions that come along, parents first.
    pub(crate) package: &'a [Transaction],
    /// Now, in seconds since 1970.
    pub(crate) now_s: u64,
}

impl Scene<'_> {
    /// The coins a transaction spends, in order of its inputs; `None` if any does not exist.
    pub(crate) fn coins_of(&self, transaction: &Transaction) -> Option<Vec<Coin>> {
        transaction.input.iter().map(|input| self.coin(&input.previous_output)).collect()
    }

    /// The coin, confirmed or not; whether a waiting transaction spends it is another question.
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        if let Some(coin) = self.chain.coin(outpoint) {
            return Some(coin.clone());
        }
        let waiting = self.mempool.entry(&outpoint.txid).map(|entry| &entry.transaction);
        let along = || self.package.iter().find(|parent| parent.compute_txid() == outpoint.txid);
        let parent = waiting.or_else(along)?;
        let output = parent.output.get(usize::try_from(outpoint.vout).ok()?)?;
        Some(Coin { output: output.clone(), origin: CoinOrigin::Mempool })
    }
}

/// A transaction that passed the checks on itself.
#[derive(Debug)]
pub(super) struct Candidate {
    /// What would be stored.
    pub(super) entry: Entry,
    /// The coins it spends, in order of its inputs.
    pub(super) coins: Vec<Coin>,
    /// Entries that spend the same outputs, or a sibling to be evicted.
    pub(super) conflicts: BTreeSet<Txid>,
    /// Entries it depends on.
    pub(super) parents: BTreeSet<Txid>,
    /// Whether a conflict is a sibling rather than a double spend.
    pub(super) evicts_sibling: bool,
}

/// Decides about one transaction alone.
///
/// # Errors
/// [`Reject`] with the first rule that it breaks.
pub(crate) fn admit(
    scene: Scene<'_>,
    transaction: &Transaction,
    admission: Admission,
    cap: FeeCap,
) -> Result<Plan, Reject> {
    let candidate = examine(scene, transaction, admission)?;
    let mut remove = BTreeSet::new();
    if !candidate.conflicts.is_empty() {
        remove = check_replacement(scene.mempool, &candidate)?;
    }
    check_cluster(scene.mempool, std::slice::from_ref(&candidate), &remove)?;
    check_cap(&candidate.entry, cap)?;
    if admission != Admission::Reorganisation {
        check_ephemeral_spends(scene, transaction)?;
    }
    script_check::check_scripts(transaction, &candidate.coins)?;
    Ok(Plan { add: vec![candidate.entry], remove })
}

/// Checks a transaction on itself: everything but replacement, package fees and scripts.
pub(super) fn examine(
    scene: Scene<'_>,
    transaction: &Transaction,
    admission: Admission,
) -> Result<Candidate, Reject> {
    consensus::check_transaction(transaction)?;
    standard::check_standard(transaction)?;
    locks::check_absolute(transaction, scene.chain)?;
    let txid = transaction.compute_txid();
    check_new(scene.mempool, transaction, txid)?;
    let conflicts = direct_conflicts(scene.mempool, transaction);
    if admission == Admission::Rehearsal && !conflicts.is_empty() {
        return Err(Reject::rule("bip125-replacement-disallowed", ""));
    }
    let coins = find_coins(scene, transaction, txid)?;
    locks::check_relative(transaction, &coins, scene.chain)?;
    let next_height = scene.chain.height().saturating_add(1);
    let fee = consensus::check_value(transaction, &coins, next_height)?;
    standard::check_standard_inputs(transaction, &coins)?;
    let entry = entry_of(scene, transaction, &coins, fee);
    if fee > Amount::ZERO && standard::has_dust(transaction) {
        return Err(Reject::rule("dust", "tx with dust output must be 0-fee"));
    }
    if entry.sigops_cost > STANDARD_SIGOPS_COST_MAX {
        return Err(Reject::rule("bad-txns-too-many-sigops", entry.sigops_cost.to_string()));
    }
    match admission {
        Admission::Alone | Admission::Rehearsal => check_relay_fee(fee, entry.size)?,
        Admission::InPackage | Admission::Reorganisation => {}
    }
    let parents = scene.mempool.parents_of(transaction);
    let candidate = Candidate { entry, coins, conflicts, parents, evicts_sibling: false };
    match admission {
        Admission::Reorganisation => Ok(candidate),
        Admission::Alone | Admission::InPackage | Admission::Rehearsal => {
            with_truc_rules(scene.mempool, candidate, admission)
        }
    }
}

/// Applies the version-3 rules; a lone transaction may evict its sibling instead of failing.
fn with_truc_rules(
    mempool: &Mempool,
    mut candidate: Candidate,
    admission: Admission,
) -> Result<Candidate, Reject> {
    match check_truc(mempool, &candidate) {
        Ok(()) => Ok(candidate),
        Err(TrucFault { sibling: Some(sibling), .. }) if admission == Admission::Alone => {
            candidate.conflicts.insert(sibling);
            candidate.evicts_sibling = true;
            Ok(candidate)
        }
        Err(fault) => Err(Reject::rule("TRUC-violation", fault.details)),
    }
}

/// Refuses what is already there.
fn check_new(mempool: &Mempool, transaction: &Transaction, txid: Txid) -> Result<(), Reject> {
    match mempool.entry(&txid) {
        None => Ok(()),
        Some(entry) if entry.wtxid == transaction.compute_wtxid() => {
            Err(Reject::rule("txn-already-in-mempool", ""))
        }
        Some(_) => Err(Reject::rule("txn-same-nonwitness-data-in-mempool", "")),
    }
}

/// The entries that spend the same outputs.
fn direct_conflicts(mempool: &Mempool, transaction: &Transaction) -> BTreeSet<Txid> {
    let spenders = transaction.input.iter().map(|input| mempool.spender(&input.previous_output));
    spenders.flatten().map(|entry| entry.txid).collect()
}

/// The coins a transaction spends, in order of its inputs.
fn find_coins(
    scene: Scene<'_>,
    transaction: &Transaction,
    txid: Txid,
) -> Result<Vec<Coin>, Reject> {
    if let Some(coins) = scene.coins_of(transaction) {
        return Ok(coins);
    }
    let outputs = (0_u32..).zip(&transaction.output);
    let is_confirmed =
        outputs.into_iter().any(|(vout, _)| scene.chain.coin(&OutPoint { txid, vout }).is_some());
    if is_confirmed {
        return Err(Reject::rule("txn-already-known", ""));
    }
    Err(Reject::missing_inputs())
}

/// Checks a transaction for a block that holds `before`: consensus alone, no policy. Returns its fee.
///
/// # Errors
/// [`Reject`] if the next block may not hold it there, with the names that rules have for blocks.
pub(crate) fn check_for_block(
    chain: &Chain,
    transaction: &Transaction,
    before: &[Transaction],
) -> Result<Amount, Reject> {
    let txid = transaction.compute_txid();
    let missing = || Reject {
        details: format!("CheckTxInputs: inputs missing/spent in transaction {txid}"),
        ..Reject::missing_inputs()
    };
    consensus::check_transaction(transaction)?;
    locks::check_absolute(transaction, chain)
        .map_err(|_| Reject::rule("bad-txns-nonfinal", "non-final transaction"))?;
    let taken: BTreeSet<OutPoint> =
        before.iter().flat_map(|other| &other.input).map(|input| input.previous_output).collect();
    if transaction.input.iter().any(|input| taken.contains(&input.previous_output)) {
        return Err(missing());
    }
    let nothing_waits = Mempool::default();
    let scene = Scene { chain, mempool: &nothing_waits, package: before, now_s: 0 };
    let coins = scene.coins_of(transaction).ok_or_else(missing)?;
    let next_height = chain.height().saturating_add(1);
    let fee = consensus::check_value(transaction, &coins, next_height).map_err(|reject| {
        let details = format!("{} in transaction {txid}", reject.details);
        Reject { details, ..reject }
    })?;
    locks::check_relative(transaction, &coins, chain).map_err(|_| {
        let details = format!("contains a non-BIP68-final transaction {txid}");
        Reject::rule("bad-txns-nonfinal", details)
    })?;
    script_check::check_scripts(transaction, &coins)
        .map_err(|reject| Reject { reason: "block-script-verify-flag-failed", ..reject })?;
    Ok(fee)
}

/// What would be stored.
fn entry_of(scene: Scene<'_>, transaction: &Transaction, coins: &[Coin], fee: Amount) -> Entry {
    let spent = transaction.input.iter().zip(coins);
    let spent: std::collections::BTreeMap<_, _> =
        spent.map(|(input, coin)| (input.previous_output, coin.output.clone())).collect();
    let sigops = transaction.total_sigop_cost(|outpoint| spent.get(outpoint).cloned());
    let sigops_cost = u64::try_from(sigops).expect("a standard transaction has few operations");
    let weight = transaction.weight().to_wu().max(sigops_cost.saturating_mul(BYTES_PER_SIGOP));
    Entry {
        transaction: transaction.clone(),
        txid: transaction.compute_txid(),
        wtxid: transaction.compute_wtxid(),
        fee,
        size: VBytes(weight.div_ceil(4)),
        sigops_cost,
        entered_s: scene.now_s,
        entered_height: scene.chain.height(),
    }
}

/// Refuses a fee below what nodes relay.
pub(super) fn check_relay_fee(fee: Amount, size: VBytes) -> Result<(), Reject> {
    let least = RELAY_FEE_RATE_MIN.fee(size).to_sat();
    if fee.to_sat() >= least {
        return Ok(());
    }
    Err(Reject::fee("min relay fee not met", format!("{} < {least}", fee.to_sat())))
}

/// Refuses a fee above what the caller says it meant.
pub(super) fn check_cap(entry: &Entry, cap: FeeCap) -> Result<(), Reject> {
    match cap {
        FeeCap::Rate(rate) if entry.fee.to_sat() > rate.fee(entry.size).to_sat() => {
            Err(Reject::rule("max feerate exceeded", ""))
        }
        FeeCap::None | FeeCap::Rate(_) => Ok(()),
    }
}

/// Refuses what would connect too many waiting transactions.
pub(super) fn check_cluster(
    mempool: &Mempool,
    candidates: &[Candidate],
    remove: &BTreeSet<Txid>,
) -> Result<(), Reject> {
    let parents = candidates.iter().flat_map(|candidate| &candidate.parents).copied();
    let cluster = mempool.cluster_of(parents);
    let kept: Vec<&Entry> = cluster
        .iter()
        .filter(|txid| !remove.contains(*txid))
        .filter_map(|txid| mempool.entry(txid))
        .collect();
    let size = kept.iter().copied().chain(candidates.iter().map(|candidate| &candidate.entry));
    let size = size.map(|entry| entry.size.0).fold(0_u64, u64::saturating_add);
    let count = kept.len().saturating_add(candidates.len());
    if count > CLUSTER_TRANSACTIONS_MAX || size > CLUSTER_SIZE_MAX.0 {
        return Err(Reject::rule("too-large-cluster", ""));
    }
    Ok(())
}

/// Refuses a child that leaves an unconfirmed parent's dust behind.
pub(super) fn check_ephemeral_spends(
    scene: Scene<'_>,
    transaction: &Transaction,
) -> Result<(), Reject> {
    let spent: BTreeSet<OutPoint> =
        transaction.input.iter().map(|input| input.previous_output).collect();
    let parents: BTreeSet<Txid> = spent.iter().map(|outpoint| outpoint.txid).collect();
    for txid in parents {
        let along = scene.package.iter().find(|parent| parent.compute_txid() == txid);
        let waiting = || scene.mempool.entry(&txid).map(|entry| &entry.transaction);
        let Some(parent) = along.or_else(waiting) else { continue };
        let mut dust =
            (0_u32..).zip(&parent.output).filter(|(_, output)| standard::is_dust(output));
        if dust.any(|(vout, _)| !spent.contains(&OutPoint { txid, vout })) {
            let (child, wtxid) = (transaction.compute_txid(), transaction.compute_wtxid());
            let details =
                format!("tx {child} (wtxid={wtxid}) did not spend parent's ephemeral dust");
            return Err(Reject::rule("missing-ephemeral-spends", details));
        }
    }
    Ok(())
}
