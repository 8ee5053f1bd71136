//! What a claim should pay: what is usual, more as its deadline nears, and never more than it is worth.

use strait_primitives::{BlockHeight, FeeRate, Sats, VBytes};

use crate::limits::{
    BUDGET_DIVISOR, DOUBLINGS, REPLACEMENT_PART, REPLACEMENT_STEP, RISE_BLOCKS_MAX,
};
use crate::prospect::Deadline;

/// How often the usual rate is doubled at this tip: not at all while there is time, [`DOUBLINGS`] times when there is
/// none.
pub(crate) fn doublings(deadline: Deadline, tip: BlockHeight) -> u32 {
    let rise = RISE_BLOCKS_MAX.to_u32().min(deadline.window.to_u32() / 2).max(1);
    let left = deadline.at.to_u32().saturating_sub(tip.to_u32()).min(rise);
    DOUBLINGS * (rise - left) / rise
}

/// The usual rate doubled so often, unless that would cost more than the budget: then what the budget gives, and the
/// usual rate at least.
pub(crate) fn hurried(usual: FeeRate, doublings: u32, value: Sats, size: VBytes) -> FeeRate {
    let rate = usual.to_sat_per_kvb().saturating_mul(1 << doublings.min(DOUBLINGS));
    FeeRate::from_sat_per_kvb(rate).min(bearable(usual, value, size))
}

/// The highest rate that a claim of this value and size may ever pay.
pub(crate) fn bearable(usual: FeeRate, value: Sats, size: VBytes) -> FeeRate {
    let budget = u128::from(value.to_sat() / BUDGET_DIVISOR) * 1_000;
    let rate = budget / u128::from(size.0.max(1));
    usual.max(FeeRate::from_sat_per_kvb(u64::try_from(rate).unwrap_or(u64::MAX)))
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
        let check = |value, doublings, expected| {
            let rate = hurried(USUAL, doublings, Sats::from_const(value), VBytes(200));
            assert_eq!(rate.to_sat_per_kvb(), expected);
        };
        check(1_000_000, 0, 2_000);
        check(1_000_000, 6, 128_000);
        check(8_000, 6, 20_000);
        check(500, 6, 2_000);
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
