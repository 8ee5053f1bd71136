//! Tokens of the interface: a copy of what the log holds, so that a request's token is found without asking the engine.
//!
//! Only the interface makes and revokes tokens, and only through here, so the copy is never behind: a token is found once
//! it is durable, and not found any more before it is known to be revoked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strait_api::{ApiError, Credential, Grant, NewToken, Scope, Standing};
use strait_api_types as api;
use strait_engine::{Answer, Command, Token, TokenGrant, TokenScope};
use strait_primitives::{Timestamp, TokenId};

use super::NodeBackend;
use super::refusals::wrong_kind;

/// What is known of each token.
#[derive(Debug, Default)]
pub(crate) struct TokenTable(Mutex<BTreeMap<TokenId, TokenGrant>>);

impl TokenTable {
    /// The table of a node that begins with these.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = &'a Token>) -> Self {
        let grants = tokens.map(|token| (token.grant.id, token.grant.clone()));
        Self(Mutex::new(grants.collect()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TokenId, TokenGrant>> {
        // A panicking holder leaves a table that is still one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: TokenId, now: Timestamp) -> Option<Credential> {
        let table = self.lock();
        let grant = table.get(&id)?;
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
        self.tokens.find(id, crate::production::now())
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
        let Answer::Token(token) = self.ask(Command::IssueToken(grant)).await? else {
            return Err(wrong_kind());
        };
        self.tokens.lock().insert(id, token.grant.clone());
        Ok(token_answer(&token))
    }

    pub(super) async fn drop_token(&self, id: TokenId) -> Result<api::Token, ApiError> {
        // Whatever becomes of the asking, from here on nobody gets in with it; asked again, the log is told again.
        self.tokens.lock().remove(&id);
        let Answer::Token(token) = self.ask(Command::RevokeToken(id)).await? else {
            return Err(wrong_kind());
        };
        Ok(token_answer(&token))
    }
}

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
