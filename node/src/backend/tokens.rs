//! Tokens of the interface: a copy of what the log holds, so that a request's token is found without asking the engine.
//!
//! Only the interface makes and revokes tokens, and only through here, so the copy is never behind: a token is found once
//! it is durable, and not found any more before it is known to be revoked.
//!
//! A token expires by the latest moment that is known of: the log's last when the node started, the clock's since, and what
//! has passed since one of them. A clock that is set back makes no token good again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use strait_api::{ApiError, Credential, Grant, NewToken, Scope, Standing};
use strait_api_types as api;
use strait_api_types::ErrorCode;
use strait_engine::{Answer, Command, Engine, Token, TokenGrant, TokenScope};
use strait_log::StoreError;
use strait_primitives::{Millis, Timestamp, TokenId};
use strait_store_sqlite::Reader;

use super::NodeBackend;
use super::locks::Refusal;
use super::refusals::wrong_kind;

/// What is known of each token, and of the time.
#[derive(Debug)]
pub(crate) struct TokenTable {
    entries: Mutex<BTreeMap<TokenId, Entry>>,
    latest: Mutex<Latest>,
}

/// The latest moment that is known of.
#[derive(Debug)]
struct Latest {
    /// What it was.
    moment: Timestamp,
    /// When that was, by a clock that nobody sets.
    at: Instant,
}

impl Latest {
    /// What it is, when the clock shows `now`.
    fn moment(&mut self, now: Timestamp, at: Instant) -> Timestamp {
        let passed = at.saturating_duration_since(self.at).as_millis();
        let moment = self.moment.after(Millis(u64::try_from(passed).unwrap_or(u64::MAX)));
        if now <= moment {
            return moment;
        }
        *self = Self { moment: now, at };
        now
    }
}

/// What is known of one.
#[derive(Debug)]
enum Entry {
    /// It is being made: durable or not, nobody was told of it, and it gets nobody in.
    Making,
    /// It was made, and not revoked.
    Made(TokenGrant),
}

/// A token being made. If it is not made, or if whoever asked for it goes away, nothing of it stays.
struct Making<'a> {
    table: &'a TokenTable,
    id: TokenId,
}

impl Making<'_> {
    /// It is durable, and good from here on, unless it was revoked by somebody who found it in the list before its maker was
    /// answered: then what is known of it is gone, and stays gone.
    fn made(self, grant: TokenGrant) {
        if let Some(entry) = self.table.lock().get_mut(&self.id) {
            *entry = Entry::Made(grant);
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        if matches!(table.get(&self.id), Some(Entry::Making)) {
            table.remove(&self.id);
        }
    }
}

impl TokenTable {
    /// The table of a node at its start.
    pub(crate) fn at_start(engine: &Engine, reader: &Reader) -> Result<Self, StoreError> {
        let last = match reader.read_from(reader.head()?, 1) {
            // What snapshots hold is all that is left.
            Err(StoreError::Compacted { .. }) => Vec::new(),
            read => read?,
        };
        let written = last.last().map_or_else(Timestamp::default, |record| record.at);
        Ok(Self::new(engine.book().tokens.all(), written.max(engine.latest_moment())))
    }

    /// The table of a node that begins with these, and whose log knows of no later moment than `latest`.
    fn new<'a>(tokens: impl Iterator<Item = &'a Token>, latest: Timestamp) -> Self {
        let made = tokens.map(|token| (token.grant.id, Entry::Made(token.grant.clone())));
        let latest = Latest { moment: latest, at: crate::production::clock() };
        Self { entries: Mutex::new(made.collect()), latest: Mutex::new(latest) }
    }

    /// A token begins to be made.
    fn begin(&self, id: TokenId) -> Making<'_> {
        self.lock().entry(id).or_insert(Entry::Making);
        Making { table: self, id }
    }

    /// From here on nobody gets in with it.
    fn forget(&self, id: TokenId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TokenId, Entry>> {
        // A panicking holder leaves a table that is still one.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a token is good for when the clocks show `now` and `at`.
    fn find(&self, id: TokenId, now: Timestamp, at: Instant) -> Option<Credential> {
        let now = self.latest.lock().unwrap_or_else(PoisonError::into_inner).moment(now, at);
        let table = self.lock();
        let Entry::Made(grant) = table.get(&id)? else { return None };
        let scope = match grant.scope {
            TokenScope::Read => Scope::Read,
            TokenScope::Pay { .. } => Scope::Pay,
            TokenScope::Operate => Scope::Operate,
        };
        let standing = if grant.is_expired(now) { Standing::Expired } else { Standing::Valid };
        let (label, secret_hash) = (grant.label.clone(), grant.secret_hash);
        Some(Credential { id, label, secret_hash, scope, standing })
    }
}

impl NodeBackend {
    pub(super) fn find_credential(&self, id: TokenId) -> Option<Credential> {
        self.tokens.find(id, crate::production::now(), crate::production::clock())
    }

    pub(super) async fn list_tokens(&self) -> Result<api::TokenList, ApiError> {
        let Answer::Tokens(tokens) = self.ask(Command::Tokens).await? else {
            return Err(wrong_kind());
        };
        Ok(api::TokenList { tokens: tokens.iter().map(token_answer).collect() })
    }

    pub(super) async fn issue_token(&self, request: NewToken) -> Result<api::Token, ApiError> {
        let NewToken { id, secret_hash, label, grant, life } = request;
        let scope = match grant {
            Grant::Read => TokenScope::Read,
            Grant::Pay { budget, payment_max } => TokenScope::Pay { budget, payment_max },
            Grant::Operate => TokenScope::Operate,
        };
        let issued = crate::production::now();
        let expires = life.map(|life| issued.after(life));
        let grant = TokenGrant { id, label, secret_hash, scope, issued, expires };
        let making = self.tokens.begin(id);
        let Answer::Token(token) = self.ask(Command::IssueToken(grant)).await? else {
            return Err(wrong_kind());
        };
        making.made(token.grant.clone());
        Ok(token_answer(&token))
    }

    pub(super) async fn drop_token(&self, id: TokenId) -> Result<api::Token, ApiError> {
        // Whatever becomes of the asking, from here on nobody gets in with it; asked again, the log is told again.
        self.tokens.forget(id);
        let Answer::Token(token) = self.ask(Command::RevokeToken(id)).await? else {
            return Err(wrong_kind());
        };
        Ok(token_answer(&token))
    }
}

/// What callers are told about tokens that do not serve.
pub(super) const UNKNOWN: Refusal = (ErrorCode::TokenNotFound, "strait token list shows them");
pub(super) const EXPIRED: Refusal = (ErrorCode::TokenExpired, "ask the operator for another token");
pub(super) const BEYOND: Refusal =
    (ErrorCode::NotAllowed, "ask the operator for a token of another scope");
pub(super) const BUDGET: Refusal =
    (ErrorCode::BudgetExceeded, "pay less, or ask the operator for another token");
pub(super) const TOO_MANY: Refusal = (ErrorCode::LimitReached, "strait token revoke makes room");
pub(super) const LABEL: Refusal = (ErrorCode::InvalidField, "a label has at most 64 bytes");

/// What a payer's request becomes: its own command, or one on a token's account.
pub(super) fn charged_to(payer: Option<TokenId>, command: Command) -> Command {
    match payer {
        Some(token) => Command::UnderToken { token, command: Box::new(command) },
        None => command,
    }
}

fn token_answer(token: &Token) -> api::Token {
    let TokenGrant { id, label, scope, issued, expires, .. } = &token.grant;
    let (name, budget, payment_max) = match scope {
        TokenScope::Read => (api::TokenScope::Read, None, None),
        TokenScope::Pay { budget, payment_max } => {
            (api::TokenScope::Pay, Some(*budget), *payment_max)
        }
        TokenScope::Operate => (api::TokenScope::Operate, None, None),
    };
    api::Token {
        token_id: id.to_string(),
        label: label.clone(),
        scope: name,
        budget_sat: budget.map(|budget| budget.floor_sats().to_sat()),
        payment_sat_max: payment_max.map(|max| max.floor_sats().to_sat()),
        spent_msat: budget.map(|_| token.spent.to_msat()),
        left_msat: token.left().map(|left| left.to_msat()),
        issued_at_ms: issued.to_unix_ms(),
        expires_at_ms: expires.map(Timestamp::to_unix_ms),
    }
}

#[cfg(test)]
mod tests {
    use strait_primitives::Digest;

    use super::*;

    const ID: TokenId = TokenId::from_bytes([7; TokenId::LEN]);

    fn grant() -> TokenGrant {
        TokenGrant {
            id: ID,
            label: "shop".to_owned(),
            secret_hash: Digest::from_bytes([1; 32]),
            scope: TokenScope::Read,
            issued: Timestamp::from_unix_ms(5),
            expires: None,
        }
    }

    fn table() -> TokenTable {
        TokenTable::new(core::iter::empty(), Timestamp::from_unix_ms(5))
    }

    fn is_known(table: &TokenTable) -> bool {
        let at = table.latest.lock().unwrap().at;
        table.find(ID, Timestamp::from_unix_ms(6), at).is_some()
    }

    /// A clock that is set back made an expired token good again.
    #[test]
    fn what_has_expired_stays_so_though_the_clock_is_set_back() {
        let at_start = |latest| {
            let table = TokenTable::new(core::iter::empty(), Timestamp::from_unix_ms(latest));
            let expires = Some(Timestamp::from_unix_ms(1_000));
            table.begin(ID).made(TokenGrant { expires, ..grant() });
            let at = table.latest.lock().unwrap().at;
            (table, at)
        };
        let standing = |table: &TokenTable, now: u64, at: Instant| {
            table.find(ID, Timestamp::from_unix_ms(now), at).unwrap().standing
        };
        let (table, at) = at_start(0);
        for (now, expected) in
            [(900, Standing::Valid), (1_000, Standing::Expired), (900, Standing::Expired)]
        {
            assert_eq!(standing(&table, now, at), expected, "the clock shows {now}");
        }
        let (table, at) = at_start(1_000);
        assert_eq!(standing(&table, 900, at), Standing::Expired, "the log knows of its end");
        let (table, at) = at_start(0);
        assert_eq!(standing(&table, 900, at), Standing::Valid);
        for (passed, expected) in [(99, Standing::Valid), (100, Standing::Expired)] {
            let at = at + std::time::Duration::from_millis(passed);
            assert_eq!(standing(&table, 500, at), expected, "nobody asked before it was set back");
        }
    }

    #[test]
    fn a_revocation_that_meets_its_own_issue_holds() {
        let table = table();
        // The engine has made it and shows it in the list; its maker has no answer yet.
        let making = table.begin(ID);
        assert!(!is_known(&table));
        table.forget(ID);
        making.made(grant());
        assert!(!is_known(&table), "it was revoked before it was told");
    }

    #[test]
    fn a_token_counts_once_it_is_made_and_a_failure_leaves_nothing() {
        let table = table();
        drop(table.begin(ID));
        assert!(table.lock().is_empty());
        table.begin(ID).made(grant());
        assert!(is_known(&table));
        table.forget(ID);
        assert!(table.lock().is_empty());
    }
}
