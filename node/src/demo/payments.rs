//! The payments: one to begin with, most in batches, some with a request for each, some one at a time.
//!
//! The rate is that of the batches, the latencies are those of the payments that each wait for the one before; in between
//! stand many payments in flight that nobody put into batches. All kinds answer when they are irrevocable, which includes
//! an fsync on either side. Nine in ten go from alice to bob, one in ten comes back.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::error::Trouble;
use super::node::Node;
use super::progress::Meter;

/// Payments in one request.
pub(super) const BATCH: u32 = 1_024;
/// Requests with a batch in flight, for each direction.
pub(super) const BATCHES_IN_FLIGHT: usize = 8;
/// Requests with one payment in flight, for each direction.
pub(super) const LOOSE_IN_FLIGHT: usize = 64;
/// Payments with a request for each, at most: enough for a rate.
const LOOSE_MAX: u64 = 10_000;
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
    /// With a request for each, from alice.
    pub(super) loose_there: u64,
    /// With a request for each, from bob.
    pub(super) loose_back: u64,
    /// One at a time, in both directions.
    pub(super) singles: u64,
}

impl Plan {
    /// Divides so many payments over a channel in which alice can spend so much. Needs at least 10.
    pub(super) fn new(payments: u64, spendable_msat: u64) -> Self {
        let rest = payments.saturating_sub(1);
        let singles = SINGLES_MAX.min(rest / 2);
        let several = rest.saturating_sub(singles);
        let loose = LOOSE_MAX.min(several / 4);
        let many = several.saturating_sub(loose);
        let (many_back, loose_back) = (many / BACK_EVERY, loose / BACK_EVERY);
        let quarter_msat = spendable_msat / 4;
        let fitting_msat = quarter_msat.checked_div(payments).unwrap_or(0);
        Self {
            first_msat: quarter_msat,
            amount_msat: fitting_msat.clamp(1, AMOUNT_MSAT_MAX),
            many_there: many.saturating_sub(many_back),
            many_back,
            loose_there: loose.saturating_sub(loose_back),
            loose_back,
            singles,
        }
    }

    /// All payments in batches.
    pub(super) const fn many(&self) -> u64 {
        self.many_there.saturating_add(self.many_back)
    }

    /// All payments with a request for each, many in flight.
    pub(super) const fn loose(&self) -> u64 {
        self.loose_there.saturating_add(self.loose_back)
    }

    /// What alice pays bob.
    pub(super) fn there(&self) -> Option<Flow> {
        let singles = self.singles.checked_sub(self.singles_back())?;
        let small = self.many_there.checked_add(self.loose_there)?.checked_add(singles)?;
        let total_msat = small.checked_mul(self.amount_msat)?.checked_add(self.first_msat)?;
        Some(Flow { count: small.checked_add(1)?, total_msat })
    }

    /// What bob pays alice.
    pub(super) fn back(&self) -> Option<Flow> {
        let count =
            self.many_back.checked_add(self.loose_back)?.checked_add(self.singles_back())?;
        Some(Flow { count, total_msat: count.checked_mul(self.amount_msat)? })
    }

    const fn singles_back(&self) -> u64 {
        self.singles / BACK_EVERY
    }
}

/// Payments in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// How many.
    pub(super) count: u64,
    /// Their sum.
    pub(super) total_msat: u64,
}

impl Flow {
    /// With more payments in it; none beyond 64 bits.
    pub(super) fn plus(self, count: u32, total_msat: u64) -> Option<Self> {
        Some(Self {
            count: self.count.checked_add(count.into())?,
            total_msat: self.total_msat.checked_add(total_msat)?,
        })
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
        let (there, back) = (batches(plan.many_there, BATCH), batches(plan.many_back, BATCH));
        let (batch, width) = ("batch", BATCHES_IN_FLIGHT);
        let began = Instant::now();
        tokio::try_join!(
            self.flow(self.alice, (batch, width), there, plan.amount_msat, meter),
            self.flow(self.bob, (batch, width), back, plan.amount_msat, meter)
        )?;
        Ok(began.elapsed())
    }

    /// Makes the payments with a request for each, both ways at once; returns how long it took.
    pub(super) async fn pay_loose(&self, plan: &Plan, meter: &Meter) -> Result<Duration, Trouble> {
        let (there, back) = (batches(plan.loose_there, 1), batches(plan.loose_back, 1));
        let (loose, width) = ("loose", LOOSE_IN_FLIGHT);
        let began = Instant::now();
        tokio::try_join!(
            self.flow(self.alice, (loose, width), there, plan.amount_msat, meter),
            self.flow(self.bob, (loose, width), back, plan.amount_msat, meter)
        )?;
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

    /// Sends requests, so many in flight, until all are answered.
    async fn flow(
        &self,
        payer: &Node,
        (name, in_flight): (&str, usize),
        sizes: impl Iterator<Item = u32>,
        amount_msat: u64,
        meter: &Meter,
    ) -> Result<(), Trouble> {
        let pay = async |(number, count): (usize, u32)| {
            let key = format!("demo-{name}-{number}");
            payer.pay(&key, self.channel_id, count, amount_msat).await?;
            meter.add(count.into());
            Ok(())
        };
        stream::iter(sizes.enumerate())
            .map(pay)
            .buffer_unordered(in_flight)
            .try_collect::<()>()
            .await
    }
}

/// The sizes of the requests that make so many payments, with so many in each.
fn batches(payments: u64, most: u32) -> impl Iterator<Item = u32> {
    let mut left = payments;
    std::iter::from_fn(move || {
        let count = u32::try_from(left).unwrap_or(u32::MAX).min(most);
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
            assert_eq!(1 + plan.many() + plan.loose() + plan.singles, payments);
            let (there, back) = (plan.there().unwrap(), plan.back().unwrap());
            assert_eq!(there.count + back.count, payments);
            assert!(there.count > back.count && there.total_msat > plan.first_msat, "{plan:?}");
            assert!(there.total_msat <= SPENDABLE_MSAT / 2, "{plan:?}");
            assert!(back.total_msat < plan.first_msat / 2, "{plan:?}");
            for kind in [plan.many_there, plan.loose_there, plan.singles] {
                assert!(kind > 0, "{plan:?}");
            }
        }
    }

    #[test]
    fn batches_add_up_and_none_is_too_large() {
        for payments in [0, 1, 1_023, 1_024, 1_025, 100_000] {
            let sizes: Vec<u32> = batches(payments, BATCH).collect();
            assert_eq!(sizes.iter().map(|size| u64::from(*size)).sum::<u64>(), payments);
            assert!(sizes.iter().all(|size| (1..=BATCH).contains(size)));
        }
    }
}
