//! Which requests and rounds are traced, and how a trace is named across programs.
//!
//! The API draws requests, the runtime picks rounds, and both make spans for these only, under [`TARGET`]: what is not
//! traced costs one look at a number. A round is picked by its channel and number, so that both nodes pick the same
//! rounds though no message between them says so: peers learn nothing of each other's traces.
//!
//! **Invariant:** no span has a key, a preimage or the content of a reference as a field.
//!
//! Spec: W3C Trace Context, level 1 (`traceparent`).

use core::fmt;
use core::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use strait_primitives::{ChannelId, CommitmentNumber};
use thiserror::Error;

/// The target of every span: one name for filters.
pub const TARGET: &str = "strait_trace";

/// Of a thousand requests or rounds all are traced.
const ALL: u32 = 1_000;

/// Says what is traced. Changes while the node runs.
#[derive(Debug)]
pub struct Sampler {
    /// How many of a thousand.
    permille: AtomicU32,
    /// Requests so far.
    drawn: AtomicU64,
}

impl Sampler {
    /// Traces so many of a thousand requests and rounds; all, if it is more.
    #[must_use]
    pub const fn new(permille: u32) -> Self {
        Self { permille: AtomicU32::new(permille), drawn: AtomicU64::new(0) }
    }

    /// Traces so many from now on.
    pub fn change(&self, permille: u32) {
        self.permille.store(permille, Ordering::Relaxed);
    }

    /// True if the next request is traced: evenly so many of a thousand, and those that the caller traces, unless
    /// nothing is traced at all.
    #[must_use]
    pub fn draws(&self, caller: Option<&TraceParent>) -> bool {
        let permille = u64::from(self.permille());
        if permille == 0 {
            return false;
        }
        if caller.is_some_and(|caller| caller.is_sampled()) {
            return true;
        }
        let before = self.drawn.fetch_add(1, Ordering::Relaxed) % u64::from(ALL);
        before * permille / u64::from(ALL) != (before + 1) * permille / u64::from(ALL)
    }

    /// True if a round is traced; the same for every node with the same setting.
    #[must_use]
    pub fn picks(&self, channel: &ChannelId, number: CommitmentNumber) -> bool {
        let permille = self.permille();
        if permille == 0 {
            return false;
        }
        let (_, tail) = channel.as_bytes().split_at(ChannelId::LEN - 8);
        let tail = tail.try_into().map_or(0, u64::from_be_bytes);
        // An odd factor spreads neighbours over all numbers; the high bits are the well mixed ones.
        let mixed = tail.wrapping_add(number.to_u64()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        mixed % u64::from(ALL) < u64::from(permille)
    }

    fn permille(&self) -> u32 {
        self.permille.load(Ordering::Relaxed).min(ALL)
    }
}

/// A caller's place in a trace, as the header `traceparent` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

/// Why a text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is not VERSION-TRACE-SPAN-FLAGS in lower-case hex")]
pub struct TraceParentError;

impl TraceParent {
    /// A place in a trace; `None` if one of the ids is zero, which stands for nothing.
    #[must_use]
    pub const fn new(trace: u128, span: u64, flags: u8) -> Option<Self> {
        if trace == 0 || span == 0 { None } else { Some(Self { trace, span, flags }) }
    }

    /// The place that stands for a round, where both of its nodes hang what they do for it: one trace, though no message
    /// between them says so. Only those who know the channel can tell it.
    #[must_use]
    pub fn of_round(channel: &ChannelId, number: CommitmentNumber) -> Self {
        let (head, _) = channel.as_bytes().split_at(ChannelId::LEN / 2);
        let head = head.try_into().map_or(0, u128::from_be_bytes);
        // An odd factor gives each number another trace of the channel.
        let trace =
            u128::from(number.to_u64()).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let trace = (trace ^ head).max(1);
        let [.., a, b, c, d, e, f, g, h] = trace.to_be_bytes();
        let span = u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1);
        Self { trace, span, flags: 1 }
    }

    /// The trace.
    #[must_use]
    pub const fn trace(&self) -> u128 {
        self.trace
    }

    /// The caller's span.
    #[must_use]
    pub const fn span(&self) -> u64 {
        self.span
    }

    /// Whether the caller traces.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        let mut next = |length: usize| {
            let is_hex = |part: &&str| {
                part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            };
            parts.next().filter(is_hex).ok_or(TraceParentError)
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        // Later versions may say more after that; this one must not, and `ff` is none.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(TraceParentError);
        }
        let trace = u128::from_str_radix(trace, 16).map_err(|_| TraceParentError)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| TraceParentError)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| TraceParentError)?;
        Self::new(trace, span, flags).ok_or(TraceParentError)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_the_specification_says() {
        let parsed: TraceParent = CALLER.parse().unwrap();
        assert_eq!(parsed.to_string(), CALLER);
        assert!(parsed.is_sampled());
        assert!(!CALLER.replace("-01", "-00").parse::<TraceParent>().unwrap().is_sampled());
        // A later version with more in it is read as far as it is known.
        assert!(format!("01{}-more", &CALLER[2..]).parse::<TraceParent>().is_ok());
        let rows = [
            String::new(),
            CALLER.to_uppercase(),
            CALLER.replace("00-4b", "ff-4b"),
            format!("{CALLER}-more"),
            CALLER.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            CALLER.replace("00f067aa0ba902b7", &"0".repeat(16)),
            CALLER.replace("-01", ""),
            CALLER.replace("-01", "-1"),
            CALLER.replace("4bf9", "+bf9"),
        ];
        for row in rows {
            assert_eq!(row.parse::<TraceParent>(), Err(TraceParentError), "{row}");
        }
    }

    #[test]
    fn so_many_of_a_thousand_are_traced_and_the_caller_may_ask_for_more() {
        let caller: TraceParent = CALLER.parse().unwrap();
        for permille in [0, 1, 10, 333, 1_000, 5_000] {
            let sampler = Sampler::new(permille);
            let drawn = (0..3_000).filter(|_| sampler.draws(None)).count();
            assert_eq!(u32::try_from(drawn).unwrap(), 3 * permille.min(1_000));
            assert_eq!(sampler.draws(Some(&caller)), permille > 0);
        }
    }

    #[test]
    fn a_round_has_a_place_of_its_own_that_both_nodes_find() {
        let channel = ChannelId::from_bytes([7; 32]);
        let place = |channel: &ChannelId, number: u64| {
            TraceParent::of_round(channel, CommitmentNumber::new(number).unwrap())
        };
        assert_eq!(place(&channel, 5), place(&channel, 5));
        let all: BTreeSet<u128> =
            (0..1_000).map(|number| place(&channel, number).trace()).collect();
        assert_eq!(all.len(), 1_000);
        assert_ne!(place(&channel, 5).trace(), place(&ChannelId::from_bytes([8; 32]), 5).trace());
        // What stands for nothing is never a place.
        let nothing = place(&ChannelId::from_bytes([0; 32]), 0);
        assert_eq!(nothing.to_string().parse(), Ok(nothing));
    }

    #[test]
    fn rounds_are_picked_by_channel_and_number_alone() {
        let (ours, theirs) = (Sampler::new(100), Sampler::new(100));
        let mut picked = 0;
        for number in 0..10_000 {
            let channel = ChannelId::from_bytes([u8::try_from(number % 7).unwrap(); 32]);
            let number = CommitmentNumber::new(number).unwrap();
            assert_eq!(ours.picks(&channel, number), theirs.picks(&channel, number));
            picked += u32::from(ours.picks(&channel, number));
        }
        assert!((800..1_200).contains(&picked), "{picked} of 10,000");
        ours.change(0);
        assert!(!ours.picks(&ChannelId::from_bytes([1; 32]), CommitmentNumber::FIRST));
    }
}
