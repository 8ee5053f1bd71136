//! How many lines of the audit log each token may write, and the sums of what it calls beyond that.
//!
//! Every token, the operator's own included, has a share of the lines of each [`Kind`]: a bucket that fills slowly. With a
//! line of a thousand bytes, which is more than any token but one that operates can make it, a token that does all it can writes
//! 147 MB of done calls a day, and a token that pays two thirds of that: what others did stays in the files for more than a week.
//!
//! **Invariant:** reads no clock; what is kept has a bounded size.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use strait_primitives::{Millis, Timestamp, TokenId};

use super::line::Line;

/// Which share of a token's lines a call takes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What may come a thousand times a second, or has a deadline and must never be refused for want of a line: payments, locks,
    /// actions; and what moves nothing: addresses, peers.
    Plain,
    /// Sending coins, opening channels, opening and settling contracts.
    Moving,
    /// Closing, deciding how a channel ends, settings, tokens, modules. It has a share of its own, so that it never
    /// waits for what moves.
    Ruling,
    /// What was told before under its key.
    Repeated,
    /// What was refused.
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

impl Kind {
    /// What a call of this route is, if it is done.
    pub(super) fn of(method: &Method, route: Option<&str>) -> Self {
        // What matches no route does nothing.
        let Some(route) = route else { return Self::Plain };
        match (method.as_str(), route) {
            (
                "POST",
                "/v1/payments"
                | "/v1/locks"
                | "/v1/locks/{channel_id}/{direction}/{number}/claim"
                | "/v1/locks/{channel_id}/{direction}/{number}/cancel"
                | "/v1/contracts/{contract_id}/actions"
                | "/v1/wallet/addresses"
                | "/v1/peers",
            ) => Self::Plain,
            (
                "POST",
                "/v1/wallet/sends"
                | "/v1/channels"
                | "/v1/contracts"
                | "/v1/contracts/{contract_id}/settle",
            ) => Self::Moving,
            _ => Self::Ruling,
        }
    }

    /// True of what is not begun without a line of its own.
    pub(super) const fn is_always_told(self) -> bool {
        matches!(self, Self::Moving | Self::Ruling)
    }

    /// How long a line takes to earn.
    pub(super) const fn earned_every(self) -> Duration {
        Duration::from_millis(self.bound().each_ms)
    }

    const fn bound(self) -> Bound {
        match self {
            // An hour's worth at once.
            Self::Plain => Bound { lines: 3_600, each_ms: 1_000 },
            // As many as ten tokens pay in lines of their own.
            Self::Moving => Bound { lines: 36_000, each_ms: 2_000 },
            Self::Ruling => Bound { lines: 3_600, each_ms: 10_000 },
            Self::Repeated | Self::Refused => Bound { lines: 100, each_ms: 10_000 },
        }
    }
}

/// How long calls are counted before they are told.
const TELL_EVERY: Millis = Millis(60_000);

/// Shares that are kept at a time: one of each kind of each token that there can be, and some of revoked ones.
const SHARES_MAX: usize = 8_192;

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
    /// One call. What is repeated was counted, or told, when it came first, and what is refused comes to nothing.
    pub(super) fn of_one(kind: Kind, line: &Line<'_>, at: Timestamp) -> Self {
        let amount_msat = match kind {
            Kind::Plain | Kind::Moving | Kind::Ruling => line.amount_msat.unwrap_or(0),
            Kind::Repeated | Kind::Refused => 0,
        };
        let codes = BTreeMap::from([(line.code, 1)]);
        Self { label: line.label.to_owned(), from: at, calls: 1, codes, amount_msat }
    }

    fn add(&mut self, more: &Self) {
        self.from = self.from.min(more.from);
        self.calls = self.calls.saturating_add(more.calls);
        self.amount_msat = self.amount_msat.saturating_add(more.amount_msat);
        for (code, calls) in &more.codes {
            let counted = self.codes.entry(code).or_default();
            *counted = counted.saturating_add(*calls);
        }
    }
}

/// One token's share of the lines of one kind.
#[derive(Debug)]
struct Share {
    /// When all lines written so far will have been earned.
    paid_at: Timestamp,
    counted: Option<Sum>,
}

/// Whose share; no token is the operator's own.
pub(super) type Owner = (Option<TokenId>, Kind);

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
        kind: Kind,
        now: Timestamp,
    ) -> bool {
        let Bound { lines, each_ms } = kind.bound();
        let fresh = || Share { paid_at: now, counted: None };
        let share = self.by_owner.entry((token, kind)).or_insert_with(fresh);
        let burst = Millis(lines.saturating_mul(each_ms));
        // Where the clock was set back nobody owes more than a whole share.
        let paid_at = share.paid_at.clamp(now, now.after(burst));
        let next = paid_at.after(Millis(each_ms));
        let fits = next <= now.after(burst);
        share.paid_at = if fits { next } else { paid_at };
        fits
    }

    /// Gives a line back that was taken and is not needed.
    pub(super) fn returns_line(&mut self, token: Option<TokenId>, kind: Kind) {
        if let Some(share) = self.by_owner.get_mut(&(token, kind)) {
            share.paid_at = share.paid_at.before(Millis(kind.bound().each_ms));
        }
    }

    /// Counts what has no line.
    pub(super) fn count(&mut self, owner: Owner, what: Sum) {
        let Some(share) = self.by_owner.get_mut(&owner) else { return };
        match &mut share.counted {
            Some(sum) => sum.add(&what),
            None => share.counted = Some(what),
        }
    }

    /// Takes what was counted, and forgets shares that are whole again: one that is made anew is the same.
    pub(super) fn take_counted(&mut self, now: Timestamp) -> Vec<(Owner, Sum)> {
        self.told_at = now;
        let shares = self.by_owner.iter_mut();
        let counted =
            shares.filter_map(|(owner, share)| share.counted.take().map(|sum| (*owner, sum)));
        let counted = counted.collect();
        self.by_owner.retain(|_, share| share.paid_at > now);
        if self.by_owner.len() >= SHARES_MAX {
            // More tokens than there can be at a time were busy within a day: all begin anew.
            self.by_owner.clear();
        }
        counted
    }

    /// Counts on from a sum that was taken and could not be told.
    pub(super) fn put_back(&mut self, owner: Owner, sum: Sum) {
        let share = Share { paid_at: self.told_at, counted: None };
        self.by_owner.entry(owner).or_insert(share);
        self.count(owner, sum);
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

    fn sum(code: &'static str, amount_msat: Option<u64>, second: u64) -> Sum {
        let codes = BTreeMap::from([(code, 1)]);
        let amount_msat = amount_msat.unwrap_or(0);
        Sum { label: "shop".to_owned(), from: at(second), calls: 1, codes, amount_msat }
    }

    /// How many lines of so many a token gets.
    fn lines(shares: &mut Shares, token: Option<TokenId>, kind: Kind, asked: u32, now: u64) -> u32 {
        (0..asked).map(|_| u32::from(shares.takes_line(token, kind, at(now)))).sum()
    }

    #[test]
    fn a_token_writes_its_share_and_no_other_tokens() {
        let mut shares = Shares::new(at(0));
        for owner in [None, token(1), token(2)] {
            assert_eq!(lines(&mut shares, owner, Kind::Plain, 10_000, 9), 3_600, "{owner:?}");
            assert_eq!(lines(&mut shares, owner, Kind::Refused, 10_000, 9), 100, "{owner:?}");
        }
        assert_eq!(lines(&mut shares, token(1), Kind::Plain, 10_000, 19), 10, "one a second");
        assert_eq!(lines(&mut shares, token(1), Kind::Refused, 10_000, 29), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_takes_no_more_than_a_whole_share() {
        let mut shares = Shares::new(at(1_000_000));
        assert_eq!(lines(&mut shares, None, Kind::Plain, 10_000, 1_000_000), 3_600);
        assert_eq!(lines(&mut shares, None, Kind::Plain, 10_000, 1), 0);
        assert_eq!(lines(&mut shares, None, Kind::Plain, 10_000, 61), 60);
    }

    #[test]
    fn what_is_counted_is_summed_up_and_told_once() {
        let mut shares = Shares::new(at(0));
        assert!(shares.takes_line(token(1), Kind::Plain, at(1)));
        for (code, msat) in [("OK", Some(5)), ("OK", Some(6)), ("INTERNAL", None)] {
            shares.count((token(1), Kind::Plain), sum(code, msat, 2));
        }
        assert!(!shares.is_time_to_tell(at(59)));
        assert!(shares.is_time_to_tell(at(60)));
        let codes = BTreeMap::from([("OK", 2), ("INTERNAL", 1)]);
        let sum = Sum { label: "shop".to_owned(), from: at(2), calls: 3, codes, amount_msat: 11 };
        assert_eq!(shares.take_counted(at(60)), [((token(1), Kind::Plain), sum)]);
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
            assert!(shares.takes_line(owner, Kind::Plain, at(1)));
            assert!(shares.by_owner.len() <= SHARES_MAX);
        }
    }

    #[test]
    fn each_kind_has_a_share_of_its_own() {
        let mut shares = Shares::new(at(0));
        for (kind, most) in [
            (Kind::Repeated, 100),
            (Kind::Plain, 3_600),
            (Kind::Moving, 36_000),
            (Kind::Ruling, 3_600),
            (Kind::Refused, 100),
        ] {
            assert_eq!(lines(&mut shares, token(1), kind, 40_000, 9), most, "{kind:?}");
        }
        shares.returns_line(token(1), Kind::Moving);
        assert_eq!(lines(&mut shares, token(1), Kind::Moving, 9, 9), 1);
    }

    #[test]
    fn a_sum_that_is_put_back_is_counted_on() {
        let mut shares = Shares::new(at(0));
        // Its share is whole again when it is told, and forgotten.
        assert!(shares.takes_line(token(1), Kind::Plain, at(1)));
        shares.count((token(1), Kind::Plain), sum("OK", Some(5), 2));
        for (owner, sum) in shares.take_counted(at(60)) {
            shares.put_back(owner, sum);
        }
        assert!(shares.takes_line(token(1), Kind::Plain, at(61)));
        shares.count((token(1), Kind::Plain), sum("OK", Some(6), 61));
        let told = shares.take_counted(at(120));
        let [(_, sum)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((sum.calls, sum.amount_msat, sum.from), (2, 11, at(2)));
    }

    /// The routes are those of the published document: a new one has to be put here.
    #[test]
    fn what_is_not_begun_without_a_line_is_all_that_moves_money_otherwise_than_by_paying() {
        let document: serde_json::Value = serde_json::from_str(&crate::openapi_json()).unwrap();
        let mut told = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let kind = Kind::of(&method, Some(path));
                if kind.is_always_told() {
                    told.push(format!("{kind:?} {method} {path}"));
                }
            }
        }
        told.sort();
        assert_eq!(
            told,
            [
                "Moving POST /v1/channels",
                "Moving POST /v1/contracts",
                "Moving POST /v1/contracts/{contract_id}/settle",
                "Moving POST /v1/wallet/sends",
                "Ruling DELETE /v1/tokens/{token_id}",
                "Ruling PATCH /v1/settings",
                "Ruling POST /v1/channels/{channel_id}/close",
                "Ruling POST /v1/contracts/modules",
                "Ruling POST /v1/recovery/{channel_id}",
                "Ruling POST /v1/tokens",
            ]
        );
        assert_eq!(Kind::of(&Method::POST, None), Kind::Plain);
        assert_eq!(Kind::of(&Method::PUT, Some("/v1/payments")), Kind::Ruling);
    }
}
