//! The WIT interface `strait:contract/contract@1.0.0` as Rust types, and its translation into `strait-contract`'s.

use strait_contract::{Collateral, Finality, Outcome, OutcomeLock, Party};
use strait_primitives::{AmountError, BlockHeight, MilliSats, PaymentHash};
use wasmtime::component::{ComponentType, Lift, Lower};

/// `party`.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum WitParty {
    #[component(name = "first")]
    First,
    #[component(name = "second")]
    Second,
}

/// `collateral`.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct WitCollateral {
    #[component(name = "first-msat")]
    first_msat: u64,
    #[component(name = "second-msat")]
    second_msat: u64,
}

/// `refusal`.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitRefusal {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

/// `payment-hash`.
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitPaymentHash {
    a: u64,
    b: u64,
    c: u64,
    d: u64,
}

/// `lock`.
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitLock {
    #[component(name = "offered-by")]
    offered_by: WitParty,
    #[component(name = "amount-msat")]
    amount_msat: u64,
    #[component(name = "payment-hash")]
    payment_hash: WitPaymentHash,
    expiry: u32,
}

/// `finality`.
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made only by lifting, which writes the discriminant")]
pub(crate) enum WitFinality {
    #[component(name = "open")]
    Open,
    #[component(name = "final")]
    Final,
}

/// `division`.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitDivision {
    #[component(name = "first-msat")]
    first_msat: u64,
    #[component(name = "second-msat")]
    second_msat: u64,
    locks: Vec<WitLock>,
    finality: WitFinality,
}

/// The parameters and results of the three functions.
pub(crate) type InitParams<'a> = (WitCollateral, &'a [u8]);
pub(crate) type ApplyParams<'a> = (&'a [u8], WitParty, &'a [u8], u32);
pub(crate) type StateResult = (Result<Vec<u8>, WitRefusal>,);
pub(crate) type OutcomeParams<'a> = (&'a [u8],);
pub(crate) type OutcomeResult = (WitDivision,);

impl From<Party> for WitParty {
    fn from(party: Party) -> Self {
        match party {
            Party::First => Self::First,
            Party::Second => Self::Second,
        }
    }
}

impl From<WitParty> for Party {
    fn from(party: WitParty) -> Self {
        match party {
            WitParty::First => Self::First,
            WitParty::Second => Self::Second,
        }
    }
}

impl From<&Collateral> for WitCollateral {
    fn from(collateral: &Collateral) -> Self {
        Self {
            first_msat: collateral.first().to_msat(),
            second_msat: collateral.second().to_msat(),
        }
    }
}

impl WitDivision {
    /// Locks in the answer, for its price.
    pub(crate) const fn lock_count(&self) -> usize {
        self.locks.len()
    }

    /// The answer in the types of the house.
    ///
    /// # Errors
    /// [`AmountError`] if a number is above all the money there is.
    pub(crate) fn into_outcome(self) -> Result<Outcome, AmountError> {
        let locks = self.locks.into_iter().map(WitLock::into_lock).collect::<Result<_, _>>()?;
        let finality = match self.finality {
            WitFinality::Open => Finality::Open,
            WitFinality::Final => Finality::Final,
        };
        Ok(Outcome {
            first: MilliSats::new(self.first_msat)?,
            second: MilliSats::new(self.second_msat)?,
            locks,
            finality,
        })
    }
}

impl WitLock {
    fn into_lock(self) -> Result<OutcomeLock, AmountError> {
        let WitPaymentHash { a, b, c, d } = self.payment_hash;
        let mut hash = [0; PaymentHash::LEN];
        for (bytes, word) in hash.chunks_exact_mut(8).zip([a, b, c, d]) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Ok(OutcomeLock {
            offered_by: self.offered_by.into(),
            amount: MilliSats::new(self.amount_msat)?,
            payment_hash: PaymentHash::from_bytes(hash),
            expiry: BlockHeight::new(self.expiry),
        })
    }
}
