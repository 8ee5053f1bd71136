//! A bucket for each client, in a table of fixed size.
//!
//! A full bucket is like one that was never touched, so only clients that took tokens lately need a place, and a place
//! whose bucket is full again is free. Where all places of a set are taken, the client that is nearest to a full bucket
//! loses its place: it loses the least, and nobody pays for what somebody else took.
//!
//! Two clients that race for one place may be charged a token for each other; no more hangs on it than that.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Bucket, Rate, RateSettings, decided};
use crate::clock::{Clock, Moment};
use crate::limits::WAYS;
use crate::refusal::Refusal;
use crate::tally::Tally;

/// How many clients with buckets that are not full a [`ClientLimit`] tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSlots {
    /// Sets of eight places, each place 16 bytes; brought to the next power of two, at most 2^20.
    pub sets: u32,
}

impl Default for ClientSlots {
    /// 8,192 places, 128 KiB.
    fn default() -> Self {
        Self { sets: 1_024 }
    }
}

/// One client's place.
#[derive(Debug, Default)]
struct Place {
    /// Whose it is.
    client: AtomicU64,
    bucket: Bucket,
}

/// A rate limit on each client by itself.
#[derive(Debug)]
pub struct ClientLimit {
    rate: Rate,
    /// As many sets as a power of two.
    sets: Box<[[Place; WAYS]]>,
    tally: Tally,
}

impl ClientLimit {
    /// A limit that no client has touched.
    #[must_use]
    pub fn new(settings: RateSettings, slots: ClientSlots) -> Self {
        let sets = slots.sets.clamp(1, 1 << 20).next_power_of_two();
        let sets = (0..sets).map(|_| <[Place; WAYS]>::default()).collect();
        Self { rate: Rate::new(settings), sets, tally: Tally::default() }
    }

    /// Changes rate and burst for every client.
    pub fn tune(&self, settings: RateSettings) {
        self.rate.tune(settings);
    }

    /// True if there is no limit.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.rate.is_off()
    }

    /// Lets a client's call through if there is a token for it. `client` is a number that differs between clients and that
    /// none of them can choose or guess: a hash with a secret.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if there is none.
    pub fn admit<C: Clock + ?Sized>(&self, client: u64, clock: &C) -> Result<(), Refusal> {
        let taken = if self.rate.is_off() {
            Ok(())
        } else {
            let now = clock.now();
            self.place(client, now).map_or(Ok(()), |place| self.rate.take(&place.bucket, now))
        };
        decided(&self.tally, taken)
    }

    /// What was decided so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The client's place, made if it has none.
    fn place(&self, client: u64, now: Moment) -> Option<&Place> {
        // Zero is nobody.
        let client = client.max(1);
        let mask = u64::try_from(self.sets.len()).ok()?.checked_sub(1)?;
        // The low bits are not used again: a place knows its client by the whole number.
        let set = self.sets.get(usize::try_from(client & mask).ok()?)?;
        let own = set.iter().find(|place| place.client.load(Ordering::Relaxed) == client);
        if own.is_some() {
            return own;
        }
        let place = set.iter().min_by_key(|place| place.bucket.paid_at())?;
        place.client.store(client, Ordering::Relaxed);
        if !place.bucket.is_full(now) {
            place.bucket.paid_at.store(now.as_ns(), Ordering::Relaxed);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::clock::SteppedClock;

    const SLOW: RateSettings = RateSettings { per_second: 1, burst: 3 };

    fn admitted(limit: &ClientLimit, client: u64, clock: &SteppedClock) -> usize {
        (0..10).filter(|_| limit.admit(client, clock).is_ok()).count()
    }

    #[test]
    fn each_client_has_its_own_bucket() {
        let (limit, clock) =
            (ClientLimit::new(SLOW, ClientSlots::default()), SteppedClock::default());
        for client in 1..5_000 {
            assert_eq!(admitted(&limit, client, &clock), 3, "client {client}");
        }
        for client in 1..5_000 {
            assert_eq!(admitted(&limit, client, &clock), 0, "client {client}");
        }
        clock.advance(Duration::from_secs(2));
        assert_eq!(admitted(&limit, 7, &clock), 2);
    }

    #[test]
    fn a_crowd_never_takes_the_tokens_of_a_client_that_comes_new() {
        let (limit, clock) =
            (ClientLimit::new(SLOW, ClientSlots { sets: 1 }), SteppedClock::default());
        for client in 1..1_000 {
            assert_eq!(admitted(&limit, client, &clock), 3, "client {client}");
        }
        assert_eq!(limit.sets.len(), 1, "and the table has not grown");
    }

    #[test]
    fn no_limit_is_no_limit() {
        let off = RateSettings { per_second: 0, burst: 1 };
        let (limit, clock) =
            (ClientLimit::new(off, ClientSlots::default()), SteppedClock::default());
        assert_eq!(admitted(&limit, 1, &clock), 10);
        limit.tune(SLOW);
        assert_eq!(admitted(&limit, 1, &clock), 3, "and it can be set while running");
    }
}
