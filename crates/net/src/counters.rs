//! What the network has done so far, in numbers that only grow; telemetry reads them.

use core::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of the counters since the service was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames delivered to the consumer.
    pub frames_in: u64,
    /// Content of those frames.
    pub bytes_in: u64,
    /// Frames handed to the transport.
    pub frames_out: u64,
    /// Content of those frames.
    pub bytes_out: u64,
    /// Frames refused because a queue was full.
    pub frames_refused: u64,
    /// Dials begun.
    pub dial_attempts: u64,
    /// Dials that reached no peer, or another one.
    pub dial_failures: u64,
    /// Links that came up.
    pub links_opened: u64,
    /// Links that went down.
    pub links_closed: u64,
    /// Inbound connections turned away: limits, foreign keys, failed handshakes.
    pub connections_refused: u64,
    /// Links ended because the peer broke a rule of the stream.
    pub violations: u64,
    /// Times a peer's stream was not read because it sent too fast.
    pub throttled: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) frames_in: Meter,
    pub(crate) bytes_in: Meter,
    pub(crate) frames_out: Meter,
    pub(crate) bytes_out: Meter,
    pub(crate) frames_refused: Meter,
    pub(crate) dial_attempts: Meter,
    pub(crate) dial_failures: Meter,
    pub(crate) links_opened: Meter,
    pub(crate) links_closed: Meter,
    pub(crate) connections_refused: Meter,
    pub(crate) violations: Meter,
    pub(crate) throttled: Meter,
}

impl Meters {
    /// Reads all; each is exact, together they are of almost one moment.
    pub(crate) fn read(&self) -> Counters {
        Counters {
            frames_in: self.frames_in.read(),
            bytes_in: self.bytes_in.read(),
            frames_out: self.frames_out.read(),
            bytes_out: self.bytes_out.read(),
            frames_refused: self.frames_refused.read(),
            dial_attempts: self.dial_attempts.read(),
            dial_failures: self.dial_failures.read(),
            links_opened: self.links_opened.read(),
            links_closed: self.links_closed.read(),
            connections_refused: self.connections_refused.read(),
            violations: self.violations.read(),
            throttled: self.throttled.read(),
        }
    }
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

impl Meter {
    /// Counts one.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// Counts several.
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The number.
    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
