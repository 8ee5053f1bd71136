//! Tokens that the operator has given to others: who may read, who may pay up to how much, who may operate.
//!
//! They are events of the log like everything else. A secret is never here, its hash is. What a token has spent is folded
//! from the charges in the log: each stands there before the round that carries the request it pays for, and is taken back
//! by what says that nothing of the request was done. So neither a crash nor a repetition lets a token spend more than its
//! budget; at worst it may spend less until the next tick or start finds a charge without a request.
//!
//! A restored log forgets every token: it cannot know which of them were revoked since, nor what they spent.

use std::collections::BTreeMap;

use strait_primitives::{Digest, MilliSats, RequestKey, Timestamp, TokenId};

use crate::limits::EXPIRED_TOKENS_KEPT;

/// What a token is good for. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum TokenScope {
    /// To look.
    #[n(0)]
    Read,
    /// To pay over channels and offer locks.
    #[n(1)]
    Pay {
        /// So much in all, as long as the token lives.
        #[n(0)]
        budget: MilliSats,
        /// So much for each payment or lock; no bound of its own without.
        #[n(1)]
        payment_max: Option<MilliSats>,
    },
    /// Everything but making tokens.
    #[n(2)]
    Operate,
}

/// A token as it was made.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct TokenGrant {
    /// Its name: no secret.
    #[n(0)]
    pub id: TokenId,
    /// The operator's word for it.
    #[n(1)]
    pub label: String,
    /// The SHA-256 of its secret, which has 256 bits of entropy.
    #[n(2)]
    pub secret_hash: Digest,
    /// What it is good for.
    #[n(3)]
    pub scope: TokenScope,
    /// When it was made.
    #[n(4)]
    pub issued: Timestamp,
    /// From when on it is good for nothing.
    #[n(5)]
    pub expires: Option<Timestamp>,
}

/// Something happened to a token.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum TokenEvent {
    /// It was made.
    #[n(0)]
    Issued(#[n(0)] TokenGrant),
    /// It is good for nothing from here on.
    #[n(1)]
    Revoked(#[n(0)] TokenId),
    /// A request was taken on its account. Comes before whatever carries the request.
    #[n(2)]
    Charged {
        /// Whose.
        #[n(0)]
        token: TokenId,
        /// The request.
        #[n(1)]
        key: RequestKey,
        /// All that it may cost.
        #[n(2)]
        amount: MilliSats,
    },
    /// Nothing of these requests was done, and nothing will be.
    #[n(3)]
    Credited {
        /// The requests.
        #[n(0)]
        keys: Vec<RequestKey>,
    },
}

/// A token that was not revoked.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Token {
    /// As it was made.
    #[n(0)]
    pub grant: TokenGrant,
    /// What it has spent, with what is under way.
    #[n(1)]
    pub spent: MilliSats,
}

/// A charge that may still be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
struct Charge {
    #[n(0)]
    token: TokenId,
    #[n(1)]
    amount: MilliSats,
}

/// All tokens, and the charges whose outcome is open.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct TokenBook {
    #[n(0)]
    tokens: BTreeMap<TokenId, Token>,
    #[n(1)]
    open: BTreeMap<RequestKey, Charge>,
}

impl TokenGrant {
    /// True from the moment on at which it expires.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

impl Token {
    /// What a token that pays may still spend.
    #[must_use]
    pub fn left(&self) -> Option<MilliSats> {
        match self.grant.scope {
            TokenScope::Pay { budget, .. } => {
                Some(budget.checked_sub(self.spent).unwrap_or(MilliSats::ZERO))
            }
            TokenScope::Read | TokenScope::Operate => None,
        }
    }
}

impl TokenBook {
    /// One token.
    #[must_use]
    pub fn find(&self, id: &TokenId) -> Option<&Token> {
        self.tokens.get(id)
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &Token> {
        self.tokens.values()
    }

    /// How many there would be, had one been made now: those that expired long ago would be forgotten.
    pub(crate) fn count_at(&self, now: Timestamp) -> usize {
        self.tokens.values().filter(|token| !is_stale(&token.grant, now)).count()
    }

    /// The latest moment at which one of them was made.
    pub(crate) fn latest_moment(&self) -> Timestamp {
        self.tokens.values().map(|token| token.grant.issued).max().unwrap_or_default()
    }

    /// Requests whose charges may still be taken back.
    pub(crate) fn open_keys(&self) -> impl Iterator<Item = &RequestKey> {
        self.open.keys()
    }

    /// True if no charge may be taken back.
    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// True if this request was charged and its outcome is open.
    pub(crate) fn is_open(&self, key: &RequestKey) -> bool {
        self.open.contains_key(key)
    }

    /// Folds one event in.
    pub(crate) fn apply(&mut self, event: &TokenEvent) {
        match event {
            TokenEvent::Issued(grant) => {
                let now = grant.issued;
                self.tokens.retain(|_, token| !is_stale(&token.grant, now));
                let token = Token { grant: grant.clone(), spent: MilliSats::ZERO };
                let before = self.tokens.insert(grant.id, token);
                assert_eq!(before, None, "a token is made once");
            }
            TokenEvent::Revoked(id) => {
                self.tokens.remove(id);
            }
            TokenEvent::Charged { token, key, amount } => self.charge(*token, *key, *amount),
            TokenEvent::Credited { keys } => self.credit(keys),
        }
    }

    /// The outcome of these requests is final: what they cost stays spent.
    pub(crate) fn settle(&mut self, keys: &[RequestKey]) {
        for key in keys {
            self.open.remove(key);
        }
    }

    /// Nothing of these requests was done.
    pub(crate) fn credit(&mut self, keys: &[RequestKey]) {
        for key in keys {
            let Some(Charge { token, amount }) = self.open.remove(key) else { continue };
            // A revoked token has no account any more.
            if let Some(token) = self.tokens.get_mut(&token) {
                let spent = token.spent.checked_sub(amount);
                token.spent = spent.expect("what is taken back was charged");
            }
        }
    }

    fn charge(&mut self, id: TokenId, key: RequestKey, amount: MilliSats) {
        let token = self.tokens.get_mut(&id).expect("only a token that is there is charged");
        let spent = token.spent.checked_add(amount).expect("a budget bounds what is spent");
        if let TokenScope::Pay { budget, .. } = token.grant.scope {
            assert!(spent <= budget, "{spent} is more than token {id} may spend, {budget}");
        }
        token.spent = spent;
        let before = self.open.insert(key, Charge { token: id, amount });
        assert_eq!(before, None, "a request is charged once");
    }
}

/// True if nobody needs to be told any more that it expired.
fn is_stale(grant: &TokenGrant, now: Timestamp) -> bool {
    grant.expires.is_some_and(|expires| now.since(expires) > EXPIRED_TOKENS_KEPT)
}

#[cfg(test)]
mod tests;
