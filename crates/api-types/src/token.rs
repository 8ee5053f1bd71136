//! `/v1/tokens`: what the operator lets others do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a token is good for. Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TokenScope {
    /// To look: every GET, without preimages.
    Read,
    /// To pay over channels and offer locks, up to a budget.
    Pay,
    /// Everything but tokens.
    Operate,
    /// A scope this version does not know.
    #[serde(other)]
    Unknown,
}

/// Asks for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateTokenRequest {
    /// What it is good for.
    pub scope: TokenScope,
    /// A word for people, at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What a token that pays may spend in all; for no other scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_sat: Option<u64>,
    /// What it may spend on one payment or lock; no bound of its own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_sat_max: Option<u64>,
    /// In so many seconds it is good for nothing any more; it does not expire if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its name: no secret.
    pub token_id: String,
    /// The operator's word for it.
    pub label: String,
    /// What it is good for.
    pub scope: TokenScope,
    /// What it may spend in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_sat: Option<u64>,
    /// What it may spend at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_sat_max: Option<u64>,
    /// What it has spent, with what is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_msat: Option<u64>,
    /// What it may still spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_msat: Option<u64>,
    /// When it was made.
    pub issued_at_ms: u64,
    /// From when on it is good for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// All tokens that were not revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// By id.
    pub tokens: Vec<Token>,
}

/// A token with its secret, which is told this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateTokenResponse {
    /// What goes behind `Authorization: Bearer`. The node keeps its hash alone.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub secret: TokenSecret,
    /// The token.
    pub token: Token,
}

/// The secret of a token, of which `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenSecret(pub String);

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(hidden)")
    }
}
