//! Which requests that move money are known, so that none is done twice (ADR-0006).
//!
//! A request is known from the event on that begins it: the proposal that carries it, or `RequestBegun`. Before that it
//! waits in memory alone, and a crash forgets it together with the promise that was never given.
//!
//! Requests are kept by the page: all that one round carried, or one that no round carries. A page whose outcome is not
//! known is never forgotten; the others are, oldest first, once there are many and they are old enough. How old they are
//! is told by `ClockNoted`, so that a replay forgets exactly what was forgotten.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decoder, Encoder};
use strait_primitives::{ChannelId, CommitmentNumber, RequestKey, Timestamp};

use crate::PaymentDone;
use crate::event::RequestSubject;
use crate::limits::{KEPT_AT_LEAST, REQUESTS_KEPT};

/// A request that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRequest {
    /// The hash of what was asked.
    pub digest: RequestKey,
    /// What became of it.
    pub fate: RequestFate,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFate {
    /// A round carries it.
    InRound {
        /// Through which channel.
        channel: ChannelId,
        /// Leading to which number.
        number: CommitmentNumber,
        /// The place of its first operation.
        first_index: u32,
        /// How many operations are its.
        count: u32,
    },
    /// It became something of its own.
    Became(RequestSubject),
    /// Its round was never accepted, and the channel is settled without it: nothing of it was done.
    Failed(ChannelId),
}

/// One request of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct PlacedRequest {
    /// Its key.
    #[n(0)]
    pub(crate) key: RequestKey,
    /// The hash of what was asked.
    #[n(1)]
    pub(crate) digest: RequestKey,
    /// The place of its first operation among the round's.
    #[n(2)]
    pub(crate) first_index: u32,
    /// How many operations are its.
    #[n(3)]
    pub(crate) count: u32,
}

/// What was begun by one event.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
enum Content {
    /// A round carries these.
    #[n(0)]
    Round {
        #[n(0)]
        channel: ChannelId,
        #[n(1)]
        number: CommitmentNumber,
        #[n(2)]
        requests: Vec<PlacedRequest>,
    },
    /// The channel was settled without the round that carried these.
    #[n(1)]
    Failed {
        #[n(0)]
        channel: ChannelId,
        #[n(1)]
        requests: Vec<PlacedRequest>,
    },
    /// No round carries this one.
    #[n(2)]
    Begun {
        #[n(0)]
        key: RequestKey,
        #[n(1)]
        digest: RequestKey,
        #[n(2)]
        subject: RequestSubject,
    },
}

/// Whether a page may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
enum Standing {
    /// Never: its outcome is open.
    #[n(0)]
    InFlight,
    /// Its outcome is known, and no time was told since.
    #[n(1)]
    Undated,
    /// Its outcome was known by this time.
    #[n(2)]
    Since(#[n(0)] Timestamp),
}

/// Requests that were begun together.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
struct Page {
    #[n(0)]
    standing: Standing,
    #[n(1)]
    content: Content,
}

/// Where a request stands: the number of its page, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    page: u64,
    index: u32,
}

/// All requests that are remembered.
///
/// On disk it is its pages, by number; the rest follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestBook {
    /// Numbered in the order in which they were begun.
    pages: BTreeMap<u64, Page>,
    /// Where each key stands.
    places: BTreeMap<RequestKey, Place>,
    /// The page of each channel whose outcome is open: of its outstanding proposal, or of its opening.
    in_flight: BTreeMap<ChannelId, u64>,
    /// Pages that the next time dates.
    undated: BTreeSet<u64>,
}

impl RequestBook {
    /// What is known of a key.
    #[must_use]
    pub fn find(&self, key: &RequestKey) -> Option<KnownRequest> {
        let place = self.places.get(key)?;
        let page = self.pages.get(&place.page).expect("a place is on a page");
        page.content.known(place.index)
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True if none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// True if it matters to the book that time passes.
    pub(crate) fn wants_time(&self) -> bool {
        !self.undated.is_empty() || self.len() > REQUESTS_KEPT
    }

    /// The latest moment that was told and that a page still bears.
    pub(crate) fn latest_moment(&self) -> Timestamp {
        let told = self.pages.values().filter_map(|page| match page.standing {
            Standing::Since(at) => Some(at),
            Standing::InFlight | Standing::Undated => None,
        });
        told.max().unwrap_or_default()
    }

    /// A round that carries these is proposed; nothing of it is known before it ends.
    pub(crate) fn note_round(
        &mut self,
        channel: ChannelId,
        number: CommitmentNumber,
        requests: Vec<PlacedRequest>,
    ) {
        self.settle(channel);
        if !requests.is_empty() {
            let content = Content::Round { channel, number, requests };
            self.add(Page { standing: Standing::InFlight, content });
        }
    }

    /// A request that no round carries is begun. An opening is in flight until the channel is signed or given up.
    pub(crate) fn note_begun(
        &mut self,
        key: RequestKey,
        digest: RequestKey,
        subject: RequestSubject,
    ) {
        let standing = match subject {
            RequestSubject::OpenChannel(_) => Standing::InFlight,
            RequestSubject::SendCoins(..) => Standing::Undated,
        };
        self.add(Page { standing, content: Content::Begun { key, digest, subject } });
    }

    /// The requests in flight on a channel.
    pub(crate) fn in_flight_keys(&self, channel: ChannelId) -> Vec<RequestKey> {
        let page = self.in_flight.get(&channel).and_then(|number| self.pages.get(number));
        page.map(|page| page.content.keys().collect()).unwrap_or_default()
    }

    /// What was in flight on a channel is so no more: from here on it ages.
    pub(crate) fn settle(&mut self, channel: ChannelId) {
        let Some(number) = self.in_flight.remove(&channel) else { return };
        let page = self.pages.get_mut(&number).expect("what is in flight has a page");
        page.standing = Standing::Undated;
        self.undated.insert(number);
    }

    /// What was in flight on a channel will never be done.
    pub(crate) fn fail(&mut self, failed: ChannelId) {
        let page = self.in_flight.get(&failed).and_then(|number| self.pages.get_mut(number));
        if let Some(Page { content, .. }) = page
            && let Content::Round { channel, requests, .. } = content
        {
            *content = Content::Failed { channel: *channel, requests: core::mem::take(requests) };
        }
        self.settle(failed);
    }

    /// It is `now`: dates what was settled since the last time told, and forgets what is many and old.
    pub(crate) fn note_time(&mut self, now: Timestamp) {
        for number in core::mem::take(&mut self.undated) {
            let page = self.pages.get_mut(&number).expect("what is undated has a page");
            page.standing = Standing::Since(now);
        }
        let mut old = Vec::new();
        let mut left = self.places.len();
        for (number, page) in &self.pages {
            if left <= REQUESTS_KEPT {
                break;
            }
            match page.standing {
                Standing::InFlight | Standing::Undated => {}
                Standing::Since(at) if now.since(at) >= KEPT_AT_LEAST => {
                    left = left.saturating_sub(page.content.keys().count());
                    old.push(*number);
                }
                Standing::Since(_) => break,
            }
        }
        for number in old {
            let page = self.pages.remove(&number).expect("it was just seen");
            for key in page.content.keys() {
                self.places.remove(&key);
            }
        }
    }

    fn add(&mut self, page: Page) {
        let number = self.pages.last_key_value().map_or(0, |(last, _)| last + 1);
        self.index(number, &page);
        self.pages.insert(number, page);
    }

    /// Notes where the keys of a page stand, and what its standing means for it.
    fn index(&mut self, number: u64, page: &Page) {
        for (key, index) in page.content.keys().zip(0_u32..) {
            let before = self.places.insert(key, Place { page: number, index });
            assert_eq!(before, None, "a request is begun once");
        }
        match page.standing {
            Standing::InFlight => {
                let before = self.in_flight.insert(page.content.channel(), number);
                assert_eq!(before, None, "a channel has one thing in flight");
            }
            Standing::Undated => {
                self.undated.insert(number);
            }
            Standing::Since(_) => {}
        }
    }
}

impl Content {
    fn keys(&self) -> impl Iterator<Item = RequestKey> + '_ {
        let (requests, own) = match self {
            Self::Round { requests, .. } | Self::Failed { requests, .. } => {
                (requests.as_slice(), None)
            }
            Self::Begun { key, .. } => (&[][..], Some(*key)),
        };
        requests.iter().map(|request| request.key).chain(own)
    }

    fn known(&self, index: u32) -> Option<KnownRequest> {
        let placed = |requests: &[PlacedRequest]| {
            requests.get(usize::try_from(index).expect("a place fits memory")).copied()
        };
        match self {
            Self::Round { channel, number, requests } => {
                let PlacedRequest { digest, first_index, count, .. } = placed(requests)?;
                let (channel, number) = (*channel, *number);
                let fate = RequestFate::InRound { channel, number, first_index, count };
                Some(KnownRequest { digest, fate })
            }
            Self::Failed { channel, requests } => {
                let digest = placed(requests)?.digest;
                Some(KnownRequest { digest, fate: RequestFate::Failed(*channel) })
            }
            Self::Begun { digest, subject, .. } => {
                Some(KnownRequest { digest: *digest, fate: RequestFate::Became(*subject) })
            }
        }
    }

    /// The channel on which it is in flight.
    fn channel(&self) -> ChannelId {
        match self {
            Self::Round { channel, .. }
            | Self::Failed { channel, .. }
            | Self::Begun { subject: RequestSubject::OpenChannel(channel), .. } => *channel,
            Self::Begun { .. } => panic!("only rounds and openings are in flight"),
        }
    }
}

impl<C> minicbor::Encode<C> for RequestBook {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.pages.encode(e, ctx)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for RequestBook {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let pages: BTreeMap<u64, Page> = d.decode_with(ctx)?;
        let mut book = Self::default();
        for (number, page) in &pages {
            book.index(*number, page);
        }
        Ok(Self { pages, ..book })
    }
}

impl RequestFate {
    /// What to answer, if a round carried it.
    #[must_use]
    pub const fn done(&self) -> Option<PaymentDone> {
        match *self {
            Self::InRound { channel, number, first_index, count } => {
                Some(PaymentDone { channel, number, first_index, count })
            }
            Self::Became(_) | Self::Failed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use strait_primitives::Digest;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn key(number: u64) -> RequestKey {
        let mut bytes = [1; 16];
        bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        RequestKey::from_bytes(bytes)
    }

    fn channel(byte: u8) -> ChannelId {
        ChannelId::from_bytes([byte; 32])
    }

    /// A round of so many requests, whose keys begin at `first`.
    fn round(book: &mut RequestBook, id: u8, first: u64, count: u32) {
        let placed = (0..count).map(|index| PlacedRequest {
            key: key(first + u64::from(index)),
            digest: key(0),
            first_index: index,
            count: 1,
        });
        let number = CommitmentNumber::new(first + 1).unwrap();
        book.note_round(channel(id), number, placed.collect());
    }

    fn stored(book: &RequestBook) -> Vec<u8> {
        minicbor::to_vec(book).unwrap()
    }

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    /// The book of a node with one round in flight, and so many requests done on another channel.
    fn busy(done: u64) -> RequestBook {
        let mut book = RequestBook::default();
        round(&mut book, 1, 1 << 32, 1);
        for first in (0..done).step_by(1_000) {
            round(&mut book, 2, first, 1_000);
        }
        book.settle(channel(2));
        book
    }

    /// A peer that withholds its acceptance while 262,144 other requests pass had the payer forget what it proposed,
    /// and pay again when asked again.
    #[test]
    fn what_is_in_flight_is_never_forgotten() {
        let mut book = busy(300_000);
        book.note_time(at(HOUR));
        book.note_time(at(48 * HOUR));
        assert_eq!(book.find(&key(0)), None, "the oldest that is done is forgotten");
        assert!(book.find(&key(1 << 32)).is_some(), "the oldest of all is in flight");
        assert!(book.len() <= REQUESTS_KEPT);
        book.settle(channel(1));
        book.note_time(at(48 * HOUR));
        assert!(book.find(&key(1 << 32)).is_some(), "it ages from its end on");
    }

    #[test]
    fn an_opening_is_in_flight_until_it_ends() {
        let mut book = RequestBook::default();
        book.note_begun(key(1 << 32), key(0), RequestSubject::OpenChannel(channel(1)));
        let coins = RequestSubject::SendCoins(
            Digest::from_bytes([0; 32]),
            strait_primitives::Sats::ZERO,
            strait_primitives::Sats::ZERO,
        );
        for number in 0..300_000 {
            book.note_begun(key(number), key(0), coins);
        }
        book.note_time(at(HOUR));
        book.note_time(at(2 * HOUR));
        assert_eq!(book.find(&key(0)), None);
        assert!(book.find(&key(1 << 32)).is_some());
    }

    #[test]
    fn nothing_young_is_forgotten_however_much_there_is() {
        let mut book = busy(300_000);
        let all = book.len();
        book.note_time(at(HOUR));
        book.note_time(at(HOUR + KEPT_AT_LEAST.0 - 1));
        assert_eq!(book.len(), all);
        book.note_time(at(HOUR + KEPT_AT_LEAST.0));
        assert!(book.len() <= REQUESTS_KEPT && book.len() > REQUESTS_KEPT - 1_000);
    }

    #[test]
    fn a_round_that_failed_leaves_its_requests_failed() {
        let mut book = RequestBook::default();
        round(&mut book, 1, 5, 2);
        book.fail(channel(1));
        let fate = book.find(&key(6)).map(|known| known.fate);
        assert_eq!(fate, Some(RequestFate::Failed(channel(1))));
    }

    #[test]
    fn a_book_comes_back_from_a_snapshot_as_it_was() {
        let mut book = busy(3_000);
        book.note_time(at(HOUR));
        round(&mut book, 2, 10_000, 3);
        book.note_begun(key(20_000), key(0), RequestSubject::OpenChannel(channel(3)));
        book.fail(channel(2));
        assert_eq!(minicbor::decode::<RequestBook>(&stored(&book)).unwrap(), book);
    }

    /// What the limits say about the size of snapshots.
    #[test]
    fn a_key_costs_forty_bytes_in_a_full_round_and_a_hundred_in_a_round_of_its_own() {
        for (in_round, limit) in [(1_000, 45), (4, 60), (1, 105)] {
            let mut book = RequestBook::default();
            for first in (0..10_000).step_by(in_round) {
                round(&mut book, 1, 1_000_000 + first, u32::try_from(in_round).unwrap());
            }
            let bytes = stored(&book).len() / book.len();
            assert!(bytes <= limit, "{bytes} bytes a key in rounds of {in_round}");
        }
    }
}
