//! Keeping receipts from callers who only look, or who pay for themselves alone.
//!
//! A preimage that stands in an answer opens nothing any more, but proves a payment: it belongs to whoever paid. A payer finds
//! its own by asking again with the key of its offer.

use strait_api_types::{Event, EventKind, Lock};

use crate::caller::Caller;

/// A lock as the caller may see it.
pub(crate) fn lock_for(caller: &Caller, mut lock: Lock) -> Lock {
    if !caller.sees_preimages() {
        lock.preimage = None;
    }
    lock
}

/// An event as the caller may see it; none if all that it tells is a receipt.
pub(crate) fn event_for(caller: &Caller, mut event: Event) -> Option<Event> {
    if caller.sees_preimages() {
        return Some(event);
    }
    if matches!(event.kind, EventKind::PreimageLearned { .. }) {
        return None;
    }
    event.locks.iter_mut().for_each(|lock| lock.preimage = None);
    Some(event)
}

#[cfg(test)]
mod tests {
    use strait_api_types::PreimageHex;
    use strait_primitives::{Digest, TokenId};

    use super::*;
    use crate::{Credential, Scope, Standing};

    fn caller(scope: Scope) -> Caller {
        let credential = Credential {
            id: TokenId::from_bytes([1; 8]),
            label: String::new(),
            secret_hash: Digest::from_bytes([2; 32]),
            scope,
            standing: Standing::Valid,
        };
        Caller::with(credential, |_| None)
    }

    #[test]
    fn a_receipt_is_for_who_operates() {
        let kind = EventKind::PreimageLearned {
            payment_hash: "aa".to_owned(),
            preimage: PreimageHex("bb".to_owned()),
        };
        let event = Event { seq: 1, at_ms: 2, kind, locks: Vec::new() };
        for (caller, told) in [
            (Caller::root(), true),
            (caller(Scope::Operate), true),
            (caller(Scope::Pay), false),
            (caller(Scope::Read), false),
        ] {
            assert_eq!(event_for(&caller, event.clone()).is_some(), told);
        }
    }
}
