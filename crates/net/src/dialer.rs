//! Who is to stay connected, where, and when to dial next. The service asks it what is due and tells it what
//! happened.
//!
//! Dials go on for ever: a payment channel does not end because a peer is away. Time and entropy are arguments.
//!
//! ```text
//!            keep ▼                 link up
//!               Due ──poll_due──▶ Dialing ────────▶ Linked
//!                ▲                  │ failed, given up  │ link down
//!                └──── back-off ────┴──────────────────┘
//! ```

use core::time::Duration;
use std::collections::BTreeMap;

use strait_primitives::NodeId;
use tokio::time::Instant;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::limits::{ADDRESSES_PER_PEER_MAX, CONNECT, KEPT_MAX, STABLE};

/// All kept peers.
#[derive(Debug)]
pub(crate) struct Dialer {
    /// The waits between dials.
    backoff: Backoff,
    /// The peers; at most [`KEPT_MAX`].
    kept: BTreeMap<NodeId, Kept>,
}

/// One kept peer.
#[derive(Debug)]
struct Kept {
    /// Where the operator says it is.
    given: Vec<Address>,
    /// Where it says it is, newest first.
    learnt: Vec<Address>,
    /// Dials that have failed, and links that were lost young, since the last stable link.
    failures: u32,
    /// What is going on.
    phase: Phase,
}

/// See the diagram above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// To be dialled at this time.
    Due(Instant),
    /// Being dialled; taken for failed at this time if nothing is heard.
    Dialing(Instant),
    /// Connected since then.
    Linked(Instant),
}

/// There are [`KEPT_MAX`] kept peers already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Dialer {
    /// Keeps nobody yet.
    pub(crate) const fn new(backoff: Backoff) -> Self {
        Self { backoff, kept: BTreeMap::new() }
    }

    /// Keeps `peer` connected from now on, replacing addresses given before.
    pub(crate) fn keep(
        &mut self,
        peer: NodeId,
        addresses: &[Address],
        now: Instant,
    ) -> Result<(), Full> {
        if self.kept.len() >= KEPT_MAX && !self.kept.contains_key(&peer) {
            return Err(Full);
        }
        let fresh =
            Kept { given: Vec::new(), learnt: Vec::new(), failures: 0, phase: Phase::Due(now) };
        let kept = self.kept.entry(peer).or_insert(fresh);
        kept.given = addresses.iter().take(ADDRESSES_PER_PEER_MAX).cloned().collect();
        if let Phase::Due(_) = kept.phase {
            kept.phase = Phase::Due(now);
        }
        Ok(())
    }

    /// Dials `peer` no more.
    pub(crate) fn forget(&mut self, peer: &NodeId) {
        self.kept.remove(peer);
    }

    /// Remembers where a kept peer says it is.
    pub(crate) fn learn(&mut self, peer: &NodeId, addresses: impl Iterator<Item = Address>) {
        let Some(kept) = self.kept.get_mut(peer) else { return };
        let known = |address: &Address| !kept.given.contains(address);
        let learnt: Vec<_> = addresses.filter(known).take(ADDRESSES_PER_PEER_MAX).collect();
        kept.learnt.retain(|old| !learnt.contains(old));
        kept.learnt.splice(0..0, learnt);
        kept.learnt.truncate(ADDRESSES_PER_PEER_MAX);
    }

    /// Whether `peer` is kept.
    pub(crate) fn is_kept(&self, peer: &NodeId) -> bool {
        self.kept.contains_key(peer)
    }

    /// The kept peers, in order.
    pub(crate) fn kept(&self) -> impl Iterator<Item = NodeId> {
        self.kept.keys().copied()
    }

    /// When [`Self::poll_due`] has something next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = self.kept.values().filter_map(|kept| match kept.phase {
            Phase::Due(at) | Phase::Dialing(at) => Some(at),
            Phase::Linked(_) => None,
        });
        due.min()
    }

    /// A peer to dial now, and where. Call until it has none.
    pub(crate) fn poll_due(
        &mut self,
        now: Instant,
        entropy: u64,
    ) -> Option<(NodeId, Vec<Address>)> {
        for (peer, kept) in &mut self.kept {
            match kept.phase {
                Phase::Due(at) if at <= now => {
                    kept.phase = Phase::Dialing(now + CONNECT);
                    return Some((*peer, kept.given.iter().chain(&kept.learnt).cloned().collect()));
                }
                Phase::Dialing(until) if until <= now => kept.fail(self.backoff, now, entropy),
                Phase::Due(_) | Phase::Dialing(_) | Phase::Linked(_) => {}
            }
        }
        None
    }

    /// A link to `peer` is up.
    pub(crate) fn handle_link_up(&mut self, peer: &NodeId, now: Instant) {
        if let Some(kept) = self.kept.get_mut(peer) {
            kept.phase = Phase::Linked(now);
        }
    }

    /// A dial failed, or the link to `peer` is gone.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, now: Instant, entropy: u64) {
        let Some(kept) = self.kept.get_mut(peer) else { return };
        match kept.phase {
            Phase::Due(_) => {}
            Phase::Dialing(_) => kept.fail(self.backoff, now, entropy),
            Phase::Linked(since) => {
                if now.duration_since(since) >= STABLE {
                    kept.failures = 0;
                }
                kept.fail(self.backoff, now, entropy);
            }
        }
    }
}

impl Kept {
    /// Schedules the next dial.
    fn fail(&mut self, backoff: Backoff, now: Instant, entropy: u64) {
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Due(now + backoff.wait(self.failures, entropy));
    }
}

/// The longest wait that [`Dialer::next_due`] is slept for, so that a clock that jumps does no lasting harm.
pub(crate) const DOZE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId::from_bytes([2; 33]);

    fn address(port: u16) -> Address {
        format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_kept_peer_is_dialled_at_once_and_then_ever_more_slowly_but_for_ever() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Backoff::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(dialer.poll_due(now, 0), Some((PEER, vec![address(1)])));
            assert_eq!(dialer.poll_due(now, 0), None, "one dial at a time");
            dialer.handle_link_down(&PEER, now, u64::MAX - 1);
            let due = dialer.next_due().unwrap();
            waits.push(due.duration_since(now).as_secs());
            now = due;
        }
        assert!(waits.is_sorted() && waits.iter().all(|wait| *wait <= 60), "{waits:?}");
        assert!(*waits.last().unwrap() >= 30, "{waits:?}");
    }

    #[test]
    fn only_a_stable_link_starts_the_back_off_anew() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Backoff::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        for _ in 0..5 {
            dialer.handle_link_up(&PEER, start);
            dialer.handle_link_down(&PEER, start + seconds(1), 0);
        }
        assert!(dialer.next_due().unwrap() >= start + seconds(8), "a flapping peer waits");
        dialer.handle_link_up(&PEER, start);
        assert_eq!(dialer.next_due(), None, "a linked peer is not dialled");
        dialer.handle_link_down(&PEER, start + STABLE, 0);
        assert!(dialer.next_due().unwrap() <= start + STABLE + seconds(1));
    }

    #[test]
    fn a_dial_that_is_never_heard_of_again_counts_as_failed() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Backoff::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        assert!(dialer.poll_due(start, 0).is_some());
        assert_eq!(dialer.poll_due(start + CONNECT, 0), None);
        assert!(dialer.poll_due(start + CONNECT + seconds(1), 0).is_some());
    }

    #[test]
    fn learnt_addresses_come_after_given_ones_and_are_few() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Backoff::default());
        dialer.learn(&PEER, [address(9)].into_iter());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        dialer.learn(&PEER, (1..40).map(address));
        dialer.learn(&PEER, [address(50)].into_iter());
        let (_, addresses) = dialer.poll_due(start, 0).unwrap();
        assert_eq!(addresses[..3], [address(1), address(50), address(2)]);
        assert_eq!(addresses.len(), 1 + ADDRESSES_PER_PEER_MAX);
        dialer.forget(&PEER);
        assert_eq!(dialer.next_due(), None);
    }
}
