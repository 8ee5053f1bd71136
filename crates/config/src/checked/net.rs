//! `[net]`, checked.

use std::time::Duration;

use super::Checker;
use crate::raw::RawNet;

/// `[net]`: limits towards peers, and how patiently they are dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConfig {
    /// `net.peers_max`.
    pub peers_max: u32,
    /// `net.queue_bytes_max`.
    pub queue_bytes_max: u32,
    /// `net.reconnect_ms`.
    pub reconnect: Duration,
    /// `net.reconnect_ms_max`.
    pub reconnect_max: Duration,
    /// `net.dials_max`.
    pub dials_max: u32,
    /// `net.handshakes_max`.
    pub handshakes_max: u32,
    /// `net.host_dials_per_second`.
    pub host_dials_per_second: u32,
    /// `net.host_dials_burst`.
    pub host_dials_burst: u32,
    /// `net.peer_bytes_per_second`.
    pub peer_bytes_per_second: u32,
    /// `net.peer_frames_per_second`.
    pub peer_frames_per_second: u32,
}

impl Checker {
    pub(super) fn net(&mut self, raw: &RawNet) -> NetConfig {
        NetConfig {
            peers_max: self.number("net.peers_max", raw.peers_max),
            queue_bytes_max: self.number("net.queue_bytes_max", raw.queue_bytes_max),
            reconnect: self.millis("net.reconnect_ms", raw.reconnect_ms),
            reconnect_max: self.millis("net.reconnect_ms_max", raw.reconnect_ms_max),
            dials_max: self.number("net.dials_max", raw.dials_max),
            handshakes_max: self.number("net.handshakes_max", raw.handshakes_max),
            host_dials_per_second: self
                .number("net.host_dials_per_second", raw.host_dials_per_second),
            host_dials_burst: self.number("net.host_dials_burst", raw.host_dials_burst),
            peer_bytes_per_second: self
                .number("net.peer_bytes_per_second", raw.peer_bytes_per_second),
            peer_frames_per_second: self
                .number("net.peer_frames_per_second", raw.peer_frames_per_second),
        }
    }
}
