//! What telemetry costs a round that is not traced: every call that the runtimes of both sides make for it.

use core::hint::black_box;
use core::time::Duration;

use strait_primitives::{ChannelId, CommitmentNumber, EventSeq, Timestamp};
use strait_telemetry::{
    CommandName, Component, Direction, EffectKind, Health, Metrics, Outcome, Queue, Sampler, TARGET,
};
use tracing::{Level, Span, span};

/// What a batch of the engine takes, in figures that need not be right.
const TOOK: Duration = Duration::from_micros(130);
const NOON: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// The metrics, the health and the sampler of one node.
#[derive(Debug)]
pub struct RoundTelemetry {
    metrics: Metrics,
    health: Health,
    sampler: Sampler,
    number: CommitmentNumber,
}

impl RoundTelemetry {
    /// A node that traces so many of a thousand rounds, with nobody to take the spans.
    #[must_use]
    pub fn new(permille: u32) -> Self {
        Self {
            metrics: Metrics::new("bench", NOON),
            health: Health::new(),
            sampler: Sampler::new(permille),
            number: CommitmentNumber::FIRST,
        }
    }

    /// One round of one payment, nothing batched: the payer is asked, proposes, and ends; the payee accepts and hears
    /// the end. Three messages, four batches of decisions, four appends.
    pub fn round(&mut self) {
        self.number = self.number.next().unwrap_or(CommitmentNumber::FIRST);
        let metrics = &self.metrics;
        let command = self.span(self.sampler.draws(None).then_some(()));
        metrics.command_asked();
        self.batch(&command, &[EffectKind::Send]);
        for effects in [
            &[EffectKind::Send, EffectKind::Report][..],
            &[EffectKind::Send, EffectKind::Reply, EffectKind::Report, EffectKind::Report][..],
            &[EffectKind::Report][..],
        ] {
            metrics.messages_sent(1);
            metrics.messages_received(1);
            let channel = ChannelId::from_bytes([7; ChannelId::LEN]);
            let receive =
                self.span(self.sampler.picks(black_box(&channel), self.number).then_some(()));
            self.batch(&receive, effects);
        }
        metrics.payments(Direction::Sent, 1);
        metrics.payments(Direction::Received, 1);
        metrics.round_finished(1);
        metrics.round_finished(1);
        metrics.payment_took(TOOK);
        metrics.command_answered(CommandName::Pay, TOOK);
        metrics.command_left();
    }

    /// A span if this is traced.
    fn span(&self, traced: Option<()>) -> Span {
        traced.map_or_else(Span::none, |()| {
            span!(target: TARGET, parent: None, Level::DEBUG, "bench", number = self.number.to_u64())
        })
    }

    /// One batch: decided, passed on, appended, its effects done.
    fn batch(&self, cause: &Span, effects: &[EffectKind]) {
        let metrics = &self.metrics;
        metrics.set_queue_length(Queue::Inbox, 1);
        self.span((!cause.is_disabled()).then_some(())).in_scope(|| metrics.decided(TOOK));
        metrics.queue_entered(Queue::Outbox);
        metrics.queue_left(Queue::Outbox);
        metrics.batch_appended(1, TOOK);
        metrics.set_log_head(EventSeq::new(self.number.to_u64()));
        self.health.record(Component::Store, Outcome::Success, NOON);
        metrics.signatures_made(1);
        metrics.signatures_verified(1);
        for effect in effects {
            let span = self.span((!cause.is_disabled()).then_some(()));
            span.in_scope(|| metrics.effect(*effect));
        }
        metrics.effects_done(TOOK);
        metrics.set_event_log_size(self.number.to_u64());
    }
}
