//! The payments: one to begin with, most in batches with many in flight, some one at a time.
//!
//! The rate is that of the batches, the latencies are those of the payments that each wait for the one before. Both kinds
//! answer when they are irrevocable, which includes an fsync on either side. Nine in ten go from alice to bob, one in
//! ten comes back.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::error::Trouble;
use super::node::Node;
use super::progress::Meter;

/// Payments in one request.
pub(super) const BATCH: u32 = 1_024;
/// Requests in flight, for each direction.
pub(super) const IN_FLIGHT: usize = 8;
/// Payments that each wait for the one before, at most.
const SINGLES_MAX: u64 = 500;
/// One payment in so many comes back from bob.
const BACK_EVERY: u64 = 10;
/// What a payment moves, unless so many payments are wanted that the channel would run dry.
const AMOUNT_MSAT_MAX: u64 = 1_000;

/// How many payments go which way, and how large they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// The first payment, from alice: gives bob his reserve and something to pay back with.
    pub(super) first_msat: u64,
    /// Every other payment.
    pub(super) amount_msat: u64,
    /// In batches from alice.
    pub(super) many_there: u64,
    /// In batches from bob.
    pub(super) many_back: u64,
    /// One at a time, in both directions.
    pub(super) singles: u64,
}

impl Plan {
    /// Divides so many payments over a channel in which alice can spend so much. Needs at least 10.
    pub(super) fn new(payments: u64, spendable_msat: u64) -> Self {
        let rest = payments.saturating_sub(1);
        let singles = SINGLES_MAX.min(rest / 2);
        let many = rest.saturating_sub(singles);
        let many_back = many / BACK_EVERY;
        let quarter_msat = spendable_msat / 4;
        let fitting_msat = quarter_msat.checked_div(payments).unwrap_or(0);
        Self {
            first_msat: quarter_msat,
            amount_msat: fitting_msat.clamp(1, AMOUNT_MSAT_MAX),
            many_there: many.saturating_sub(many_back),
            many_back,
            singles,
        }
    }

    /// All payments in batches.
    pub(super) const fn many(&self) -> u64 {
        self.many_there.saturating_add(self.many_back)
    }

    /// Payments one at a time that come from bob.
    pub(super) const fn singles_back(&self) -> u64 {
        self.singles / BACK_EVERY
    }

    /// What bob has more, and alice less, when all is paid.
    pub(super) fn moved_msat(&self) -> Option<u64> {
        let back = self.many_back.checked_add(self.singles_back())?;
        let there = self.many().checked_add(self.singles)?.checked_sub(back)?;
        let net = there.checked_sub(back)?;
        net.checked_mul(self.amount_msat)?.checked_add(self.first_msat)
    }
}

/// The two ends of a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends<'a> {
    /// Who opened it.
    pub(super) alice: &'a Node,
    /// The other.
    pub(super) bob: &'a Node,
    /// The channel.
    pub(super) channel_id: &'a str,
}

impl Ends<'_> {
    /// Makes the first payment.
    pub(super) async fn pay_first(&self, plan: &Plan) -> Result<(), Trouble> {
        self.alice.pay("demo-first", self.channel_id, 1, plan.first_msat).await
    }

    /// Makes the payments in batches, both ways at once; returns how long it took.
    pub(super) async fn pay_many(&self, plan: &Plan, meter: &Meter) -> Result<Duration, Trouble> {
        let began = Instant::now();
        let there = self.flow(self.alice, plan.many_there, plan.amount_msat, meter);
        let back = self.flow(self.bob, plan.many_back, plan.amount_msat, meter);
        tokio::try_join!(there, back)?;
        Ok(began.elapsed())
    }

    /// Makes payments one at a time; returns how long each took.
    pub(super) async fn pay_singly(
        &self,
        plan: &Plan,
        meter: &Meter,
    ) -> Result<Vec<Duration>, Trouble> {
        let mut took = Vec::new();
        for number in 1..=plan.singles {
            let payer = if number.is_multiple_of(BACK_EVERY) { self.bob } else { self.alice };
            let began = Instant::now();
            payer
                .pay(&format!("demo-single-{number}"), self.channel_id, 1, plan.amount_msat)
                .await?;
            took.push(began.elapsed());
            meter.add(1);
        }
        Ok(took)
    }

    async fn flow(
        &self,
        payer: &Node,
        payments: u64,
        amount_msat: u64,
        meter: &Meter,
    ) -> Result<(), Trouble> {
        let pay = async |(number, count): (usize, u32)| {
            payer.pay(&format!("demo-batch-{number}"), self.channel_id, count, amount_msat).await?;
            meter.add(count.into());
            Ok(())
        };
        stream::iter(batches(payments).enumerate())
            .map(pay)
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await
    }
}

/// The sizes of the batches that make so many payments.
fn batches(payments: u64) -> impl Iterator<Item = u32> {
    let mut left = payments;
    std::iter::from_fn(move || {
        let count = u32::try_from(left).unwrap_or(u32::MAX).min(BATCH);
        left = left.saturating_sub(count.into());
        (count > 0).then_some(count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_makes_all_payments_and_leaves_both_sides_something() {
        const SPENDABLE_MSAT: u64 = 9_900_000_000;
        for payments in [10, 11, 500, 1_001, 2_000, 100_000, 100_000_000] {
            let plan = Plan::new(payments, SPENDABLE_MSAT);
            assert_eq!(1 + plan.many() + plan.singles, payments);
            assert!(plan.many_there > plan.many_back, "{plan:?}");
            let moved_msat = plan.moved_msat().unwrap();
            assert!(moved_msat >= plan.first_msat && moved_msat < SPENDABLE_MSAT / 2, "{plan:?}");
            let back_msat = (plan.many_back + plan.singles_back()) * plan.amount_msat;
            assert!(back_msat < plan.first_msat / 2, "{plan:?}");
        }
    }

    #[test]
    fn batches_add_up_and_none_is_too_large() {
        for payments in [0, 1, 1_023, 1_024, 1_025, 100_000] {
            let sizes: Vec<u32> = batches(payments).collect();
            assert_eq!(sizes.iter().map(|size| u64::from(*size)).sum::<u64>(), payments);
            assert!(sizes.iter().all(|size| (1..=BATCH).contains(size)));
        }
    }
}
