//! What a contract implements and the values it speaks in: the WIT interface as plain Rust.

use alloc::string::String;
use alloc::vec::Vec;

/// The rules of a contract.
pub trait Contract {
    /// The first state.
    ///
    /// # Errors
    /// A [`Refusal`] if these parameters or this collateral are not for this contract; nothing is opened then.
    fn init(collateral: Collateral, params: &[u8]) -> Result<Vec<u8>, Refusal>;

    /// The state after an action.
    ///
    /// # Errors
    /// A [`Refusal`] if the action is not allowed; nothing has happened then.
    fn apply(state: &[u8], call: Call<'_>) -> Result<Vec<u8>, Refusal>;

    /// How a state divides the collateral. Must have an answer for every state that the other two return.
    fn outcome(state: &[u8]) -> Division;
}

/// A party, by its place in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The opener of the channel.
    First,
    /// The acceptor of the channel.
    Second,
}

impl Party {
    /// The other party.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// What each party puts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collateral {
    /// The opener's part in millisatoshis.
    pub first_msat: u64,
    /// The acceptor's part in millisatoshis.
    pub second_msat: u64,
}

impl Collateral {
    /// One party's part.
    #[must_use]
    pub const fn of_msat(&self, party: Party) -> u64 {
        match party {
            Party::First => self.first_msat,
            Party::Second => self.second_msat,
        }
    }

    /// Both parts together; `None` beyond 64 bits, which a channel never sends.
    #[must_use]
    pub const fn total_msat(&self) -> Option<u64> {
        self.first_msat.checked_add(self.second_msat)
    }
}

/// An action with its circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// Who acts: the party whose node proposed it, so this cannot be forged.
    pub who: Party,
    /// What is asked, in the contract's own bytes.
    pub action: &'a [u8],
    /// The height of the channel's ledger: never lowered, and at most the true height of the chain.
    pub height: u32,
}

/// The contract's own no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A number that a program can act on.
    pub code: u32,
    /// Words for people; what is beyond 256 bytes is cut.
    pub reason: String,
}

impl Refusal {
    /// A refusal with its number and its words.
    #[must_use]
    pub fn new(code: u32, reason: &str) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// A part of the collateral that hangs on a preimage: the chain can judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Who pays if the preimage is shown, and has the money back from `expiry` on if it is not.
    pub offered_by: Party,
    /// How much, in millisatoshis; not zero.
    pub amount_msat: u64,
    /// The SHA-256 of the preimage.
    pub payment_hash: [u8; 32],
    /// The block height from which the money goes back.
    pub expiry: u32,
}

/// Whether either party may settle alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// More actions may follow.
    Open,
    /// The contract has ended.
    Final,
}

/// How a state divides the collateral: balances and locks together are exactly the collateral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// What the opener has at once, in millisatoshis.
    pub first_msat: u64,
    /// What the acceptor has at once, in millisatoshis.
    pub second_msat: u64,
    /// What hangs on preimages.
    pub locks: Vec<Lock>,
    /// Whether the contract has ended.
    pub finality: Finality,
}
