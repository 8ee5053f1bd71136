//! A request for a token.

use strait_api_types::{CreateTokenRequest, TokenScope};
use strait_primitives::{Digest, MilliSats, Millis, Sats, TokenId};

use super::sats;
use crate::ApiError;

/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 64;
/// Seconds that a token may live at most: a century.
const LIFE_S_MAX: u64 = 100 * 366 * 86_400;

/// Asks for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Its name.
    pub id: TokenId,
    /// The SHA-256 of its secret.
    pub secret_hash: Digest,
    /// The operator's word for it.
    pub label: String,
    /// What it is good for.
    pub grant: Grant,
    /// How long it lives, if not for ever.
    pub life: Option<Millis>,
}

/// What a new token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// To look.
    Read,
    /// To pay.
    Pay {
        /// So much in all.
        budget: MilliSats,
        /// So much at a time.
        payment_max: Option<MilliSats>,
    },
    /// Everything but tokens.
    Operate,
}

impl NewToken {
    /// Checks what was asked.
    pub(crate) fn new(
        id: TokenId,
        secret_hash: Digest,
        raw: CreateTokenRequest,
    ) -> Result<Self, ApiError> {
        let CreateTokenRequest { scope, label, budget_sat, payment_sat_max, expires_in_s } = raw;
        let label = label.unwrap_or_default();
        if label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
            let right = "give at most 64 bytes without control characters";
            return Err(ApiError::invalid_field("label", "is too long or not plain text", right));
        }
        if scope != TokenScope::Pay && (budget_sat.is_some() || payment_sat_max.is_some()) {
            let right = "give budget_sat and payment_sat_max with scope pay only";
            return Err(ApiError::invalid_field("budget_sat", "does not go with the scope", right));
        }
        let grant = match (scope, budget_sat) {
            (TokenScope::Read, _) => Grant::Read,
            (TokenScope::Operate, _) => Grant::Operate,
            (TokenScope::Pay, Some(budget)) => {
                let amount = |field, sat| sats(field, sat).map(Sats::to_millisats);
                let payment_max =
                    payment_sat_max.map(|max| amount("payment_sat_max", max)).transpose()?;
                Grant::Pay { budget: amount("budget_sat", budget)?, payment_max }
            }
            (TokenScope::Pay, None) => {
                let right = "say what it may spend in all";
                return Err(ApiError::invalid_field("budget_sat", "is missing", right));
            }
            (TokenScope::Unknown, _) => {
                let right = "use read, pay or operate";
                return Err(ApiError::invalid_field("scope", "is not a scope", right));
            }
        };
        let life = expires_in_s.map(life).transpose()?;
        Ok(Self { id, secret_hash, label, grant, life })
    }

    /// What it may spend in all.
    pub(crate) const fn budget(&self) -> Option<MilliSats> {
        match self.grant {
            Grant::Pay { budget, .. } => Some(budget),
            Grant::Read | Grant::Operate => None,
        }
    }
}

fn life(seconds: u64) -> Result<Millis, ApiError> {
    let fits = (1..=LIFE_S_MAX).contains(&seconds);
    let millis = seconds.checked_mul(1_000).filter(|_| fits).map(Millis);
    millis.ok_or_else(|| {
        let right = "give seconds from 1 to a century, or leave it out";
        ApiError::invalid_field("expires_in_s", "is not a life", right)
    })
}
