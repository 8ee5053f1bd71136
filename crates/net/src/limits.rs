//! Every bound of this crate, with its reason. What an operator may want to change is in [`Limits`].

use core::time::Duration;

use thiserror::Error;

/// The largest frame, in bytes. Spec: protocol, section 12. A round carries at most 512 KiB of operations; the rest
/// is room for openings and contracts.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Bytes of the length before each frame.
pub(crate) const FRAME_HEADER_BYTES: usize = 4;

/// What a queued frame is charged on top of its content, so that a million empty-looking frames are not free: the
/// vector, its place in the queue and the allocator's share.
pub(crate) const FRAME_OVERHEAD_BYTES: usize = 64;

/// What is read from a stream at once: one Yamux data frame, the most a sender of our kind puts in one.
pub(crate) const READ_BYTES: usize = 16 << 10;

/// How far a frame's buffer grows ahead of the bytes that have arrived: a peer pays for memory with traffic.
pub(crate) const GROW_BYTES: usize = 64 << 10;

/// Small frames are joined up to here before they are written, so that a burst costs few packets.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// How long a peer may take over one frame it has begun: 1 MiB at 35 kB/s.
pub(crate) const FRAME_STALL: Duration = Duration::from_secs(30);

/// How long a write may wait for the peer to read: as long as we allow for reading.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);

/// How long a closing link may take to write what was queued and see the peer close.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// How long [`crate::Service::run`] waits, after its shutdown, for connections to close.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(2);

/// How long a new connection may take for its handshakes, and a stream for its negotiation.
pub(crate) const NEGOTIATE: Duration = Duration::from_secs(10);

/// How long a connection without a channel stream lives. A live channel stream keeps its connection forever.
pub(crate) const IDLE: Duration = Duration::from_secs(15);

/// Two connections of one peer that are begun within this time of each other are taken for a simultaneous dial and
/// the first stays; a later one means that the peer has lost the first.
pub(crate) const SIMULTANEOUS: Duration = Duration::from_secs(5);

/// How often a peer is pinged, and how long its answer may take: a dead peer is found within the sum.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);
/// See [`PING_INTERVAL`].
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long [`crate::Handle::connect`] waits for a link, resolving, dialling and negotiating included.
pub(crate) const CONNECT: Duration = Duration::from_secs(25);

/// How long a caller of [`crate::Handle::connect`] still waits after its connection was closed: of two connections
/// dialled at once one is closed, and the other may be on its way.
pub(crate) const HOPE: Duration = Duration::from_secs(1);

/// How long a host name may take to resolve.
pub(crate) const RESOLVE: Duration = Duration::from_secs(5);

/// Calls of [`crate::Handle::connect`] that may wait at once.
pub(crate) const CONNECTS_WAITING_MAX: usize = 64;

/// How long a listener may take to report the address it is bound to.
pub(crate) const LISTEN: Duration = Duration::from_secs(5);

/// Addresses a node may listen on.
pub(crate) const LISTEN_ADDRESSES_MAX: usize = 64;

/// Connections of one peer: one in use, one that replaces it or loses a simultaneous dial.
pub(crate) const CONNECTIONS_PER_PEER_MAX: usize = 2;

/// Connections that may be on their way out at once on somebody's request; kept peers have [`DIALS_MAX`].
pub(crate) const CONNECTIONS_PENDING_MAX: u32 = 64;

/// The most that may be tuned for connections of others in their handshakes: eight bytes each are set aside.
pub(crate) const HANDSHAKES_MAX: usize = 1024;
/// Handshakes that one host may have under way: a node behind it needs one.
pub(crate) const HANDSHAKES_OF_HOST_MAX: usize = 4;

/// The most that may be tuned for dials of kept peers: all of them.
pub(crate) const DIALS_MAX: usize = KEPT_MAX;

/// Bytes for which a peer is charged a token: tokens are earned in whole nanoseconds, which bytes at 64 MiB a second are
/// not. A small frame is charged as much.
pub(crate) const BYTES_PER_TOKEN: u32 = 128;

/// How long a stranger's connection stays for sure while others want its place: time to ask for a channel.
pub(crate) const STRANGER_STAYS: Duration = Duration::from_secs(10);

/// Streams of one connection that may be in negotiation at once. Identify, ping and the channel need three.
pub(crate) const STREAMS_NEGOTIATING_MAX: usize = 16;

/// Links that may be ended to make room for one frame: each frees at least a mean share, unless it is being written.
pub(crate) const CROWDED_OUT_MAX: usize = 64;

/// Peers that may be kept connected.
pub(crate) const KEPT_MAX: usize = 1024;

/// Addresses of one kept peer: so many given by the operator, and so many learnt from the peer.
pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 8;

/// How long a peer is dialled where it said it was: two weeks after it said so last. One that is connected says so every few
/// minutes, and who moved in meanwhile did not ask for our calls.
pub(crate) const LEARNT_STAYS: Duration = Duration::from_hours(14 * 24);

/// A link that lives so long was a success: the next loss starts the back-off anew.
pub(crate) const STABLE: Duration = Duration::from_secs(10);

/// Yamux grows a stream's window from 256 KiB by what 1 GiB leaves after 256 KiB for each allowed stream, and
/// libp2p lets us set only the number of streams. All but four of the 4,096 that fit leave 1 MiB: a peer can pin
/// 1.25 MiB on its channel stream, and 20 MB/s still flow over a round trip of 60 ms. How many streams really live
/// is bounded by [`STREAMS_NEGOTIATING_MAX`].
pub(crate) const YAMUX_STREAMS: usize = 4096 - 4;

/// QUIC's windows, cut from 10 and 15 MB for the same reason.
pub(crate) const QUIC_STREAM_BYTES: u32 = 1 << 20;
/// See [`QUIC_STREAM_BYTES`].
pub(crate) const QUIC_CONNECTION_BYTES: u32 = 3 << 19;
/// Streams a QUIC peer may have open at once.
pub(crate) const QUIC_STREAMS: u32 = 16;

const _: () = assert!(READ_BYTES <= GROW_BYTES && GROW_BYTES <= FRAME_BYTES_MAX);
const _: () = assert!(YAMUX_STREAMS <= 4096, "yamux itself asserts it");
const _: () = assert!(QUIC_STREAM_BYTES <= QUIC_CONNECTION_BYTES);

/// The bounds an operator may change. Too small costs speed, too large costs memory when peers are hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that may wait to be written to one peer. Default 4 MiB: several rounds of the largest size.
    pub outgoing_per_peer_bytes: usize,
    /// Bytes that may wait to be written to all peers. Default 64 MiB. Beyond it the peer with the longest queue is
    /// disconnected, strangers before kept peers.
    pub outgoing_total_bytes: usize,
    /// Bytes of one peer that may wait for the consumer; then its stream is not read. Default 4 MiB.
    pub incoming_per_peer_bytes: usize,
    /// Bytes of all peers that may wait for the consumer. Default 64 MiB.
    pub incoming_total_bytes: usize,
    /// Frames of one peer that may wait for the consumer, however small; then its stream is not read. Default 256:
    /// thousands of a peer's frames would stand before every other peer's, and each may take the consumer a while.
    pub incoming_per_peer_frames: usize,
    /// Connections in all; kept peers are let in beyond it. Default 256.
    pub connections_max: u32,
    /// Connections others may begin, so that they cannot use up [`Self::connections_max`]. Default 192.
    pub connections_inbound_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            outgoing_per_peer_bytes: 4 << 20,
            outgoing_total_bytes: 64 << 20,
            incoming_per_peer_bytes: 4 << 20,
            incoming_total_bytes: 64 << 20,
            incoming_per_peer_frames: 256,
            connections_max: 256,
            connections_inbound_max: 192,
        }
    }
}

/// A limit that would stop the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("limit {name} is {actual}, and must lie between {least} and {most}")]
pub struct LimitsError {
    /// The field of [`Limits`].
    pub name: &'static str,
    /// The least that works.
    pub least: u64,
    /// The most that works.
    pub most: u64,
    /// What was given.
    pub actual: u64,
}

impl Limits {
    /// Checks that each limit lets at least one frame pass.
    pub(crate) fn check(&self) -> Result<(), LimitsError> {
        const ONE_FRAME: usize = FRAME_BYTES_MAX + FRAME_OVERHEAD_BYTES;
        const MEMORY_MAX: usize = 1 << 30;
        let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let rows = [
            ("outgoing_per_peer_bytes", self.outgoing_per_peer_bytes, ONE_FRAME),
            ("outgoing_total_bytes", self.outgoing_total_bytes, self.outgoing_per_peer_bytes),
            ("incoming_per_peer_bytes", self.incoming_per_peer_bytes, ONE_FRAME),
            ("incoming_total_bytes", self.incoming_total_bytes, self.incoming_per_peer_bytes),
        ]
        .map(|(name, actual, least)| (name, wide(actual), wide(least), wide(MEMORY_MAX)));
        let counts = [
            ("incoming_per_peer_frames", wide(self.incoming_per_peer_frames), 1, 1 << 20),
            ("connections_max", self.connections_max.into(), 1, 65_536),
            ("connections_inbound_max", self.connections_inbound_max.into(), 0, 65_536),
        ];
        for (name, actual, least, most) in rows.into_iter().chain(counts) {
            if !(least..=most).contains(&actual) {
                return Err(LimitsError { name, least, most, actual });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_and_a_queue_that_cannot_hold_one_frame_does_not() {
        assert_eq!(Limits::default().check(), Ok(()));
        let small = Limits { incoming_per_peer_bytes: FRAME_BYTES_MAX, ..Limits::default() };
        assert_eq!(
            small.check().unwrap_err().name,
            "incoming_per_peer_bytes",
            "a frame is charged more than its content"
        );
    }
}
