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
use std::sync::Arc;

use strait_primitives::NodeId;
use strait_resilience::{Attempts, Bulkhead, Permit};
use tokio::time::Instant;

use crate::address::Address;
use crate::limits::{ADDRESSES_PER_PEER_MAX, CONNECT, KEPT_MAX, LEARNT_STAYS, STABLE};
use crate::policies::Policies;

/// All kept peers.
#[derive(Debug)]
pub(crate) struct Dialer {
    /// The pauses between dials, and how many there may be at once.
    policies: Arc<Policies>,
    /// The peers; at most [`KEPT_MAX`].
    kept: BTreeMap<NodeId, Kept>,
    /// Whether a dial is worth a try.
    places: Places,
}

/// Whether there may be a place for another dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Nobody was refused one since a dial has ended.
    Open,
    /// All were taken when one was last asked for.
    Taken,
}

/// One kept peer.
#[derive(Debug)]
struct Kept {
    /// Where the operator says it is.
    given: Vec<Address>,
    /// Where it says it is, newest first.
    learnt: Vec<Learnt>,
    /// Dials that have failed, and links that were lost young, since the last stable link.
    attempts: Attempts,
    /// What is going on.
    phase: Phase,
}

/// Where a peer says it is.
#[derive(Debug)]
struct Learnt {
    address: Address,
    /// Until when it is dialled there, unless it says so again.
    until: Instant,
}

/// See the diagram above.
#[derive(Debug)]
enum Phase {
    /// To be dialled at this time, or as soon as there is a place after it.
    Due(Instant),
    /// Being dialled.
    Dialing {
        /// When it is taken for failed if nothing is heard.
        until: Instant,
        /// Among the dials that may be under way.
        _place: Permit<Arc<Bulkhead>>,
    },
    /// Connected since then.
    Linked(Instant),
}

/// There are [`KEPT_MAX`] kept peers already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Dialer {
    /// Keeps nobody yet.
    pub(crate) const fn new(policies: Arc<Policies>) -> Self {
        Self { policies, kept: BTreeMap::new(), places: Places::Open }
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
        let kept = self.kept.entry(peer).or_insert_with(|| Kept {
            given: Vec::new(),
            learnt: Vec::new(),
            attempts: self.policies.redial.begin(),
            phase: Phase::Due(now),
        });
        kept.given = addresses.iter().take(ADDRESSES_PER_PEER_MAX).cloned().collect();
        if let Phase::Due(_) = kept.phase {
            kept.phase = Phase::Due(now);
        }
        Ok(())
    }

    /// Dials `peer` no more.
    pub(crate) fn forget(&mut self, peer: &NodeId) {
        self.kept.remove(peer);
        self.places = Places::Open;
    }

    /// Remembers for [`LEARNT_STAYS`] where a kept peer says it is.
    pub(crate) fn learn(
        &mut self,
        peer: &NodeId,
        addresses: impl Iterator<Item = Address>,
        now: Instant,
    ) {
        let Some(kept) = self.kept.get_mut(peer) else { return };
        let known = |address: &Address| !kept.given.contains(address);
        let learnt: Vec<_> = addresses.filter(known).take(ADDRESSES_PER_PEER_MAX).collect();
        kept.learnt.retain(|old| !learnt.contains(&old.address));
        let until = now + LEARNT_STAYS;
        kept.learnt.splice(0..0, learnt.into_iter().map(|address| Learnt { address, until }));
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

    /// When [`Self::poll_due`], which has nothing left now, has something next. Who waits for a place has no time: a dial that
    /// ends is what it waits for.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        let due = self.kept.values().filter_map(|kept| match kept.phase {
            Phase::Due(at) => (at > now).then_some(at),
            Phase::Dialing { until, .. } => Some(until),
            Phase::Linked(_) => None,
        });
        due.min()
    }

    /// A peer to dial now, and where. Call until it has none.
    ///
    /// Where places are short, whoever was due first goes first, however often it has failed: peers that cannot be reached
    /// delay the others, and keep nobody out.
    pub(crate) fn poll_due(
        &mut self,
        now: Instant,
        entropy: u64,
    ) -> Option<(NodeId, Vec<Address>)> {
        self.end_silent(now, entropy);
        if self.places == Places::Taken {
            return None;
        }
        let due = self.kept.iter_mut().filter_map(|(peer, kept)| match kept.phase {
            Phase::Due(at) if at <= now => Some((at, *peer, kept)),
            Phase::Due(_) | Phase::Dialing { .. } | Phase::Linked(_) => None,
        });
        let (_, peer, kept) = due.min_by_key(|(at, peer, _)| (*at, *peer))?;
        let Ok(place) = Bulkhead::enter(Arc::clone(&self.policies.dials)) else {
            self.places = Places::Taken;
            return None;
        };
        kept.phase = Phase::Dialing { until: now + CONNECT, _place: place };
        kept.learnt.retain(|learnt| learnt.until > now);
        let learnt = kept.learnt.iter().map(|learnt| &learnt.address);
        Some((peer, kept.given.iter().chain(learnt).cloned().collect()))
    }

    /// Dials of which nothing was heard have failed.
    fn end_silent(&mut self, now: Instant, entropy: u64) {
        for kept in self.kept.values_mut() {
            if let Phase::Dialing { until, .. } = kept.phase
                && until <= now
            {
                kept.fail(&self.policies, now, entropy);
                self.places = Places::Open;
            }
        }
    }

    /// A link to `peer` is up.
    pub(crate) fn handle_link_up(&mut self, peer: &NodeId, now: Instant) {
        if let Some(kept) = self.kept.get_mut(peer) {
            kept.phase = Phase::Linked(now);
            self.places = Places::Open;
        }
    }

    /// A dial failed, or the link to `peer` is gone.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, now: Instant, entropy: u64) {
        let Some(kept) = self.kept.get_mut(peer) else { return };
        match kept.phase {
            Phase::Due(_) => {}
            Phase::Dialing { .. } => kept.fail(&self.policies, now, entropy),
            Phase::Linked(since) => {
                if now.duration_since(since) >= STABLE {
                    kept.attempts = self.policies.redial.begin();
                }
                kept.fail(&self.policies, now, entropy);
            }
        }
        self.places = Places::Open;
    }
}

impl Kept {
    /// Schedules the next dial.
    fn fail(&mut self, policies: &Policies, now: Instant, entropy: u64) {
        self.phase = Phase::Due(now + policies.redial.again(&mut self.attempts, entropy));
    }
}

/// The longest wait that [`Dialer::next_due`] is slept for, so that a clock that jumps does no lasting harm.
pub(crate) const DOZE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use strait_resilience::{Backoff, Decision};

    use super::*;
    use crate::policies::PolicySettings;

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
        let mut dialer = Dialer::new(Arc::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(dialer.poll_due(now, 0), Some((PEER, vec![address(1)])));
            assert_eq!(dialer.poll_due(now, 0), None, "one dial at a time");
            dialer.handle_link_down(&PEER, now, u64::MAX - 1);
            let due = dialer.next_due(now).unwrap();
            waits.push(due.duration_since(now).as_secs());
            now = due;
        }
        assert!(waits.is_sorted() && waits.iter().all(|wait| *wait <= 60), "{waits:?}");
        assert!(*waits.last().unwrap() >= 30, "{waits:?}");
    }

    #[test]
    fn only_a_stable_link_starts_the_back_off_anew() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Arc::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        for _ in 0..5 {
            dialer.handle_link_up(&PEER, start);
            dialer.handle_link_down(&PEER, start + seconds(1), 0);
        }
        assert!(dialer.next_due(start).unwrap() >= start + seconds(8), "a flapping peer waits");
        dialer.handle_link_up(&PEER, start);
        assert_eq!(dialer.next_due(start), None, "a linked peer is not dialled");
        dialer.handle_link_down(&PEER, start + STABLE, 0);
        assert!(dialer.next_due(start).unwrap() <= start + STABLE + seconds(1));
    }

    #[test]
    fn a_dial_that_is_never_heard_of_again_counts_as_failed() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Arc::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        assert!(dialer.poll_due(start, 0).is_some());
        assert_eq!(dialer.poll_due(start + CONNECT, 0), None);
        assert!(dialer.poll_due(start + CONNECT + seconds(1), 0).is_some());
    }

    #[test]
    fn learnt_addresses_come_after_given_ones_and_are_few() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Arc::default());
        dialer.learn(&PEER, [address(9)].into_iter(), start);
        dialer.keep(PEER, &[address(1)], start).unwrap();
        dialer.learn(&PEER, (1..40).map(address), start);
        dialer.learn(&PEER, [address(50)].into_iter(), start);
        let (_, addresses) = dialer.poll_due(start, 0).unwrap();
        assert_eq!(addresses[..3], [address(1), address(50), address(2)]);
        assert_eq!(addresses.len(), 1 + ADDRESSES_PER_PEER_MAX);
        dialer.forget(&PEER);
        assert_eq!(dialer.next_due(start), None);
    }

    #[test]
    fn an_address_that_a_peer_told_is_forgotten_unless_it_is_told_again() {
        let start = Instant::now();
        let mut dialer = Dialer::new(Arc::default());
        dialer.keep(PEER, &[address(1)], start).unwrap();
        dialer.learn(&PEER, [address(2), address(3)].into_iter(), start);
        let again = start + LEARNT_STAYS / 2;
        dialer.learn(&PEER, [address(3)].into_iter(), again);
        let mut addresses = |at| {
            let (_, addresses) = dialer.poll_due(at, 0).unwrap();
            dialer.handle_link_down(&PEER, at, 0);
            addresses
        };
        assert_eq!(addresses(again), [1, 3, 2].map(address));
        assert_eq!(addresses(start + LEARNT_STAYS), [1, 3].map(address));
        assert_eq!(addresses(again + LEARNT_STAYS), [1].map(address), "what was given stays");
    }

    #[test]
    fn where_places_are_short_the_longest_due_goes_first_and_a_dial_that_ends_makes_room() {
        let start = Instant::now();
        let settings = PolicySettings { dials_max: 2, ..PolicySettings::default() };
        let policies = Arc::new(Policies::new(settings));
        let mut dialer = Dialer::new(Arc::clone(&policies));
        let [a, b, c, d] = [5, 4, 3, 2].map(|byte| NodeId::from_bytes([byte; 33]));
        for (after, peer) in [a, b, c, d].into_iter().enumerate() {
            let later = Duration::from_millis(u64::try_from(after).unwrap());
            dialer.keep(peer, &[address(1)], start + later).unwrap();
        }
        let now = start + seconds(1);
        let poll = |dialer: &mut Dialer, at| dialer.poll_due(at, 0).map(|(peer, _)| peer);
        assert_eq!([(); 3].map(|()| poll(&mut dialer, now)), [Some(a), Some(b), None]);
        assert_eq!(dialer.next_due(now), Some(now + CONNECT), "who waits for a place wakes nobody");
        assert_eq!(poll(&mut dialer, now), None);
        dialer.handle_link_up(&b, now);
        assert_eq!([(); 2].map(|()| poll(&mut dialer, now)), [Some(c), None]);
        dialer.forget(&c);
        assert_eq!([(); 2].map(|()| poll(&mut dialer, now)), [Some(d), None]);
        // The dial of a, of which nothing is ever heard, ends as well.
        assert_eq!(poll(&mut dialer, now + CONNECT), None);
        assert_eq!(policies.dials.under_way(), 0);
        let [.., dials] = policies.bulkheads().map(|tally| tally.counts());
        assert_eq!((dials.of(Decision::Admitted), dials.of(Decision::Refused)), (4, 2));
    }

    #[test]
    fn shorter_pauses_count_from_the_next_failure_on() {
        let start = Instant::now();
        let policies = Arc::<Policies>::default();
        let mut dialer = Dialer::new(Arc::clone(&policies));
        dialer.keep(PEER, &[address(1)], start).unwrap();
        for _ in 0..9 {
            dialer.handle_link_up(&PEER, start);
            dialer.handle_link_down(&PEER, start, 0);
        }
        assert!(dialer.next_due(start).unwrap() >= start + seconds(30));
        let redial = Backoff { first: seconds(1), most: seconds(2) };
        policies.tune(PolicySettings { redial, ..PolicySettings::default() });
        dialer.handle_link_up(&PEER, start);
        dialer.handle_link_down(&PEER, start, 0);
        assert!(dialer.next_due(start).unwrap() <= start + seconds(2));
        let [counts] = policies.retries().map(|tally| tally.counts());
        assert_eq!((counts.of(Decision::Admitted), counts.of(Decision::Retried)), (1, 10));
    }
}
