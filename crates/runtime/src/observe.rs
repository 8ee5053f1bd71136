//! What the runtime tells metrics, health and logs. One place, so that the threads stay about their work.

use std::sync::Arc;
use std::time::Duration;

use strait_chain::ChainError;
use strait_channel::ChannelEvent;
use strait_engine::{Answer, CommandError, Event, Report};
use strait_primitives::{BlockHeight, Side};
use strait_telemetry::{
    ChainErrorKind, ChannelPhase, Component, Direction, ErrorKind, Health, Metrics, Outcome,
};
use strait_wire::Message;

use crate::engine_worker::now;

/// The runtime's own voice.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
}

impl Observer {
    /// A batch of inputs was decided and folded.
    pub(crate) fn decided(&self, took: Duration) {
        self.metrics.derived(took);
    }

    /// Events reached the disk.
    pub(crate) fn appended(&self, events: usize, took: Duration) {
        self.metrics.batch_appended(events as u64, took);
        self.health.record(Component::Store, Outcome::Success, now());
    }

    pub(crate) fn log_size(&self, size_bytes: u64) {
        self.metrics.set_event_log_size(size_bytes);
    }

    /// The store could not tidy up beside its writes.
    pub(crate) fn upkeep_failed(&self, failures: u64) {
        tracing::warn!(failures, "the log cannot be tidied up: its write-ahead file grows");
        self.metrics.error(ErrorKind::Store);
        let detail = "the write-ahead file cannot be folded into the log";
        self.health.record_failure(Component::Store, now(), detail);
    }

    /// Counts the signatures that stand behind saved events.
    pub(crate) fn saved(&self, events: &[Event]) {
        let (mut made, mut verified) = (0, 0);
        for event in events {
            let Event::Channel { event, .. } = event else { continue };
            made += u64::from(matches!(
                event,
                ChannelEvent::Opened { .. }
                    | ChannelEvent::Accepted { .. }
                    | ChannelEvent::Proposed { .. }
                    | ChannelEvent::OpeningSigned { .. }
            ));
            verified += u64::from(matches!(
                event,
                ChannelEvent::Opened { .. }
                    | ChannelEvent::Accepted { .. }
                    | ChannelEvent::Revoked { .. }
            ));
        }
        self.metrics.signatures_made(made);
        self.metrics.signatures_verified(verified);
    }

    pub(crate) fn sent(&self, message: &Message) {
        tracing::trace!(message = message.name(), "sent");
        self.metrics.messages_sent(1);
    }

    pub(crate) fn received(&self, message: &Message) {
        tracing::trace!(message = message.name(), "received");
        self.metrics.messages_received(1);
    }

    pub(crate) fn replied(&self, answer: &Result<Answer, CommandError>) {
        if let Err(error) = answer {
            tracing::debug!(%error, "a request was refused");
        }
    }

    pub(crate) fn reported(&self, report: &Report) {
        match report {
            Report::ChannelOpened(channel) => {
                tracing::info!(%channel, "channel opened");
                self.metrics.channel_created();
            }
            Report::ChannelResolved(channel) => tracing::info!(%channel, "channel settled"),
            Report::ForceClosed(channel) => {
                tracing::warn!(%channel, "channel closes without its peer");
            }
            Report::PaymentsSent { count, .. } => {
                self.metrics.payments(Direction::Sent, *count);
            }
            Report::PaymentsReceived { count, .. } => {
                self.metrics.payments(Direction::Received, *count);
            }
            Report::Round { operations } => {
                let operations = u32::try_from(*operations).unwrap_or(u32::MAX);
                self.metrics.round_finished(operations);
            }
            Report::PeerFault { peer, channel, what } => {
                tracing::warn!(%peer, channel = ?channel, what, "a peer broke the protocol");
                self.metrics.error(ErrorKind::Protocol);
            }
            Report::PeerComplaint { peer, what } => {
                tracing::warn!(%peer, what, "a peer complains");
            }
            Report::Overview(view) => {
                self.metrics.set_channels(ChannelPhase::Open, view.channels_open as u64);
                self.metrics.set_channels(ChannelPhase::Negotiating, view.channels_opening as u64);
                self.metrics.set_channels(ChannelPhase::Closing, view.channels_closing as u64);
                self.metrics.set_peers_connected(view.peers_connected as u64);
                self.metrics.set_chain_height(view.height);
                let own = view.balance_in_channels.floor_sats();
                self.metrics.set_channel_balance(Side::Holder, own);
            }
        }
    }

    pub(crate) fn chain_answered(&self, height: BlockHeight) {
        self.metrics.set_chain_height(height);
        self.health.record(Component::Chain, Outcome::Success, now());
    }

    pub(crate) fn chain_failed(&self, error: &ChainError) {
        tracing::warn!(%error, "the chain source failed");
        self.metrics.chain_error(kind_of(error));
        self.health.record_failure(Component::Chain, now(), &error.to_string());
    }

    pub(crate) fn refused(&self, reason: &str) {
        tracing::debug!(reason, "refused by the chain's node");
        self.metrics.chain_error(ChainErrorKind::Rejected);
    }
}

const fn kind_of(error: &ChainError) -> ChainErrorKind {
    match error {
        ChainError::Unavailable { .. } | ChainError::WarmingUp { .. } => {
            ChainErrorKind::Unreachable
        }
        ChainError::Unauthorised { .. } => ChainErrorKind::Unauthorized,
        ChainError::Refused { .. } => ChainErrorKind::Refused,
        ChainError::WrongNetwork { .. }
        | ChainError::NoPackageRelay { .. }
        | ChainError::UnknownBlock { .. }
        | ChainError::Nonsense { .. }
        | ChainError::InvalidBlock { .. }
        | ChainError::ReorganisationTooDeep { .. }
        | ChainError::SubmissionSize { .. }
        | _ => ChainErrorKind::BadAnswer,
    }
}
