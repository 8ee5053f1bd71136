//! Tokens that users give to others, and what those pay with them.
//!
//! The account is kept by what users know and by what the proposals on a disk carry; what the node itself says of its tokens
//! is held against it. No crash, repetition or refusal may let a token pay more than its budget.

use std::collections::BTreeMap;

use strait_engine::{Command, CommandId, TokenGrant, TokenScope};
use strait_primitives::{Digest, MilliSats, Millis, RequestKey, Timestamp, TokenId};

use super::asking::{Sight, new_request};
use super::{Fate, Purpose, RequestIndex, Users};
use crate::choices::Choices;
use crate::durable::Outlay;
use crate::host::Host;
use crate::oracle::Violation;
use crate::place::Place;

/// Tokens that pay which users want at the same time.
const TOKENS_WANTED: usize = 2;
/// The longest that a token is good for, if it ends at all.
const TERM_MS_MAX: u64 = 120_000;

/// A token as its users know it.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    place: Place,
    /// The request that has made it, or not.
    issue: RequestIndex,
    budget: MilliSats,
    payment_max: Option<MilliSats>,
    expires: Option<Timestamp>,
    standing: Standing,
    /// What proposals on the disk carry on its account and nothing has undone.
    outlay: BTreeMap<RequestKey, MilliSats>,
}

/// What its users know of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody was told otherwise.
    Good,
    /// Its user was told that it was revoked.
    Revoked,
}

impl Allowance {
    /// True if nothing that is asked for the first time now may be paid with it.
    fn is_dead(&self, now: Timestamp) -> bool {
        self.standing == Standing::Revoked || self.expires.is_some_and(|expires| now >= expires)
    }

    fn spent(&self) -> MilliSats {
        MilliSats::checked_sum(self.outlay.values().copied()).unwrap_or(MilliSats::MAX)
    }
}

impl Users {
    /// A token is made, revoked, or pays.
    pub(super) fn spend(
        &mut self,
        sight: Sight<'_>,
        batch_max: u64,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let own = self.allowances.iter().filter(|(_, allowance)| {
            let fate = self.requests.get(allowance.issue.0).map(|request| request.fate);
            allowance.place == sight.place && fate != Some(Fate::Waiting)
        });
        let all: Vec<TokenId> = own.clone().map(|(token, _)| *token).collect();
        let good: Vec<TokenId> =
            own.filter(|(_, known)| !known.is_dead(sight.now)).map(|(token, _)| *token).collect();
        if good.len() < TOKENS_WANTED {
            return self.issue(sight, choices);
        }
        // One that is good for nothing any more is tried now and then.
        let among = if choices.chance(100) { all } else { good };
        let token = *choices.pick(&among);
        if choices.chance(40) {
            let key = self.fresh_key();
            let command = Command::RevokeToken(token);
            let request = new_request(sight.place, key, command, Purpose::Token, Vec::new());
            return Some(self.begin(request));
        }
        if choices.chance(200) {
            let command = self.lock_command(sight, choices)?;
            return Some(self.ask_under(sight, token, command, Vec::new()));
        }
        self.pay_under(sight, token, batch_max, choices)
    }

    fn issue(&mut self, sight: Sight<'_>, choices: &mut Choices) -> Option<(CommandId, Command)> {
        let view = sight.channel(choices)?;
        let amount = |msat: u64| MilliSats::new(msat).expect("below a capacity");
        let budget = amount(choices.between(1, view.balance.to_msat() / 3 + 1));
        let bounded = choices.chance(300);
        let payment_max = bounded.then(|| amount(choices.between(1, budget.to_msat())));
        let ends = choices.chance(300);
        let expires = ends.then(|| sight.now.after(Millis(choices.between(1_000, TERM_MS_MAX))));
        self.next_token += 1;
        let id = TokenId::from_bytes(self.next_token.to_be_bytes());
        let grant = TokenGrant {
            id,
            label: "a till".to_owned(),
            secret_hash: Digest::from_bytes([0; 32]),
            scope: TokenScope::Pay { budget, payment_max },
            issued: sight.now,
            expires,
        };
        let allowance = Allowance {
            place: sight.place,
            issue: RequestIndex(self.requests.len()),
            budget,
            payment_max,
            expires,
            standing: Standing::Good,
            outlay: BTreeMap::new(),
        };
        self.allowances.insert(id, allowance);
        let key = self.fresh_key();
        let command = Command::IssueToken(grant);
        Some(self.begin(new_request(sight.place, key, command, Purpose::Token, Vec::new())))
    }

    fn pay_under(
        &mut self,
        sight: Sight<'_>,
        token: TokenId,
        batch_max: u64,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let channel = sight.channel(choices)?.channel;
        let budget = self.allowances.get(&token)?.budget.to_msat();
        let count = if choices.chance(700) { 1 } else { choices.between(1, batch_max) };
        let amounts: Vec<MilliSats> = (0..count)
            .map(|_| {
                let most = *choices.pick(&[budget / 8, budget / 2, budget]);
                let msat = choices.between(1, most.max(1));
                MilliSats::new(msat).expect("below a capacity")
            })
            .collect();
        let (command, expects) = self.pay_command(channel, &amounts);
        Some(self.ask_under(sight, token, command, expects))
    }

    /// Asks something on the account of a token. One that is good for nothing any more pays nothing, whatever is asked.
    fn ask_under(
        &mut self,
        sight: Sight<'_>,
        token: TokenId,
        command: Command,
        expects: Vec<strait_wire::Operation>,
    ) -> (CommandId, Command) {
        let allowance = self.allowances.get(&token).expect("only tokens that were asked for pay");
        let is_lock = matches!(command, Command::OfferLock { .. });
        let (purpose, expects) = match (allowance.is_dead(sight.now), is_lock) {
            (true, _) => (Purpose::Nonsense, Vec::new()),
            (false, true) => (Purpose::Lock, expects),
            (false, false) => (Purpose::Operations, expects),
        };
        let (Command::Pay { key, .. } | Command::OfferLock { key, .. }) = command else {
            panic!("a token pays and offers locks")
        };
        self.spenders.insert(key, token);
        let command = Command::UnderToken { token, command: Box::new(command) };
        self.begin(new_request(sight.place, key, command, purpose, expects))
    }

    /// A user was told that this token is good for nothing any more.
    pub(super) fn note_revoked(&mut self, token: TokenId) {
        if let Some(allowance) = self.allowances.get_mut(&token) {
            allowance.standing = Standing::Revoked;
        }
    }

    /// Requests that proposals carry on tokens' accounts, in all.
    pub(crate) fn count_by_tokens(&self) -> usize {
        self.allowances.values().map(|allowance| allowance.outlay.len()).sum()
    }

    /// Proposals on a disk carry requests, or what they carried is undone: no token has paid more than it may.
    pub(crate) fn note_outlays(
        &mut self,
        place: Place,
        outlays: &[Outlay],
    ) -> Result<(), Violation> {
        for Outlay { key, amounts } in outlays {
            let Some(token) = self.spenders.get(key).copied() else { continue };
            let Some(allowance) = self.allowances.get_mut(&token) else { continue };
            let Some(amounts) = amounts else {
                allowance.outlay.remove(key);
                continue;
            };
            let total = MilliSats::checked_sum(amounts.iter().copied()).unwrap_or(MilliSats::MAX);
            allowance.outlay.insert(*key, total);
            let largest = amounts.iter().copied().max().unwrap_or(MilliSats::ZERO);
            let is_large = allowance.payment_max.is_some_and(|max| largest > max);
            let spent = allowance.spent();
            if is_large || spent > allowance.budget {
                let (node, may) = (place.to_string(), allowance.budget);
                return Err(Violation::Overspent { node, token, spent, may });
            }
        }
        Ok(())
    }

    /// Fails unless what a node says that each of its tokens has spent is what was paid with it. Asked at rest: until then
    /// something may be under way.
    pub(crate) fn check_tokens(&self, host: &Host) -> Result<(), Violation> {
        let Some(running) = &host.running else { return Ok(()) };
        for known in running.engine.book().tokens.all() {
            let token = known.grant.id;
            let paid = self.allowances.get(&token).map_or(MilliSats::ZERO, Allowance::spent);
            if known.spent != paid {
                let (node, spent) = (host.place.to_string(), known.spent);
                return Err(Violation::Account { node, token, spent, paid });
            }
        }
        Ok(())
    }
}
