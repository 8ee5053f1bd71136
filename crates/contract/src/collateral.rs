//! What each party puts into a contract.

use strait_primitives::MilliSats;
use thiserror::Error;

pub use self::encapsulate::Collateral;
use crate::Party;

/// Why a collateral was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CollateralError {
    /// Nobody puts anything in: there is nothing to rule over.
    #[error("a contract needs a collateral from at least one party")]
    Empty,
    /// Both together are above all the money there is.
    #[error("a collateral of {first} and {second} is above all the money there is")]
    TooLarge {
        /// What the first party would put in.
        first: MilliSats,
        /// What the second party would put in.
        second: MilliSats,
    },
}

mod encapsulate {
    use super::{CollateralError, MilliSats};

    /// What each party puts in: never nothing, and its total is an amount.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, minicbor::Encode)]
    pub struct Collateral {
        #[n(0)]
        first: MilliSats,
        #[n(1)]
        second: MilliSats,
    }

    impl Collateral {
        /// Takes the two amounts.
        ///
        /// # Errors
        /// [`CollateralError`] if both are zero or their sum is no amount.
        pub fn new(first: MilliSats, second: MilliSats) -> Result<Self, CollateralError> {
            match first.checked_add(second) {
                None => Err(CollateralError::TooLarge { first, second }),
                Some(MilliSats::ZERO) => Err(CollateralError::Empty),
                Some(_) => Ok(Self { first, second }),
            }
        }

        /// What the first party puts in.
        #[must_use]
        pub const fn first(&self) -> MilliSats {
            self.first
        }

        /// What the second party puts in.
        #[must_use]
        pub const fn second(&self) -> MilliSats {
            self.second
        }
    }
}

impl Collateral {
    /// What one party puts in.
    #[must_use]
    pub const fn of(&self, party: Party) -> MilliSats {
        match party {
            Party::First => self.first(),
            Party::Second => self.second(),
        }
    }

    /// What both put in together.
    #[must_use]
    pub fn total(&self) -> MilliSats {
        self.first().checked_add(self.second()).expect("checked when the collateral was made")
    }
}

/// The wire and disk form, before its sum is checked.
#[derive(minicbor::Decode)]
struct RawCollateral {
    #[n(0)]
    first: MilliSats,
    #[n(1)]
    second: MilliSats,
}

impl<'b, C> minicbor::Decode<'b, C> for Collateral {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let raw = RawCollateral::decode(d, ctx)?;
        Self::new(raw.first, raw.second).map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collateral_of_nothing_or_of_more_than_all_money_is_refused() {
        assert_eq!(Collateral::new(MilliSats::ZERO, MilliSats::ZERO), Err(CollateralError::Empty));
        assert!(matches!(
            Collateral::new(MilliSats::MAX, MilliSats::from_const(1)),
            Err(CollateralError::TooLarge { .. })
        ));
    }

    #[test]
    fn the_decoder_refuses_what_the_constructor_refuses() {
        let sound = Collateral::new(MilliSats::from_const(5), MilliSats::ZERO).unwrap();
        let bytes = minicbor::to_vec(sound).unwrap();
        assert_eq!(minicbor::decode::<Collateral>(&bytes).unwrap(), sound);
        assert!(minicbor::decode::<Collateral>(&[0x82, 0x00, 0x00]).is_err());
    }
}
