//! What a claim should pay: what is usual, more as its deadline nears, and never more than it is worth.

use strait_primitives::{BlockHeight, FeeRate, Sats, VBytes};

use crate::limits::{
    BUDGET_DIVISOR, DOUBLINGS, OUTPUT_LEAST, REPLACEMENT_PART, REPLACEMENT_STEP, RISE_BLOCKS_MAX,
};
use crate::prospect::Deadline;

/// How often the usual rate is doubled at this tip: not at all while there is time, [`DOUBLINGS`] times when there is
/// none.
pub(crate) fn doublings(deadline: Deadline, tip: BlockHeight) -> u32 {
    let rise = RISE_BLOCKS_MAX.to_u32().min(deadline.window.to_u32() / 2).max(1);
    let left = deadline.at.to_u32().saturating_sub(tip.to_u32()).min(rise);
    DOUBLINGS * (rise - left) / rise
}

/// What a claim may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// Half of what it saves.
    Half,
    /// All of it: what this node does not get, a thief would.
    All,
}

impl Budget {
    fn of(self, value: Sats) -> Sats {
        match self {
            Self::Half => Sats::new(value.to_sat() / BUDGET_DIVISOR).unwrap_or(value),
            Self::All => value.saturating_sub(OUTPUT_LEAST),
        }
    }
}

/// A transaction as far as its fee goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Burden {
    /// What it saves.
    pub(crate) value: Sats,
    /// What it takes.
    pub(crate) size: VBytes,
    /// What it may cost.
    pub(crate) budget: Budget,
}

/// The usual rate doubled so often, unless that would cost more than the budget: then what the budget gives, and the
/// usual rate at least.
pub(crate) fn hurried(usual: FeeRate, doublings: u32, burden: Burden) -> FeeRate {
    let rate = usual.to_sat_per_kvb().saturating_mul(1 << doublings.min(DOUBLINGS));
    FeeRate::from_sat_per_kvb(rate).min(bearable(usual, burden))
}

/// The highest rate that a transaction may ever pay. The usual rate is not hurry, so no budget bounds it; what costs
/// more than it saves at that rate is not built at all.
pub(crate) fn bearable(usual: FeeRate, burden: Burden) -> FeeRate {
    let budget = u128::from(burden.budget.of(burden.value).to_sat()) * 1_000;
    let rate = budget / u128::from(burden.size.0.max(1));
    usual.max(FeeRate::from_sat_per_kvb(u64::try_from(rate).unwrap_or(u64::MAX)))
}

/// Twice the rate: what is tried next when the deadline is over and a rival may come any block.
pub(crate) const fn doubled(rate: FeeRate) -> FeeRate {
    FeeRate::from_sat_per_kvb(rate.to_sat_per_kvb().saturating_mul(2))
}

/// The lowest rate at which a transaction of this size pays more than `fee`, and enough for its own relay beside.
pub(crate) fn outbidding(fee: Sats, size: VBytes) -> FeeRate {
    let least = u128::from(fee.to_sat()) + u128::from(REPLACEMENT_STEP.fee(size).to_sat());
    let rate = (least * 1_000).div_ceil(u128::from(size.0.max(1)));
    FeeRate::from_sat_per_kvb(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// The rate that replaces this one, or nothing if the one wanted is not enough above it to be worth a replacement.
pub(crate) fn raised(last: FeeRate, wanted: FeeRate) -> Option<FeeRate> {
    let part = last.to_sat_per_kvb() / REPLACEMENT_PART;
    let least = last.to_sat_per_kvb().saturating_add(part.max(REPLACEMENT_STEP.to_sat_per_kvb()));
    (wanted.to_sat_per_kvb() >= least).then_some(wanted)
}

/// The lowest rate at which nodes take another transaction in the place of one at this rate.
pub(crate) fn replacing(last: FeeRate) -> FeeRate {
    let step = REPLACEMENT_STEP.to_sat_per_kvb();
    FeeRate::from_sat_per_kvb(last.to_sat_per_kvb().saturating_add(step))
}

#[cfg(test)]
mod tests {
    use strait_primitives::BlockDelta;

    use super::*;

    const USUAL: FeeRate = FeeRate::from_sat_per_kvb(2_000);

    #[test]
    fn a_fee_doubles_six_times_in_the_last_eighteen_blocks_or_half_a_short_window() {
        let check = |window, tip, expected| {
            let at = BlockHeight::new(1_000);
            let deadline = Deadline { at, window: BlockDelta::new(window) };
            assert_eq!(doublings(deadline, BlockHeight::new(tip)), expected, "{window} {tip}");
        };
        check(144, 900, 0);
        check(144, 982, 0);
        check(144, 985, 1);
        check(144, 991, 3);
        check(144, 999, 5);
        check(144, 1_000, 6);
        check(144, 2_000, 6);
        check(6, 996, 0);
        check(6, 998, 2);
        check(0, 999, 0);
        check(0, 1_000, 6);
    }

    #[test]
    fn a_hurried_claim_costs_half_its_value_at_most_but_never_less_than_usual() {
        let check = |value, doublings, budget, expected| {
            let burden = Burden { value: Sats::from_const(value), size: VBytes(200), budget };
            assert_eq!(hurried(USUAL, doublings, burden).to_sat_per_kvb(), expected);
        };
        check(1_000_000, 0, Budget::Half, 2_000);
        check(1_000_000, 6, Budget::Half, 128_000);
        check(8_000, 6, Budget::Half, 20_000);
        check(8_354, 6, Budget::All, 40_000);
        check(500, 6, Budget::Half, 2_000);
        check(300, 6, Budget::All, 2_000);
    }

    #[test]
    fn what_outbids_a_fee_pays_more_than_it_whatever_the_sizes() {
        for (fee, size) in [(0, 100), (1, 1), (12_800, 170), (999_999, 25_000), (354, 0)] {
            let (fee, size) = (Sats::from_const(fee), VBytes(size));
            let rate = outbidding(fee, size);
            assert!(
                size.0 == 0
                    || rate.fee(size) >= fee.checked_add(FeeRate::RELAY_FLOOR.fee(size)).unwrap()
            );
        }
    }

    #[test]
    fn a_fee_rises_by_a_quarter_and_a_step_or_stays() {
        let check = |last, wanted, expected: Option<u64>| {
            let rate = raised(FeeRate::from_sat_per_kvb(last), FeeRate::from_sat_per_kvb(wanted));
            assert_eq!(rate.map(FeeRate::to_sat_per_kvb), expected);
        };
        check(1_000, 1_999, None);
        check(1_000, 2_000, Some(2_000));
        check(10_000, 12_499, None);
        check(10_000, 12_500, Some(12_500));
        check(10_000, 9_000, None);
        check(u64::MAX, u64::MAX, Some(u64::MAX));
    }
}
