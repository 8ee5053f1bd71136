//! `[net]`, checked.

use std::time::Duration;

use super::Checker;
use crate::raw::RawNet;

/// `[net]`: limits towards peers, and how patiently they are dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConfig {
    /// `peers_max`: 1 to 10,000, default 256 connections. More is more memory for strangers to fill. Since 0.1.
    pub peers_max: u32,
    /// `queue_bytes_max`: 2 MiB (two frames) to 256 MiB, default 4 MiB for each peer. Since 0.1.
    pub queue_bytes_max: u32,
    /// `reconnect_ms`: 10 to 60,000, default 1,000: the pause after the first attempt to reach a peer that failed; it doubles.
    /// Shorter burdens a peer that is just starting. Live. Since 0.2.
    pub reconnect: Duration,
    /// `reconnect_ms_max`: from `reconnect_ms`, 1,000 to 3,600,000, default 60,000: the longest pause between attempts to
    /// reach a peer with which a channel is open. Longer delays payments after an outage. Live. Since 0.1.
    pub reconnect_max: Duration,
    /// `dials_max`: 1 to 1,024, default 256: peers dialled at once. Fewer find a peer later when many are away, more take
    /// that many sockets at a start. Live. Since 0.2.
    pub dials_max: u32,
    /// `handshakes_max`: 1 to 1,024, default 64: connections of others in their handshakes at once. Fewer are easier to use
    /// up, more cost that many key agreements in the same moment. Live. Since 0.2.
    pub handshakes_max: u32,
    /// `host_dials_per_second`: 1 to 65,536, default 2: connections that one address, or 64 bits of an IPv6 one, may begin.
    /// More makes it cheaper to keep the node busy with handshakes. Live. Since 0.2.
    pub host_dials_per_second: u32,
    /// `host_dials_burst`: 1 to 65,536, default 20: so many at once after a pause. Peers behind one address share it. Live.
    /// Since 0.2.
    pub host_dials_burst: u32,
    /// `peer_bytes_per_second`: 1 MiB to 128,000,000, default 64 MiB: what one peer may send; faster than that it is read
    /// more slowly. Less holds up large rounds, more lets one peer take the node from the others. Live. Since 0.2.
    pub peer_bytes_per_second: u32,
    /// `peer_frames_per_second`: 100 to 1,000,000, default 100,000: likewise in messages, three of which make a round. Live.
    /// Since 0.2.
    pub peer_frames_per_second: u32,
}

impl Checker {
    pub(super) fn net(&mut self, raw: &RawNet) -> NetConfig {
        const MIB: u64 = 1_024 * 1_024;
        const AT_ONCE: std::ops::RangeInclusive<u64> = 1..=1_024;
        const DIALS: std::ops::RangeInclusive<u64> = 1..=65_536;
        let most = raw.reconnect_ms_max;
        let bytes = raw.peer_bytes_per_second;
        let frames = raw.peer_frames_per_second;
        let per_second = raw.host_dials_per_second;
        NetConfig {
            peers_max: self.number("net.peers_max", raw.peers_max, 1..=10_000),
            queue_bytes_max: self.number(
                "net.queue_bytes_max",
                raw.queue_bytes_max,
                2 * MIB..=256 * MIB,
            ),
            reconnect: self.millis("net.reconnect_ms", raw.reconnect_ms, 10..=60_000),
            reconnect_max: self.millis(
                "net.reconnect_ms_max",
                most,
                raw.reconnect_ms.max(1_000)..=3_600_000,
            ),
            dials_max: self.number("net.dials_max", raw.dials_max, AT_ONCE),
            handshakes_max: self.number("net.handshakes_max", raw.handshakes_max, AT_ONCE),
            host_dials_per_second: self.number("net.host_dials_per_second", per_second, DIALS),
            host_dials_burst: self.number("net.host_dials_burst", raw.host_dials_burst, DIALS),
            peer_bytes_per_second: self.number(
                "net.peer_bytes_per_second",
                bytes,
                MIB..=128_000_000,
            ),
            peer_frames_per_second: self.number(
                "net.peer_frames_per_second",
                frames,
                100..=1_000_000,
            ),
        }
    }
}
