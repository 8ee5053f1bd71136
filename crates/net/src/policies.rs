//! How much peers may ask of this node, and how patiently it asks for them: rate limits, bulkheads and the pauses between
//! dials, tuned while the node runs.
//!
//! The composition root makes one [`Policies`] and hands it to the service. What they remember has a fixed size, whoever
//! dials: hosts share a table of places, a live connection has two buckets of its own, and nobody is remembered by the key
//! that they prove, of which anybody has as many as they like.
//!
//! **Invariant:** nothing here reads a frame or opens a connection.

use core::time::Duration;
use std::sync::Arc;

use strait_resilience::{
    Backoff, Bucket, Bulkhead, ClientLimit, ClientSlots, Clock, CoarseClock, Decision, Rate,
    RateSettings, Retry, RetrySettings, Tally,
};

use crate::limits::{BYTES_PER_TOKEN, DIALS_MAX, HANDSHAKES_MAX};

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicySettings {
    /// The pauses between dials of a kept peer. Default 1 s, doubling to 60 s. Longer spares dead peers' networks, shorter
    /// finds returning peers sooner.
    pub redial: Backoff,
    /// Connections that one host (an IPv4 address, or 64 bits of an IPv6 one) may begin. Default 2 a second after 20 at
    /// once; loopback is exempt. Raise it when peers come through a proxy that hides their addresses.
    pub host_dials: RateSettings,
    /// Connections of others that may be in their handshakes at once, over TCP and over QUIC each, up to 1,024. Default 64.
    pub handshakes_max: usize,
    /// Kept peers that may be dialled at once, up to 1,024. Default 256.
    pub dials_max: usize,
    /// Bytes one peer may send in a second, after a burst of a quarter of that; up to 128,000,000, 0 is no limit. Default
    /// 64 MiB: 100,000 payments a second in full rounds are 13 MB.
    pub peer_bytes_per_second: u32,
    /// Frames one peer may send in a second, after a burst of a quarter of that; up to 1,000,000, 0 is no limit. Default
    /// 100,000: three frames make a round, and on one host a round trip takes some tens of microseconds.
    pub peer_frames_per_second: u32,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            redial: Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) },
            host_dials: RateSettings { per_second: 2, burst: 20 },
            handshakes_max: 64,
            dials_max: 256,
            peer_bytes_per_second: 64 << 20,
            peer_frames_per_second: 100_000,
        }
    }
}

/// The policies of one node towards its peers.
#[derive(Debug)]
pub struct Policies {
    /// When a kept peer is dialled again. It is never given up: a payment channel does not end because a peer is away.
    pub(crate) redial: Retry,
    /// How often a host may begin a connection: handshakes cost this node more than they cost the caller.
    pub(crate) host_dials: ClientLimit,
    /// Handshakes that others have begun.
    pub(crate) handshakes: Handshakes,
    /// Dials of kept peers.
    pub(crate) dials: Arc<Bulkhead>,
    /// What a peer may send, in tokens of [`BYTES_PER_TOKEN`].
    peer_bytes: Rate,
    /// And in frames, however small.
    peer_frames: Rate,
    /// Frames taken, and pauses in reading whoever sends too fast.
    incoming: Tally,
}

/// Places for handshakes that others have begun.
///
/// Whoever writes a UDP packet can write any sender into it, and takes a place until the handshake is given up: QUIC has
/// places of its own, so that nobody keeps those out who come over TCP. Both can be filled from many hosts; the third kind is
/// for hosts that nobody else has.
#[derive(Debug)]
pub(crate) struct Handshakes {
    /// Over TCP.
    pub(crate) tcp: Arc<Bulkhead>,
    /// Over QUIC.
    pub(crate) quic: Arc<Bulkhead>,
    /// Of hosts that a kept peer came from, when the others are taken.
    pub(crate) known: Arc<Bulkhead>,
}

impl Handshakes {
    fn new(most: usize) -> Self {
        let [tcp, quic, known] =
            core::array::from_fn(|_| Arc::new(Bulkhead::new(most, HANDSHAKES_MAX)));
        Self { tcp, quic, known }
    }

    const fn all(&self) -> [&Arc<Bulkhead>; 3] {
        [&self.tcp, &self.quic, &self.known]
    }
}

/// What one connection may still send.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    bytes: Bucket,
    frames: Bucket,
}

impl Default for Policies {
    fn default() -> Self {
        Self::new(PolicySettings::default())
    }
}

impl Policies {
    /// Policies with these settings.
    #[must_use]
    pub fn new(settings: PolicySettings) -> Self {
        Self {
            // Its own jitter is not used: every pause is drawn with entropy of the service.
            redial: Retry::new(of_redial(settings.redial), 0),
            host_dials: ClientLimit::new(settings.host_dials, ClientSlots::default()),
            handshakes: Handshakes::new(settings.handshakes_max),
            dials: Arc::new(Bulkhead::new(settings.dials_max, DIALS_MAX)),
            peer_bytes: Rate::new(of_bytes(settings.peer_bytes_per_second)),
            peer_frames: Rate::new(of_frames(settings.peer_frames_per_second)),
            incoming: Tally::default(),
        }
    }

    /// Changes the settings; they count from the next dial, connection and frame on.
    pub fn tune(&self, settings: PolicySettings) {
        self.redial.tune(of_redial(settings.redial));
        self.host_dials.tune(settings.host_dials);
        for places in self.handshakes.all() {
            places.tune(settings.handshakes_max);
        }
        self.dials.tune(settings.dials_max);
        self.peer_bytes.tune(of_bytes(settings.peer_bytes_per_second));
        self.peer_frames.tune(of_frames(settings.peer_frames_per_second));
    }

    /// What was decided about dialling again: `Admitted` for a peer that is to be dialled, `Retried` for each dial or link
    /// that came to nothing.
    #[must_use]
    pub const fn retries(&self) -> [&Tally; 1] {
        [self.redial.tally()]
    }

    /// What was decided by rate: connections of hosts, and frames of peers, where `Refused` is a pause in reading.
    #[must_use]
    pub const fn rates(&self) -> [&Tally; 2] {
        [self.host_dials.tally(), &self.incoming]
    }

    /// What was decided by room: handshakes of others, and dials of this node, where `Refused` is a dial that waits.
    #[must_use]
    pub fn bulkheads(&self) -> [&Tally; 4] {
        let [tcp, quic, known] = self.handshakes.all().map(|places| places.tally());
        [tcp, quic, known, self.dials.tally()]
    }

    /// Charges a frame of so many bytes, and says how long to read nothing more of its peer.
    pub(crate) fn charge(&self, allowance: &Allowance, bytes: usize) -> Option<Duration> {
        let now = CoarseClock.now();
        let tokens = u32::try_from(bytes).unwrap_or(u32::MAX).div_ceil(BYTES_PER_TOKEN);
        let bytes = self.peer_bytes.charge(&allowance.bytes, tokens, now);
        let wait = bytes.max(self.peer_frames.charge(&allowance.frames, 1, now));
        self.incoming.count(Decision::Admitted);
        if wait.is_some() {
            self.incoming.count(Decision::Refused);
        }
        wait
    }
}

const fn of_redial(backoff: Backoff) -> RetrySettings {
    RetrySettings { attempts_max: u8::MAX, backoff }
}

/// Less than a token a second counts as one, for none would mean no limit.
fn of_bytes(per_second: u32) -> RateSettings {
    of_frames(per_second.div_ceil(BYTES_PER_TOKEN))
}

/// With a burst of a quarter of a second's worth.
fn of_frames(per_second: u32) -> RateSettings {
    RateSettings { per_second, burst: (per_second / 4).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_what_comes_after_waits_and_what_is_tuned_counts_at_once() {
        let slow = PolicySettings {
            peer_bytes_per_second: 128_000,
            peer_frames_per_second: 8,
            ..PolicySettings::default()
        };
        let (policies, allowance) = (Policies::new(slow), Allowance::default());
        assert_eq!([1, 1].map(|bytes| policies.charge(&allowance, bytes)), [None, None]);
        assert!(policies.charge(&allowance, 1).unwrap() > Duration::from_millis(100));
        policies.tune(PolicySettings { peer_frames_per_second: 0, ..slow });
        assert_eq!(policies.charge(&allowance, 1), None);
        let wait = policies.charge(&allowance, 1 << 20).unwrap();
        assert!(wait > Duration::from_secs(7), "a frame of a mebibyte takes eight: {wait:?}");
        let other = Allowance::default();
        assert_eq!(policies.charge(&other, 1), None, "each connection has its own");
        let [_, incoming] = policies.rates().map(Tally::counts);
        assert_eq!(incoming.of(Decision::Admitted), 6);
        assert_eq!(incoming.of(Decision::Refused), 2);
    }
}
