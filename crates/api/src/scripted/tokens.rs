//! Tokens of the scripted node: kept, found, revoked, and told when they expire.

use strait_api_types::{ErrorCode, Token, TokenList, TokenScope};
use strait_primitives::TokenId;

use super::ScriptedNode;
use crate::{ApiError, Credential, Grant, NewToken, Scope, Standing};

impl ScriptedNode {
    /// Every token expires now.
    pub fn expire_tokens(&self) {
        for (credential, _) in self.state().tokens.values_mut() {
            credential.standing = Standing::Expired;
        }
    }

    pub(super) fn credential_of(&self, id: TokenId) -> Option<Credential> {
        self.state().tokens.get(&id).map(|(credential, _)| credential.clone())
    }

    pub(super) fn token_list(&self) -> TokenList {
        TokenList { tokens: self.state().tokens.values().map(|(_, token)| token.clone()).collect() }
    }

    pub(super) fn make_token(&self, request: NewToken) -> Token {
        let NewToken { id, secret_hash, label, grant, life } = request;
        let (scope, shown, budget) = match grant {
            Grant::Read => (Scope::Read, TokenScope::Read, None),
            Grant::Pay { budget, .. } => (Scope::Pay, TokenScope::Pay, Some(budget)),
            Grant::Operate => (Scope::Operate, TokenScope::Operate, None),
        };
        let token = Token {
            token_id: id.to_string(),
            label: label.clone(),
            scope: shown,
            budget_sat: budget.map(|budget| budget.floor_sats().to_sat()),
            payment_sat_max: None,
            spent_msat: budget.map(|_| 0),
            left_msat: budget.map(|budget| budget.to_msat()),
            issued_at_ms: 0,
            expires_at_ms: life.map(|life| life.0),
        };
        let standing = Standing::Valid;
        let credential = Credential { id, label, secret_hash, scope, standing };
        self.state().tokens.insert(id, (credential, token.clone()));
        token
    }

    pub(super) fn drop_token(&self, id: TokenId) -> Result<Token, ApiError> {
        let dropped = self.state().tokens.remove(&id).map(|(_, token)| token);
        dropped.ok_or_else(|| {
            ApiError::new(ErrorCode::TokenNotFound, "there is no such token", "list them")
        })
    }
}
