//! What the runtime tells metrics, health and logs. One place, so that the threads stay about their work.

mod locks;
mod names;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use strait_chain::ChainError;
use strait_channel::ChannelEvent;
use strait_engine::{
    Answer, CommandError, DiskRoom, Effect, Event, NodeView, Overview, Report, WalletView,
};
use strait_log::StoreError;
use strait_net::{Handle as Net, PeerState};
use strait_primitives::{BlockHeight, EventSeq, Millis, Side, Timestamp};
use strait_telemetry::{
    CallResult, ChainErrorKind, ChannelPhase, Component, Direction, ErrorKind, Health, Metrics,
    NetTotals, Outcome, Queue, Sampler, WalletBalance,
};
use strait_watcher::{SpendPath, WatchEvent};
use strait_wire::Message;

use self::names::{effect_kind, force_close_reason, kind_of, spender};
use crate::engine_worker::now;
use crate::service::Halt;

pub(crate) use self::names::command_name;

/// The runtime's own voice.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    /// How long after one sign of life of the chain the next is overdue.
    pub(crate) chain_patience: Duration,
    /// Says which rounds are traced.
    pub(crate) sampler: Arc<Sampler>,
}

impl Observer {
    /// So many inputs wait for the engine.
    pub(crate) fn inbox(&self, waiting: usize) {
        self.metrics.set_queue_length(Queue::Inbox, waiting as u64);
    }

    /// A batch of inputs was decided and folded.
    pub(crate) fn decided(&self, took: Duration) {
        self.metrics.decided(took);
    }

    /// A batch of decisions is about to go to the writer, which takes it when it can.
    pub(crate) fn passed_on(&self) {
        self.metrics.queue_entered(Queue::Outbox);
    }

    /// The writer took a batch of decisions.
    pub(crate) fn taken(&self) {
        self.metrics.queue_left(Queue::Outbox);
    }

    /// The effects of what was saved have happened.
    pub(crate) fn performed(&self, took: Duration) {
        self.metrics.effects_done(took);
    }

    /// The store failed; the node halts.
    pub(crate) fn store_failed(&self, halt: &Halt) {
        self.metrics.error(ErrorKind::Store);
        if let Halt::Append(error) = halt
            && matches!(error.source, StoreError::Fenced { .. })
        {
            self.metrics.fenced();
        }
    }

    /// Something could not be told to a peer, or a peer not be kept.
    pub(crate) fn network_failed(&self) {
        self.metrics.error(ErrorKind::Network);
    }

    /// A peer sent something that is no message.
    pub(crate) fn garbled(&self) {
        self.metrics.error(ErrorKind::Protocol);
    }

    /// What the network has counted by itself.
    pub(crate) fn network(&self, net: &Net) {
        let counted = net.counters();
        let totals = NetTotals {
            frames_received: counted.frames_in,
            bytes_received: counted.bytes_in,
            frames_sent: counted.frames_out,
            bytes_sent: counted.bytes_out,
            frames_refused: counted.frames_refused,
            dials: counted.dial_attempts,
            dials_failed: counted.dial_failures,
            links_opened: counted.links_opened,
            links_closed: counted.links_closed,
            connections_refused: counted.connections_refused,
            violations: counted.violations,
            throttled: counted.throttled,
        };
        let queued = net.peers().into_iter().map(|peer| match peer.state {
            PeerState::Connected { queued_bytes, .. } => queued_bytes as u64,
            PeerState::Waiting => 0,
        });
        self.metrics.set_network(&totals, queued.sum());
    }

    /// An effect happens.
    pub(crate) fn performs(&self, effect: &Effect) {
        self.metrics.effect(effect_kind(effect));
    }

    /// Events up to this one reached the disk.
    pub(crate) fn appended(&self, events: usize, head: EventSeq, took: Duration) {
        self.metrics.batch_appended(events as u64, took);
        self.metrics.set_log_head(head);
        self.health.record(Component::Store, Outcome::Success, now());
    }

    pub(crate) fn log_size(&self, size_bytes: u64) {
        self.metrics.set_event_log_size(size_bytes);
    }

    /// What is free where the log lies, and what that means.
    pub(crate) fn disk_seen(&self, free_bytes: u64, room: DiskRoom) {
        self.metrics.set_disk_free(free_bytes);
        self.metrics.set_disk_low(u64::from(room != DiskRoom::Ample));
    }

    /// The store could not tidy up beside its writes.
    pub(crate) fn upkeep_failed(&self, failures: u64) {
        tracing::warn!(failures, "the log cannot be tidied up: its write-ahead file grows");
        self.metrics.error(ErrorKind::Store);
        let detail = "the write-ahead file cannot be folded into the log";
        self.health.record_failure(Component::Store, now(), detail);
    }

    /// Counts what saved events tell: signatures, force closes, penalties.
    pub(crate) fn saved(&self, events: &[Event]) {
        let (mut made, mut verified) = (0, 0);
        for event in events {
            if let Event::Watch { event, .. } = event {
                self.watched(event);
            }
            if let Event::Payment(event) = event {
                locks::decided(&self.metrics, event);
            }
            let Event::Channel { event, .. } = event else { continue };
            locks::round(&self.metrics, event);
            if let ChannelEvent::ForceClosed { reason } = event {
                self.metrics.force_closed(force_close_reason(*reason));
            }
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

    fn watched(&self, event: &WatchEvent) {
        if let WatchEvent::OutputSpent { spend, .. } = event
            && spend.path == SpendPath::Penalty
        {
            self.metrics.penalty_taken();
        }
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
            if matches!(error, CommandError::Funds(_)) {
                self.metrics.error(ErrorKind::Wallet);
            }
        }
    }

    pub(crate) fn reported(&self, report: &Report) {
        match report {
            Report::ChannelOpened(channel) => {
                tracing::info!(%channel, "channel opened");
                self.metrics.channel_created();
            }
            Report::ChannelResolved(channel) => {
                tracing::info!(%channel, "channel settled");
                self.metrics.channel_settled();
            }
            Report::FundingSpent { channel, standing } => {
                tracing::info!(%channel, ?standing, "a block spends the channel's funding output");
                self.metrics.funding_spent(spender(*standing));
            }
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
            Report::PeerRepeats { peer } => {
                tracing::trace!(%peer, "a peer repeats itself");
                self.metrics.error(ErrorKind::Protocol);
            }
            Report::PeerComplaint { peer, what } => {
                tracing::warn!(%peer, what, "a peer complains");
            }
            Report::Overview(overview) => self.overview(overview),
        }
    }

    fn overview(&self, overview: &Overview) {
        let Overview { node, wallet, claims_pending, locks, progress } = overview;
        self.node(node);
        self.wallet(wallet);
        self.metrics.set_claims_pending(*claims_pending as u64);
        locks::totals(&self.metrics, locks);
        progress::tell(&self.metrics, progress, node.height);
    }

    fn node(&self, node: &NodeView) {
        let phases = [
            (ChannelPhase::Negotiating, node.channels_opening),
            (ChannelPhase::AwaitingFunding, node.channels_awaiting_funding),
            (ChannelPhase::Open, node.channels_open),
            (ChannelPhase::Closing, node.channels_closing),
            (ChannelPhase::ForceClosing, node.channels_force_closing),
            (ChannelPhase::Lost, node.channels_lost),
            (ChannelPhase::Quarantined, node.channels_quarantined),
        ];
        for (phase, count) in phases {
            self.metrics.set_channels(phase, count as u64);
        }
        let in_doubt = node.channels_lost + node.channels_quarantined;
        let doubt = || format!("{in_doubt} channels wait for the operator: strait recover list");
        let doubt = (in_doubt > 0).then(doubt);
        let room = match node.disk {
            DiskRoom::Ample => None,
            DiskRoom::Low { free_bytes, wanted_bytes } => Some(format!(
                "the disk has {free_bytes} bytes left: nothing new is begun until it has {wanted_bytes}"
            )),
        };
        let concerns: Vec<String> = room.into_iter().chain(doubt).collect();
        let concern = (!concerns.is_empty()).then(|| concerns.join("; "));
        self.health.concerns(Component::Store, concern);
        self.metrics.set_peers_connected(node.peers_connected as u64);
        self.metrics.set_chain_height(node.height);
        self.metrics.set_channel_balance(Side::Holder, node.balance_in_channels.floor_sats());
        let theirs = node.peer_balance_in_channels.floor_sats();
        self.metrics.set_channel_balance(Side::Counterparty, theirs);
    }

    fn wallet(&self, wallet: &WalletView) {
        let balances = [
            (WalletBalance::Confirmed, wallet.confirmed),
            (WalletBalance::Unconfirmed, wallet.pending),
            (WalletBalance::Reserved, wallet.reserved),
            (WalletBalance::Immature, wallet.immature),
        ];
        for (kind, balance) in balances {
            self.metrics.set_wallet_balance(kind, balance);
        }
        self.metrics.set_fee_reserve(wallet.fee_reserve);
        self.metrics.set_reserve_available(wallet.reserve_funds);
        self.metrics.set_reserve_coins(wallet.reserve_coins as u64);
        self.metrics.set_reserve_coins_required(wallet.reserve_coins_wanted as u64);
    }

    /// The follower stands at the source's tip.
    pub(crate) fn chain_agrees(&self, height: BlockHeight) {
        self.metrics.set_chain_height(height);
        let now = now();
        self.health.keeps_up(Component::Chain, now, self.chain_due(now));
    }

    /// The follower has blocks to catch up with.
    pub(crate) fn chain_behind(&self, height: BlockHeight) {
        self.metrics.set_chain_height(height);
        let now = now();
        let detail = format!("catching up, at height {height}");
        self.health.lags(Component::Chain, now, self.chain_due(now), &detail);
    }

    /// The follower stands at the source's tip, which is itself still far behind.
    pub(crate) fn chain_downloads(&self, height: BlockHeight) {
        self.metrics.set_chain_height(height);
        let now = now();
        let detail = format!("the chain source is still downloading the chain, at height {height}");
        self.health.lags(Component::Chain, now, self.chain_due(now), &detail);
    }

    /// The follower stands at the source's tip, which is hours old.
    pub(crate) fn chain_is_old(&self, height: BlockHeight) {
        self.metrics.set_chain_height(height);
        let now = now();
        let detail = format!(
            "the chain source's last block is hours old, at height {height}: it is catching up, or a clock is wrong"
        );
        self.health.lags(Component::Chain, now, self.chain_due(now), &detail);
    }

    /// The follower stands at the tip of a source that nobody else talks to.
    pub(crate) fn chain_alone(&self, height: BlockHeight) {
        self.metrics.set_chain_height(height);
        let now = now();
        let detail = format!("the chain source has no peers, at height {height}");
        self.health.lags(Component::Chain, now, self.chain_due(now), &detail);
    }

    /// When the next sign of life of the chain is overdue.
    fn chain_due(&self, now: Timestamp) -> Timestamp {
        let patience = u64::try_from(self.chain_patience.as_millis()).unwrap_or(u64::MAX);
        now.after(Millis(patience))
    }

    /// A contract was called.
    pub(crate) fn contract_called(&self, result: CallResult, took: Duration) {
        self.metrics.contract_called(result, took);
        match result {
            CallResult::Answered | CallResult::Refused => {}
            CallResult::Trapped | CallResult::LimitReached => {
                self.metrics.error(ErrorKind::Contract);
            }
        }
    }

    /// A contract could be called, whatever it said.
    pub(crate) fn contracts_answered(&self) {
        self.health.record(Component::Contracts, Outcome::Success, now());
    }

    /// A contract could not be called, for a reason of this machine's.
    pub(crate) fn contracts_failed(&self, detail: &str) {
        self.health.record_failure(Component::Contracts, now(), detail);
    }

    pub(crate) fn chain_failed(&self, error: &ChainError) {
        tracing::warn!(%error, "the chain source failed");
        self.metrics.chain_error(kind_of(error));
        self.metrics.error(ErrorKind::Chain);
        self.health.record_failure(Component::Chain, now(), &error.to_string());
    }

    pub(crate) fn refused(&self, reason: &str) {
        tracing::debug!(reason, "refused by the chain's node");
        self.metrics.chain_error(ChainErrorKind::Rejected);
    }
}
