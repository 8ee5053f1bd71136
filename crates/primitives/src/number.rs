//! Counters: commitments of a channel, events of the log, work of a contract.

use core::fmt;

/// Commitments a channel can have: numbers take 48 bits on chain (BOLT-0003).
const COMMITMENT_NUMBER_MAX: u64 = (1 << 48) - 1;

/// The number of a commitment: 0 at opening, one more with every round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode)]
#[cbor(transparent)]
pub struct CommitmentNumber(#[n(0)] u64);

impl CommitmentNumber {
    /// The commitment that is signed before the channel is funded.
    pub const FIRST: Self = Self(0);

    /// Wraps a number; `None` above 48 bits.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number > COMMITMENT_NUMBER_MAX { None } else { Some(Self(number)) }
    }

    /// The number.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The next number; `None` when the channel has used all 2^48.
    #[must_use = "numbers are values; the next one is the result"]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// The number before; `None` at zero.
    #[must_use = "numbers are values; the one before is the result"]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl<'b, C> minicbor::Decode<'b, C> for CommitmentNumber {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(d.u64()?)
            .ok_or_else(|| minicbor::decode::Error::message("a commitment number has 48 bits"))
    }
}

impl fmt::Display for CommitmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The place of an event in the node's log: the first has 1, and there are no gaps.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    minicbor::Encode,
    minicbor::Decode,
)]
#[cbor(transparent)]
pub struct EventSeq(#[n(0)] u64);

impl EventSeq {
    /// Before the first event: the position of an empty log.
    pub const ZERO: Self = Self(0);

    /// Wraps a position.
    #[must_use]
    pub const fn new(seq: u64) -> Self {
        Self(seq)
    }

    /// The position as a number.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The position `count` events later.
    ///
    /// # Panics
    /// After 2^64 events, which no log reaches.
    #[must_use = "positions are values; the later one is the result"]
    pub const fn advanced(self, count: u64) -> Self {
        Self(self.0.checked_add(count).expect("a log holds fewer than 2^64 events"))
    }

    /// The next position.
    #[must_use = "positions are values; the next one is the result"]
    pub const fn next(self) -> Self {
        self.advanced(1)
    }
}

impl fmt::Display for EventSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Work of a contract, in units of the metering named by its terms.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    minicbor::Encode,
    minicbor::Decode,
)]
#[cbor(transparent)]
pub struct Fuel(#[n(0)] pub u64);
