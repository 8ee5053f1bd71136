//! Metrics of the network: what went to and came from peers, and what was turned away.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::labels::Label;
use super::registry::Registrar;
use super::{Direction, Metrics, gauge_value};

/// What the network has done since it was bound; numbers that only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetTotals {
    /// Frames from peers.
    pub frames_received: u64,
    /// Bytes in those frames.
    pub bytes_received: u64,
    /// Frames to peers.
    pub frames_sent: u64,
    /// Bytes in those frames.
    pub bytes_sent: u64,
    /// Frames refused because a queue was full.
    pub frames_refused: u64,
    /// Dials begun.
    pub dials: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Links that came up.
    pub links_opened: u64,
    /// Links that went down.
    pub links_closed: u64,
    /// Inbound connections turned away.
    pub connections_refused: u64,
    /// Links ended because the peer broke a rule of the stream.
    pub violations: u64,
    /// Times a peer was not read because it sent too fast.
    pub throttled: u64,
}

/// Metrics of the network.
#[derive(Debug)]
pub(super) struct NetworkMetrics {
    messages_sent: IntCounter,
    messages_received: IntCounter,
    peers_connected: IntGauge,
    frames: IntCounterVec,
    bytes: IntCounterVec,
    frames_refused: IntCounter,
    dials: IntCounter,
    dials_failed: IntCounter,
    links_opened: IntCounter,
    links_closed: IntCounter,
    connections_refused: IntCounter,
    violations: IntCounter,
    throttled: IntCounter,
    queued: IntGauge,
}

impl NetworkMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Network");
        Self {
            messages_sent: r
                .counter("strait_messages_sent_total", "Messages of the protocol sent to peers."),
            messages_received: r
                .counter("strait_messages_received_total", "Messages of the protocol from peers."),
            peers_connected: r.gauge("strait_peers_connected", "Peers connected now."),
            frames: r
                .counters::<Direction>("strait_net_frames_total", "Frames on streams of peers."),
            bytes: r.counters::<Direction>(
                "strait_net_bytes_total",
                "Bytes in frames on streams of peers.",
            ),
            frames_refused: r.counter(
                "strait_net_frames_refused_total",
                "Frames not sent because a queue was full.",
            ),
            dials: r.counter("strait_net_dials_total", "Dials begun."),
            dials_failed: r.counter(
                "strait_net_dials_failed_total",
                "Dials that reached no peer, or another one.",
            ),
            links_opened: r.counter("strait_net_links_opened_total", "Links that came up."),
            links_closed: r.counter("strait_net_links_closed_total", "Links that went down."),
            connections_refused: r.counter(
                "strait_net_connections_refused_total",
                "Inbound connections turned away: limits, foreign keys, failed handshakes.",
            ),
            violations: r.counter(
                "strait_net_violations_total",
                "Links ended because the peer broke a rule of the stream.",
            ),
            throttled: r.counter(
                "strait_net_throttled_total",
                "Times a peer's stream was not read because it sent too fast.",
            ),
            queued: r.gauge("strait_net_queued_bytes", "Bytes that wait to be sent to peers."),
        }
    }
}

/// Brings a counter up to a total that is counted elsewhere.
pub(super) fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

impl Metrics {
    /// Counts messages sent to peers.
    pub fn messages_sent(&self, count: u64) {
        self.of_network.messages_sent.inc_by(count);
    }

    /// Counts messages received from peers.
    pub fn messages_received(&self, count: u64) {
        self.of_network.messages_received.inc_by(count);
    }

    /// Tells how many peers are connected.
    pub fn set_peers_connected(&self, count: u64) {
        self.of_network.peers_connected.set(gauge_value(count));
    }

    /// Takes over what the network has counted. One caller at a time.
    pub fn set_network(&self, totals: &NetTotals, queued_bytes: u64) {
        let network = &self.of_network;
        let sent = Direction::Sent.value();
        let received = Direction::Received.value();
        raise(&network.frames.with_label_values(&[sent]), totals.frames_sent);
        raise(&network.frames.with_label_values(&[received]), totals.frames_received);
        raise(&network.bytes.with_label_values(&[sent]), totals.bytes_sent);
        raise(&network.bytes.with_label_values(&[received]), totals.bytes_received);
        raise(&network.frames_refused, totals.frames_refused);
        raise(&network.dials, totals.dials);
        raise(&network.dials_failed, totals.dials_failed);
        raise(&network.links_opened, totals.links_opened);
        raise(&network.links_closed, totals.links_closed);
        raise(&network.connections_refused, totals.connections_refused);
        raise(&network.violations, totals.violations);
        raise(&network.throttled, totals.throttled);
        network.queued.set(gauge_value(queued_bytes));
    }
}
