//! In what order waiting transactions would be mined, and which of two sets of them a miner would rather have.
//!
//! A cluster is cut into chunks: groups that are mined together because each pays more per byte with the ones it
//! depends on than alone. The order is found by taking, again and again, the set of ancestors that pays best;
//! for the small clusters of version 3 this is the best order there is.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bitcoin::Txid;

use super::Entry;

/// Transactions that are mined together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Their ids, parents first.
    pub(crate) txids: Vec<Txid>,
    /// Their fees together, in satoshis.
    pub(crate) fee_sat: u64,
    /// Their size together, in virtual bytes.
    pub(crate) size_vbytes: u64,
}

impl Chunk {
    /// Compares fee rates without rounding.
    pub(crate) fn cmp_rate(&self, other: &Self) -> Ordering {
        let ours = u128::from(self.fee_sat).saturating_mul(u128::from(other.size_vbytes));
        let theirs = u128::from(other.fee_sat).saturating_mul(u128::from(self.size_vbytes));
        ours.cmp(&theirs)
    }

    /// Appends what comes after.
    fn absorb(&mut self, next: Self) {
        self.txids.extend(next.txids);
        self.fee_sat = self.fee_sat.saturating_add(next.fee_sat);
        self.size_vbytes = self.size_vbytes.saturating_add(next.size_vbytes);
    }
}

/// Cuts transactions into chunks, best paying first; parents never come after children.
///
/// Entries outside the set do not count as parents.
pub(crate) fn chunks<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Chunk> {
    let mut left: BTreeMap<Txid, &Entry> =
        entries.into_iter().map(|entry| (entry.txid, entry)).collect();
    let mut cut: Vec<Chunk> = Vec::new();
    while let Some(best) = best_ancestor_set(&left) {
        for txid in &best.txids {
            left.remove(txid);
        }
        cut.push(best);
        // A group that pays better than the one before belongs to it: it cannot be mined without.
        while let [.., before, last] = cut.as_slice()
            && last.cmp_rate(before) == Ordering::Greater
            && let Some(last) = cut.pop()
            && let Some(before) = cut.last_mut()
        {
            before.absorb(last);
        }
    }
    cut
}

/// Of each transaction with all its ancestors, the set that pays best; ties go to the smaller, then to the lower id.
fn best_ancestor_set(left: &BTreeMap<Txid, &Entry>) -> Option<Chunk> {
    let sets = left.keys().map(|txid| ancestor_set(left, *txid));
    sets.max_by(|a, b| {
        a.cmp_rate(b).then(b.size_vbytes.cmp(&a.size_vbytes)).then(b.txids.cmp(&a.txids))
    })
}

/// A transaction and its ancestors within the set, parents first.
fn ancestor_set(left: &BTreeMap<Txid, &Entry>, txid: Txid) -> Chunk {
    let mut chunk = Chunk { txids: Vec::new(), fee_sat: 0, size_vbytes: 0 };
    let mut seen = BTreeSet::new();
    let mut open = vec![(txid, Visit::Enter)];
    while let Some((txid, visit)) = open.pop() {
        let Some(entry) = left.get(&txid) else { continue };
        match visit {
            Visit::Enter if seen.insert(txid) => {
                open.push((txid, Visit::Leave));
                let parents = entry.transaction.input.iter();
                open.extend(parents.map(|input| (input.previous_output.txid, Visit::Enter)));
            }
            Visit::Enter => {}
            Visit::Leave => {
                chunk.txids.push(txid);
                chunk.fee_sat = chunk.fee_sat.saturating_add(entry.fee.to_sat());
                chunk.size_vbytes = chunk.size_vbytes.saturating_add(entry.size.0);
            }
        }
    }
    chunk
}

/// A step of the depth-first walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// Parents are still to be walked.
    Enter,
    /// All parents have been listed.
    Leave,
}

/// True if a miner earns more from `new` than from `old` at some block size and less at none.
pub(super) fn improves(new: &[Chunk], old: &[Chunk]) -> bool {
    let sizes = corner_sizes(new).chain(corner_sizes(old)).collect::<BTreeSet<u64>>();
    let mut is_better = false;
    for size in sizes {
        match earned(new, size).cmp(&earned(old, size)) {
            Ordering::Less => return false,
            Ordering::Greater => is_better = true,
            Ordering::Equal => {}
        }
    }
    is_better
}

/// The sizes at which the earnings bend.
fn corner_sizes(chunks: &[Chunk]) -> impl Iterator<Item = u64> + '_ {
    chunks.iter().scan(0_u64, |total, chunk| {
        *total = total.saturating_add(chunk.size_vbytes);
        Some(*total)
    })
}

/// What the first `size` virtual bytes earn, as a fraction (numerator, denominator) compared by cross product.
fn earned(chunks: &[Chunk], size: u64) -> Earned {
    let mut left = size;
    let mut whole_sat = 0_u64;
    for chunk in chunks {
        if chunk.size_vbytes > left {
            let part = u128::from(chunk.fee_sat).saturating_mul(u128::from(left));
            return Earned { whole_sat, part, per: u128::from(chunk.size_vbytes) };
        }
        left = left.saturating_sub(chunk.size_vbytes);
        whole_sat = whole_sat.saturating_add(chunk.fee_sat);
    }
    Earned { whole_sat, part: 0, per: 1 }
}

/// Satoshis: `whole_sat + part / per`.
struct Earned {
    whole_sat: u64,
    part: u128,
    per: u128,
}

impl Earned {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.per.saturating_mul(other.per);
        let value = |earned: &Self, per: u128| {
            let whole = u128::from(earned.whole_sat).saturating_mul(scale);
            whole.saturating_add(earned.part.saturating_mul(per))
        };
        value(self, other.per).cmp(&value(other, self.per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(fee_sat: u64, size_vbytes: u64) -> Chunk {
        Chunk { txids: Vec::new(), fee_sat, size_vbytes }
    }

    #[test]
    fn more_fee_for_less_space_is_better_and_a_trade_is_not() {
        let check = |new: &[(u64, u64)], old: &[(u64, u64)], expect| {
            let build = |list: &[(u64, u64)]| {
                list.iter().map(|(fee, size)| chunk(*fee, *size)).collect::<Vec<_>>()
            };
            assert_eq!(improves(&build(new), &build(old)), expect, "{new:?} {old:?}");
        };
        check(&[(200, 100)], &[(100, 100)], true);
        check(&[(100, 100)], &[(100, 100)], false);
        check(&[(300, 300)], &[(200, 100)], false);
        check(&[(300, 100), (10, 100)], &[(200, 100)], true);
        check(&[(250, 200)], &[(200, 100), (10, 100)], false);
        check(&[(1, 100)], &[], true);
    }
}
