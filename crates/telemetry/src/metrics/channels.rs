//! Metrics of channels: how many, what they hold, what happens in them, and how they end.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use strait_primitives::{Sats, Side};

use super::labels::Label;
use super::registry::Registrar;
use super::{
    ChannelPhase, Direction, ForceCloseReason, FundingSpender, Metrics, WalletBalance, gauge_value,
};

/// Seconds from the request of a payment to irrevocable.
const PAYMENT_SECONDS: [f64; 10] = [5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 1.0, 10.0];
/// Operations a round may hold: up to 4,096 (protocol, section 6).
const ROUND_OPERATIONS: [f64; 8] = [0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0];

/// Metrics of channels, and of the wallet that funds them.
#[derive(Debug)]
pub(super) struct ChannelMetrics {
    created: IntCounter,
    settled: IntCounter,
    by_phase: IntGaugeVec,
    balance: IntGaugeVec,
    payments: IntCounterVec,
    payment_latency: Histogram,
    round_operations: Histogram,
    force_closes: IntCounterVec,
    funding_spent: IntCounterVec,
    penalties: IntCounter,
    claims_pending: IntGauge,
    wallet_balance: IntGaugeVec,
    fee_reserve: IntGauge,
    reserve_available: IntGauge,
    reserve_coins: IntGauge,
    reserve_coins_required: IntGauge,
}

impl ChannelMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Channels and money");
        Self {
            created: r.counter("strait_channels_created_total", "Channels opened or accepted."),
            settled: r.counter(
                "strait_channels_settled_total",
                "Channels whose every output was settled at depth. The node forgets them then.",
            ),
            by_phase: r.gauges::<ChannelPhase>("strait_channels", "Channels by state."),
            balance: r.gauges::<Side>(
                "strait_channel_balance_sat",
                "Balance in channels that are not settled yet, live contracts counted as they stand.",
            ),
            payments: r.counters::<Direction>(
                "strait_payments_total",
                "Irrevocable payments.",
            ),
            payment_latency: r.histogram(
                "strait_payment_latency_seconds",
                "From the request of a payment, or of a batch, until it is irrevocable.",
                &PAYMENT_SECONDS,
            ),
            round_operations: r.histogram(
                "strait_round_operations",
                "Operations in one round.",
                &ROUND_OPERATIONS,
            ),
            force_closes: r.counters::<ForceCloseReason>(
                "strait_force_closes_total",
                "Force closes that this node decided on.",
            ),
            funding_spent: r.counters::<FundingSpender>(
                "strait_channel_funding_spent_total",
                "Funding outputs spent by a block, by what spent them.",
            ),
            penalties: r.counter(
                "strait_penalty_outputs_total",
                "Outputs of revoked commitments that a block shows taken with the revocation secret.",
            ),
            claims_pending: r.gauge(
                "strait_claims_pending",
                "Outputs of commitments on chain for which a claim was broadcast and none is mined.",
            ),
            wallet_balance: r.gauges::<WalletBalance>(
                "strait_wallet_balance_sat",
                "Coins of the wallet.",
            ),
            fee_reserve: r.gauge(
                "strait_fee_reserve_required_sat",
                "What force closing every channel at once would need in fees, each with its locks and room for ten more.",
            ),
            reserve_available: r.gauge(
                "strait_fee_reserve_available_sat",
                "What there is to pay force closes with: confirmed coins that bring more than they cost at the reserve's rate. Less than is required means that a close may not confirm; no channel is opened and no lock taken on until there is more.",
            ),
            reserve_coins: r.gauge(
                "strait_fee_reserve_coins",
                "Confirmed coins that are each large enough for one force close.",
            ),
            reserve_coins_required: r.gauge(
                "strait_fee_reserve_coins_required",
                "How many such coins closing every channel at once would need, ten at most: with fewer, closes wait for each other's change, a block each.",
            ),
        }
    }
}

impl Metrics {
    /// Counts a channel opened or accepted.
    pub fn channel_created(&self) {
        self.of_channels.created.inc();
    }

    /// Counts a channel that is settled and forgotten.
    pub fn channel_settled(&self) {
        self.of_channels.settled.inc();
    }

    /// Tells how many channels are in a phase.
    pub fn set_channels(&self, phase: ChannelPhase, count: u64) {
        self.of_channels.by_phase.with_label_values(&[phase.value()]).set(gauge_value(count));
    }

    /// Tells the sum of one side's balances over all channels that are not settled.
    pub fn set_channel_balance(&self, side: Side, balance: Sats) {
        let gauge = self.of_channels.balance.with_label_values(&[side.value()]);
        gauge.set(gauge_value(balance.to_sat()));
    }

    /// Counts irrevocable payments.
    pub fn payments(&self, direction: Direction, count: u64) {
        self.of_channels.payments.with_label_values(&[direction.value()]).inc_by(count);
    }

    /// Notes how long a payment took to become irrevocable.
    pub fn payment_took(&self, latency: Duration) {
        self.of_channels.payment_latency.observe(latency.as_secs_f64());
    }

    /// Notes how many operations a round held.
    pub fn round_finished(&self, operations: u32) {
        self.of_channels.round_operations.observe(f64::from(operations));
    }

    /// Counts a force close that this node decided on.
    pub fn force_closed(&self, reason: ForceCloseReason) {
        self.of_channels.force_closes.with_label_values(&[reason.value()]).inc();
    }

    /// Counts a funding output that a block spent.
    pub fn funding_spent(&self, spender: FundingSpender) {
        self.of_channels.funding_spent.with_label_values(&[spender.value()]).inc();
    }

    /// Counts an output that was taken with a revocation secret.
    pub fn penalty_taken(&self) {
        self.of_channels.penalties.inc();
    }

    /// Tells how many outputs have a claim broadcast and none mined.
    pub fn set_claims_pending(&self, count: u64) {
        self.of_channels.claims_pending.set(gauge_value(count));
    }

    /// Tells a balance of the wallet.
    pub fn set_wallet_balance(&self, kind: WalletBalance, balance: Sats) {
        let gauge = self.of_channels.wallet_balance.with_label_values(&[kind.value()]);
        gauge.set(gauge_value(balance.to_sat()));
    }

    /// Tells what force closing every channel at once would need in fees.
    pub fn set_fee_reserve(&self, required: Sats) {
        self.of_channels.fee_reserve.set(gauge_value(required.to_sat()));
    }

    /// Tells what there is for that.
    pub fn set_reserve_available(&self, available: Sats) {
        self.of_channels.reserve_available.set(gauge_value(available.to_sat()));
    }

    /// Tells how many coins are each large enough for one close.
    pub fn set_reserve_coins(&self, count: u64) {
        self.of_channels.reserve_coins.set(gauge_value(count));
    }

    /// Tells how many of these there should be.
    pub fn set_reserve_coins_required(&self, count: u64) {
        self.of_channels.reserve_coins_required.set(gauge_value(count));
    }
}
