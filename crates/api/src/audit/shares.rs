//! How many lines of the audit log each token may write, and the sums of what it calls beyond that.
//!
//! Every token, the operator's own included, has a share of the lines of each [`Fate`]: a bucket that fills slowly. With a
//! line of a thousand bytes, which is more than any token but one that operates can make it, a token that does all it can writes
//! 86 MB of done calls a day: what others did stays in the files for more than a week.
//!
//! **Invariant:** reads no clock; what is kept has a bounded size.

use std::collections::BTreeMap;

use strait_primitives::{Millis, Timestamp, TokenId};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It was done, or may have been.
    Done,
    /// Nothing was done.
    Refused,
}

/// A share of lines.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// How many lines a token may write at once.
    lines: u64,
    /// How long one takes to earn.
    each_ms: u64,
}

impl Fate {
    const fn bound(self) -> Bound {
        match self {
            // An hour's worth at once.
            Self::Done => Bound { lines: 3_600, each_ms: 1_000 },
            Self::Refused => Bound { lines: 100, each_ms: 10_000 },
        }
    }
}

/// How long calls are counted before they are told.
const TELL_EVERY: Millis = Millis(60_000);

/// Shares that are kept at a time: two of each token that there can be, and some of revoked ones.
const SHARES_MAX: usize = 2_048;

/// Calls that have no lines of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    /// The token's label.
    pub(super) label: String,
    /// When the first was answered.
    pub(super) from: Timestamp,
    /// How many.
    pub(super) calls: u64,
    /// How many with each code.
    pub(super) codes: BTreeMap<&'static str, u64>,
    /// What those that were done came to.
    pub(super) amount_msat: u64,
}

impl Sum {
    /// One call.
    pub(super) fn of_one(
        label: &str,
        code: &'static str,
        amount_msat: Option<u64>,
        at: Timestamp,
    ) -> Self {
        let codes = BTreeMap::from([(code, 1)]);
        let amount_msat = amount_msat.unwrap_or(0);
        Self { label: label.to_owned(), from: at, calls: 1, codes, amount_msat }
    }

    fn add(&mut self, more: &Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.amount_msat = self.amount_msat.saturating_add(more.amount_msat);
        for (code, calls) in &more.codes {
            let counted = self.codes.entry(code).or_default();
            *counted = counted.saturating_add(*calls);
        }
    }
}

/// One token's share of the lines of one fate.
#[derive(Debug)]
struct Share {
    /// When all lines written so far will have been earned.
    paid_at: Timestamp,
    counted: Option<Sum>,
}

/// Whose share; no token is the operator's own.
type Owner = (Option<TokenId>, Fate);

/// All shares.
#[derive(Debug)]
pub(super) struct Shares {
    by_owner: BTreeMap<Owner, Share>,
    told_at: Timestamp,
}

impl Shares {
    /// Everybody has a whole share.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { by_owner: BTreeMap::new(), told_at: now }
    }

    /// True if what was counted has waited long enough, also by a clock that was set back, or if there is no room for more.
    pub(super) fn is_time_to_tell(&self, now: Timestamp) -> bool {
        let is_due = now.since(self.told_at) >= TELL_EVERY || now < self.told_at;
        is_due || self.by_owner.len() >= SHARES_MAX
    }

    /// Takes a line out of a token's share; false if there is none left in it.
    pub(super) fn takes_line(
        &mut self,
        token: Option<TokenId>,
        fate: Fate,
        now: Timestamp,
    ) -> bool {
        let Bound { lines, each_ms } = fate.bound();
        let fresh = || Share { paid_at: now, counted: None };
        let share = self.by_owner.entry((token, fate)).or_insert_with(fresh);
        let burst = Millis(lines.saturating_mul(each_ms));
        // Where the clock was set back nobody owes more than a whole share.
        let paid_at = share.paid_at.clamp(now, now.after(burst));
        let next = paid_at.after(Millis(each_ms));
        let fits = next <= now.after(burst);
        share.paid_at = if fits { next } else { paid_at };
        fits
    }

    /// Counts what has no line.
    pub(super) fn count(&mut self, token: Option<TokenId>, fate: Fate, what: Sum) {
        let Some(share) = self.by_owner.get_mut(&(token, fate)) else { return };
        match &mut share.counted {
            Some(sum) => sum.add(&what),
            None => share.counted = Some(what),
        }
    }

    /// Takes what was counted, and forgets shares that are whole again: one that is made anew is the same.
    pub(super) fn take_counted(&mut self, now: Timestamp) -> Vec<(Option<TokenId>, Fate, Sum)> {
        self.told_at = now;
        let shares = self.by_owner.iter_mut();
        let counted = shares.filter_map(|((token, fate), share)| {
            share.counted.take().map(|sum| (*token, *fate, sum))
        });
        let counted = counted.collect();
        self.by_owner.retain(|_, share| share.paid_at > now);
        if self.by_owner.len() >= SHARES_MAX {
            // More tokens than there can be at a time were busy within an hour: all begin anew.
            self.by_owner.clear();
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_ms(second * 1_000)
    }

    fn token(byte: u8) -> Option<TokenId> {
        Some(TokenId::from_bytes([byte; TokenId::LEN]))
    }

    /// How many lines of so many a token gets.
    fn lines(shares: &mut Shares, token: Option<TokenId>, fate: Fate, asked: u32, now: u64) -> u32 {
        (0..asked).map(|_| u32::from(shares.takes_line(token, fate, at(now)))).sum()
    }

    #[test]
    fn a_token_writes_its_share_and_no_other_tokens() {
        let mut shares = Shares::new(at(0));
        for owner in [None, token(1), token(2)] {
            assert_eq!(lines(&mut shares, owner, Fate::Done, 10_000, 9), 3_600, "{owner:?}");
            assert_eq!(lines(&mut shares, owner, Fate::Refused, 10_000, 9), 100, "{owner:?}");
        }
        assert_eq!(lines(&mut shares, token(1), Fate::Done, 10_000, 19), 10, "one a second");
        assert_eq!(lines(&mut shares, token(1), Fate::Refused, 10_000, 29), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_takes_no_more_than_a_whole_share() {
        let mut shares = Shares::new(at(1_000_000));
        assert_eq!(lines(&mut shares, None, Fate::Done, 10_000, 1_000_000), 3_600);
        assert_eq!(lines(&mut shares, None, Fate::Done, 10_000, 1), 0);
        assert_eq!(lines(&mut shares, None, Fate::Done, 10_000, 61), 60);
    }

    #[test]
    fn what_is_counted_is_summed_up_and_told_once() {
        let mut shares = Shares::new(at(0));
        assert!(shares.takes_line(token(1), Fate::Done, at(1)));
        for (code, msat) in [("OK", Some(5)), ("OK", Some(6)), ("INTERNAL", None)] {
            shares.count(token(1), Fate::Done, Sum::of_one("shop", code, msat, at(2)));
        }
        assert!(!shares.is_time_to_tell(at(59)));
        assert!(shares.is_time_to_tell(at(60)));
        let codes = BTreeMap::from([("OK", 2), ("INTERNAL", 1)]);
        let sum = Sum { label: "shop".to_owned(), from: at(2), calls: 3, codes, amount_msat: 11 };
        assert_eq!(shares.take_counted(at(60)), [(token(1), Fate::Done, sum)]);
        assert_eq!(shares.take_counted(at(120)), []);
        assert!(!shares.is_time_to_tell(at(179)));
    }

    #[test]
    fn tokens_without_end_take_no_memory_without_end() {
        let mut shares = Shares::new(at(0));
        for number in 0..10_000_u64 {
            if shares.is_time_to_tell(at(1)) {
                shares.take_counted(at(1));
            }
            let owner = Some(TokenId::from_bytes(number.to_be_bytes()));
            assert!(shares.takes_line(owner, Fate::Done, at(1)));
            assert!(shares.by_owner.len() <= SHARES_MAX);
        }
    }
}
