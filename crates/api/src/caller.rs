//! Who asks, and what they may: the operator's own token, or one that the operator made.
//!
//! A token's text is `strait_ID_SECRET`: it is found by its id, and then its secret's hash is compared in constant time. What
//! a scope covers is one table, [`needed`], by method and route; whatever is not named there needs the most.
//!
//! A token may end while a request or a stream goes on. A [`Caller`] can be asked again whether it is still good: once a body
//! has been read, and for as long as events are sent.
//!
//! **Invariant:** no secret is kept here beyond the check, and nothing here prints one.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use bitcoin_hashes::{Hash, sha256};
use strait_api_types::ErrorCode;
use strait_primitives::{Digest, MilliSats, RequestKey, TokenId};
use subtle::ConstantTimeEq;

use crate::{ApiError, Backend};

/// How a made token's text begins.
const PREFIX: &str = "strait_";
/// Random bytes of a secret: as much as any key here has.
const SECRET_BYTES: usize = 32;

/// Characters of what a request is about: as many as an address may have.
const TARGET_CHARS_MAX: usize = 512;

/// What a token is good for; each covers those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To look.
    Read,
    /// To pay within a budget.
    Pay,
    /// Everything but tokens.
    Operate,
    /// The operator's own token: everything.
    Root,
}

/// Whether a token has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is good.
    Valid,
    /// Not any more.
    Expired,
}

/// What the node knows of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub id: TokenId,
    /// The operator's word for it.
    pub label: String,
    /// The SHA-256 of its secret.
    pub secret_hash: Digest,
    /// What it is good for.
    pub scope: Scope,
    /// Whether it still is.
    pub standing: Standing,
}

/// Who asks.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The token that was shown; none for the operator's own.
    token: Option<Arc<Shown>>,
    /// What a handler has understood of the request, for the audit log.
    note: Arc<OnceLock<Note>>,
    /// The key of the request, where the node does nothing twice under one.
    asked: Arc<OnceLock<RequestKey>>,
}

/// A token that was shown, and how it is looked up again.
struct Shown {
    credential: Credential,
    look: Box<dyn Fn(TokenId) -> Option<Credential> + Send + Sync>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Note {
    /// How much, in thousandths of a satoshi; none if it is not known before the answer.
    pub(crate) amount_msat: Option<u64>,
    /// Of this what the channel's opener and its acceptor put in, where both do.
    pub(crate) sides_msat: Option<(u64, u64)>,
    /// Of or to what: an id, or an address.
    pub(crate) target: String,
}

/// A token's name and secret, fresh.
pub(crate) struct Fresh {
    pub(crate) id: TokenId,
    pub(crate) secret_hash: Digest,
    /// What its holder sends.
    pub(crate) text: String,
}

impl Caller {
    /// The operator.
    pub(crate) fn root() -> Self {
        Self { token: None, note: Arc::default(), asked: Arc::default() }
    }

    /// Whoever holds this token, which `look` finds for as long as it is not revoked.
    pub(crate) fn with(
        credential: Credential,
        look: impl Fn(TokenId) -> Option<Credential> + Send + Sync + 'static,
    ) -> Self {
        let shown = Shown { credential, look: Box::new(look) };
        Self { token: Some(Arc::new(shown)), note: Arc::default(), asked: Arc::default() }
    }

    /// What they may.
    pub(crate) fn scope(&self) -> Scope {
        self.token().map_or(Scope::Root, |token| token.scope)
    }

    /// The token shown, but for the operator's own.
    pub(crate) fn token(&self) -> Option<&Credential> {
        self.token.as_ref().map(|shown| &shown.credential)
    }

    /// Refuses a token that has ended since it was shown.
    pub(crate) fn check_again(&self) -> Result<(), ApiError> {
        let Some(shown) = &self.token else { return Ok(()) };
        let (id, secret_hash) = (shown.credential.id, shown.credential.secret_hash);
        match (shown.look)(id).filter(|found| found.secret_hash == secret_hash) {
            Some(Credential { standing: Standing::Valid, .. }) => Ok(()),
            Some(Credential { standing: Standing::Expired, .. }) => Err(expired(id)),
            None => Err(unauthorized("the bearer token was revoked meanwhile")),
        }
    }

    /// The token whose budget pays.
    pub(crate) fn payer(&self) -> Option<TokenId> {
        self.token().filter(|token| token.scope == Scope::Pay).map(|token| token.id)
    }

    /// Whether receipts are for them: who only looks, and who pays for themselves alone, sees none in lists.
    pub(crate) fn sees_preimages(&self) -> bool {
        self.scope() >= Scope::Operate
    }

    /// Takes note of what is asked, once.
    pub(crate) fn note(&self, amount_msat: Option<u64>, target: impl Into<String>) {
        self.take_note(Note { amount_msat, sides_msat: None, target: plain(&target.into()) });
    }

    /// Takes note of what both sides of a channel shall put in, once.
    pub(crate) fn note_sides(&self, opener: MilliSats, acceptor: MilliSats, target: String) {
        let (opener, acceptor) = (opener.to_msat(), acceptor.to_msat());
        let (amount_msat, sides_msat) = (opener.checked_add(acceptor), Some((opener, acceptor)));
        self.take_note(Note { amount_msat, sides_msat, target: plain(&target) });
    }

    fn take_note(&self, note: Note) {
        // A second note would be of the same request.
        let _first_stays = self.note.set(note);
    }

    /// Takes note of the request's key, once.
    pub(crate) fn asks(&self, key: RequestKey) {
        // A second one would be of the same request.
        let _first_stays = self.asked.set(key);
    }

    /// The request's key, where the node does nothing twice under one.
    pub(crate) fn asked(&self) -> Option<RequestKey> {
        self.asked.get().copied()
    }

    /// What was asked, if a handler came to understand it.
    pub(crate) fn noted(&self) -> Option<&Note> {
        self.note.get()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("token", &self.token().map(|token| token.id)).finish()
    }
}

/// What may stand in a line that people read: bounded, and with nothing that moves a cursor or turns the direction of text.
fn plain(text: &str) -> String {
    let plain = |char: char| if char.is_ascii_graphic() { char } else { '?' };
    text.chars().take(TARGET_CHARS_MAX).map(plain).collect()
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts.extensions.get::<Self>().cloned().expect("every request passed authentication"))
    }
}

/// Finds out who shows this token.
pub(crate) fn identify<B: Backend>(backend: &Arc<B>, shown: &[u8]) -> Result<Caller, ApiError> {
    let wrong = || unauthorized("the bearer token is not one of this node's");
    let (id, secret) = parse(shown).ok_or_else(wrong)?;
    // Who guesses an id learns nothing: it is no secret, and what follows is as wrong as an unknown id.
    let credential = backend.credential(id).ok_or_else(wrong)?;
    if !bool::from(credential.secret_hash.as_bytes().ct_eq(&hash(secret))) {
        return Err(wrong());
    }
    match credential.standing {
        Standing::Valid => {
            let backend = Arc::clone(backend);
            Ok(Caller::with(credential, move |id| backend.credential(id)))
        }
        Standing::Expired => Err(expired(id)),
    }
}

fn expired(id: TokenId) -> ApiError {
    ApiError::new(
        ErrorCode::TokenExpired,
        format!("token {id} has expired"),
        "ask the operator for another",
    )
}

/// Makes a token.
pub(crate) fn fresh() -> Result<Fresh, ApiError> {
    let mut bytes = [0; TokenId::LEN + SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::internal(&error))?;
    let (id, secret) = bytes.split_at(TokenId::LEN);
    let id = TokenId::from_slice(id).expect("split at exactly this length");
    let secret = hex::encode(secret);
    let secret_hash = Digest::from_bytes(hash(secret.as_bytes()));
    Ok(Fresh { id, secret_hash, text: format!("{PREFIX}{id}_{secret}") })
}

/// The secret itself is hashed as it is sent: 64 hex digits.
fn hash(secret: &[u8]) -> [u8; 32] {
    sha256::Hash::hash(secret).to_byte_array()
}

fn parse(shown: &[u8]) -> Option<(TokenId, &[u8])> {
    let rest = shown.strip_prefix(PREFIX.as_bytes())?;
    let (id, rest) = rest.split_at_checked(2 * TokenId::LEN)?;
    let secret = rest.strip_prefix(b"_")?;
    let id = std::str::from_utf8(id).ok()?.parse().ok()?;
    (secret.len() == 2 * SECRET_BYTES).then_some((id, secret))
}

/// A request without a token that counts.
pub(crate) fn unauthorized(message: &'static str) -> ApiError {
    ApiError::new(
        ErrorCode::Unauthorized,
        message,
        "send Authorization: Bearer with the content of the node's token file, or a token that was made and not revoked",
    )
}

/// What it takes to use a route.
pub(crate) fn needed(method: &Method, route: &str) -> Scope {
    const PAYING: [&str; 2] = ["/v1/payments", "/v1/locks"];
    if route.starts_with("/v1/tokens") {
        Scope::Root
    } else if *method == Method::GET || *method == Method::HEAD {
        Scope::Read
    } else if *method == Method::POST && PAYING.contains(&route) {
        Scope::Pay
    } else {
        Scope::Operate
    }
}

/// Refuses what the caller's token does not cover.
pub(crate) fn check(caller: &Caller, method: &Method, route: &str) -> Result<(), ApiError> {
    let (has, needs) = (caller.scope(), needed(method, route));
    if has >= needs {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::NotAllowed,
        format!("a token of scope {} may not do this", name(has)),
        format!(
            "it takes {}",
            if needs == Scope::Root { "the node's own token" } else { name(needs) }
        ),
    ))
}

/// A scope as people write it.
const fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Pay => "pay",
        Scope::Operate => "operate",
        Scope::Root => "root",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_is_whole_is_read() {
        let Fresh { id, secret_hash, text } = fresh().unwrap();
        let (read, secret) = parse(text.as_bytes()).unwrap();
        assert_eq!((read, hash(secret)), (id, *secret_hash.as_bytes()));
        for wrong in [&text[..text.len() - 1], &text[1..], &text.replace('_', "-"), "strait_", ""] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn each_scope_covers_its_routes() {
        for (method, route, scope) in [
            (Method::GET, "/v1/status", Scope::Read),
            (Method::GET, "/v1/events", Scope::Read),
            (Method::POST, "/v1/payments", Scope::Pay),
            (Method::POST, "/v1/locks", Scope::Pay),
            (Method::POST, "/v1/contracts", Scope::Operate),
            (Method::POST, "/v1/contracts/{contract_id}/actions", Scope::Operate),
            (Method::POST, "/v1/wallet/sends", Scope::Operate),
            (Method::PATCH, "/v1/settings", Scope::Operate),
            (Method::POST, "/v1/nothing/known", Scope::Operate),
            (Method::GET, "/v1/tokens", Scope::Root),
            (Method::POST, "/v1/tokens", Scope::Root),
            (Method::DELETE, "/v1/tokens/{token_id}", Scope::Root),
        ] {
            assert_eq!(needed(&method, route), scope, "{method} {route}");
        }
    }
}
