//! What a party can ask.

use alloc::vec::Vec;

use strait_contract_sdk::{Reader, Writer};

/// An action on a metered contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The customer pays for the next calls.
    Use {
        /// How many.
        calls: u32,
    },
    /// The service gives money back.
    Refund {
        /// How much, in millisatoshis; at most what was spent.
        amount_msat: u64,
    },
    /// Ends the contract; what was not spent is the customer's.
    Close,
}

impl Action {
    /// Reads an action; `None` if these bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let action = match reader.u8()? {
            1 => Self::Use { calls: reader.u32()? },
            2 => Self::Refund { amount_msat: reader.u64()? },
            3 => Self::Close,
            _ => return None,
        };
        reader.finish()?;
        Some(action)
    }

    /// The action in the bytes that `apply` takes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Use { calls } => Writer::new().u8(1).u32(calls),
            Self::Refund { amount_msat } => Writer::new().u8(2).u64(amount_msat),
            Self::Close => Writer::new().u8(3),
        }
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_their_bytes_and_nonsense_is_refused() {
        for action in [Action::Use { calls: 7 }, Action::Refund { amount_msat: 9 }, Action::Close] {
            assert_eq!(Action::from_bytes(&action.to_bytes()), Some(action));
        }
        for nonsense in [&[] as &[u8], &[0], &[1, 0], &[3, 0], &[4]] {
            assert_eq!(Action::from_bytes(nonsense), None);
        }
    }
}
