//! The `Idempotency-Key` header: the caller's name for one intention to move money.

use axum::http::HeaderMap;
use bitcoin_hashes::{Hash, HashEngine, sha256};
use strait_api_types::{ErrorCode, IDEMPOTENCY_KEY_BYTES_MAX};
use strait_primitives::{RequestKey, TokenId};

use crate::ApiError;
use crate::caller::Caller;

/// The header's name.
const HEADER: &str = "idempotency-key";

/// What is being asked. A key means one thing per operation, so one that is used for a channel and for a payment is
/// two requests and never gives the wrong kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    OpenChannel,
    CloseChannel,
    Recover,
    Pay,
    OpenContract,
    Act,
    Settle,
    SendCoins,
    OfferLock,
    ClaimLock,
    CancelLock,
}

impl Operation {
    /// The name that is hashed with the key. It is in the logs of nodes: never change one.
    const fn name(self) -> &'static str {
        match self {
            Self::OpenChannel => "open_channel",
            Self::CloseChannel => "close_channel",
            Self::Recover => "recover",
            Self::Pay => "pay",
            Self::OpenContract => "open_contract",
            Self::Act => "act",
            Self::Settle => "settle",
            Self::SendCoins => "send_coins",
            Self::OfferLock => "offer_lock",
            Self::ClaimLock => "claim_lock",
            Self::CancelLock => "cancel_lock",
        }
    }
}

/// One asking of a request that moves money: its key, and what is asked under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The key.
    pub(crate) key: RequestKey,
    /// A hash of all that was sent, so that a repetition is told from another request. Two spellings of one request
    /// count as two; the node itself knows better.
    content: sha256::Hash,
}

impl Asked {
    /// Takes note of what is asked: the ids in the path, each of its one length, and the body.
    pub(crate) fn new(key: RequestKey, parts: &[&[u8]]) -> Self {
        let mut engine = sha256::Hash::engine();
        for part in parts {
            engine.input(part);
        }
        Self { key, content: sha256::Hash::from_engine(engine) }
    }
}

/// Reads the key of a request that moves money.
pub(crate) fn request_key(
    operation: Operation,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<RequestKey, ApiError> {
    const RIGHT: &str = "send Idempotency-Key with 1 to 255 visible ASCII characters, new for every \
        intention and the same when you ask again";
    let mut values = headers.get_all(HEADER).iter();
    let (value, second) = (values.next(), values.next());
    let Some(value) = value else {
        return Err(ApiError::new(
            ErrorCode::IdempotencyKeyMissing,
            "this request moves money and has no Idempotency-Key header",
            RIGHT,
        ));
    };
    let key = value.as_bytes();
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
    if second.is_some() || !fits || !key.iter().all(u8::is_ascii_graphic) {
        return Err(ApiError::invalid_field("Idempotency-Key", "is not one usable key", RIGHT));
    }
    let key = derive(operation, caller.token().map(|token| token.id), key);
    if operation != Operation::Recover {
        // Each choice of that one is idempotent by itself, and its key decides nothing.
        caller.asks(key);
    }
    Ok(key)
}

/// The first 16 bytes of SHA-256 over the operation's name, a zero byte and the key. Keys of a token that was made are its own:
/// for these a one and the token's id stand in place of the zero, so that no token learns or blocks another's answers.
fn derive(operation: Operation, token: Option<TokenId>, key: &[u8]) -> RequestKey {
    let mut engine = sha256::Hash::engine();
    engine.input(operation.name().as_bytes());
    match token {
        None => engine.input(&[0]),
        Some(id) => {
            engine.input(&[1]);
            engine.input(id.as_bytes());
        }
    }
    engine.input(key);
    let digest = sha256::Hash::from_engine(engine).to_byte_array();
    let (head, _) = digest.split_at(RequestKey::LEN);
    RequestKey::from_slice(head).expect("split at exactly this length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&str], expect: Result<(), ErrorCode>) {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(HEADER, key.parse().unwrap());
        }
        let found = request_key(Operation::Pay, &Caller::root(), &headers)
            .map(|_| ())
            .map_err(|e| e.code());
        assert_eq!(found, expect, "{keys:?}");
    }

    #[test]
    fn a_key_is_required_once_and_must_be_visible_ascii() {
        check(&["order-17"], Ok(()));
        check(&[], Err(ErrorCode::IdempotencyKeyMissing));
        check(&["a", "b"], Err(ErrorCode::InvalidField));
        check(&[""], Err(ErrorCode::InvalidField));
        check(&["two words"], Err(ErrorCode::InvalidField));
        check(&[&"k".repeat(255)], Ok(()));
        check(&[&"k".repeat(256)], Err(ErrorCode::InvalidField));
    }

    #[test]
    fn the_derivation_is_fixed_because_logs_hold_it() {
        let key = derive(Operation::Pay, None, b"order-17");
        assert_eq!(key.to_string(), "2081081af014285d90ba48269fbbdc6c");
        assert_ne!(key, derive(Operation::Act, None, b"order-17"));
        let [one, two] = [1, 2].map(|byte| Some(TokenId::from_bytes([byte; 8])));
        let theirs = derive(Operation::Pay, one, b"order-17");
        assert_ne!(key, theirs, "a token's keys are its own");
        assert_ne!(theirs, derive(Operation::Pay, two, b"order-17"));
    }
}
