//! Satoshis and millisatoshis. The two rooms named `encapsulate` hold the only code that may touch the field.

use core::fmt;

use thiserror::Error;

pub use self::msat::MilliSats;
pub use self::sat::Sats;

/// Millisatoshis in one satoshi.
const MSAT_PER_SAT: u64 = 1_000;
/// All satoshis that can ever exist (`MAX_MONEY` of Bitcoin Core's consensus code).
const SAT_MAX: u64 = 21_000_000 * 100_000_000;

/// Why an amount was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("amount {actual} is above all the money there is, {limit} (same unit)")]
pub struct AmountError {
    /// The amount as given, in the unit of the type that refused it.
    pub actual: u64,
    /// The largest amount of that type.
    pub limit: u64,
}

mod sat {
    use super::{AmountError, SAT_MAX};

    /// An amount in satoshis, at most 21 million bitcoin.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub struct Sats(u64);

    impl Sats {
        /// Nothing.
        pub const ZERO: Self = Self(0);
        /// All the money there is.
        pub const MAX: Self = Self(SAT_MAX);

        /// Wraps a number of satoshis.
        ///
        /// # Errors
        /// [`AmountError`] above 21 million bitcoin.
        pub const fn new(sat: u64) -> Result<Self, AmountError> {
            if sat > SAT_MAX {
                return Err(AmountError { actual: sat, limit: SAT_MAX });
            }
            Ok(Self(sat))
        }

        /// Wraps a constant; an impossible amount does not compile when used in a `const`.
        ///
        /// # Panics
        /// Above 21 million bitcoin.
        #[must_use]
        pub const fn from_const(sat: u64) -> Self {
            assert!(sat <= SAT_MAX, "a constant amount is above all the money there is");
            Self(sat)
        }

        /// The number of satoshis.
        #[must_use]
        pub const fn to_sat(self) -> u64 {
            self.0
        }
    }
}

mod msat {
    use super::{AmountError, MSAT_PER_SAT, SAT_MAX};

    /// An amount in millisatoshis, at most 21 million bitcoin.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub struct MilliSats(u64);

    impl MilliSats {
        /// Nothing.
        pub const ZERO: Self = Self(0);
        /// All the money there is.
        pub const MAX: Self = Self(SAT_MAX * MSAT_PER_SAT);

        /// Wraps a number of millisatoshis.
        ///
        /// # Errors
        /// [`AmountError`] above 21 million bitcoin.
        pub const fn new(msat: u64) -> Result<Self, AmountError> {
            if msat > Self::MAX.0 {
                return Err(AmountError { actual: msat, limit: Self::MAX.0 });
            }
            Ok(Self(msat))
        }

        /// Wraps a constant; an impossible amount does not compile when used in a `const`.
        ///
        /// # Panics
        /// Above 21 million bitcoin.
        #[must_use]
        pub const fn from_const(msat: u64) -> Self {
            assert!(msat <= Self::MAX.0, "a constant amount is above all the money there is");
            Self(msat)
        }

        /// The number of millisatoshis.
        #[must_use]
        pub const fn to_msat(self) -> u64 {
            self.0
        }
    }
}

impl Sats {
    /// The sum, or `None` above all the money there is.
    #[must_use = "amounts are values; the sum is the result"]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.to_sat().checked_add(other.to_sat()) {
            Some(sat) => match Self::new(sat) {
                Ok(sum) => Some(sum),
                Err(_) => None,
            },
            None => None,
        }
    }

    /// The difference, or `None` below zero.
    #[must_use = "amounts are values; the difference is the result"]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.to_sat().checked_sub(other.to_sat()) {
            Some(sat) => Some(Self::from_const(sat)),
            None => None,
        }
    }

    /// The difference, or zero if `other` is larger.
    #[must_use = "amounts are values; the difference is the result"]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self::from_const(self.to_sat().saturating_sub(other.to_sat()))
    }

    /// The same amount in millisatoshis.
    #[must_use]
    pub const fn to_millisats(self) -> MilliSats {
        MilliSats::from_const(self.to_sat() * MSAT_PER_SAT)
    }
}

impl MilliSats {
    /// The sum, or `None` above all the money there is.
    #[must_use = "amounts are values; the sum is the result"]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.to_msat().checked_add(other.to_msat()) {
            Some(msat) => match Self::new(msat) {
                Ok(sum) => Some(sum),
                Err(_) => None,
            },
            None => None,
        }
    }

    /// The difference, or `None` below zero.
    #[must_use = "amounts are values; the difference is the result"]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.to_msat().checked_sub(other.to_msat()) {
            Some(msat) => Some(Self::from_const(msat)),
            None => None,
        }
    }

    /// The difference, or zero if `other` is larger.
    #[must_use = "amounts are values; the difference is the result"]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self::from_const(self.to_msat().saturating_sub(other.to_msat()))
    }

    /// Whole satoshis in this amount, rounded down.
    #[must_use]
    pub const fn floor_sats(self) -> Sats {
        Sats::from_const(self.to_msat() / MSAT_PER_SAT)
    }
}

/// Gives an amount its text, its CBOR form (the bare integer) and a total sum over iterators.
macro_rules! amount_traits {
    ($type:ident, $read:ident, $unit:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $unit), self.$read())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<C> minicbor::Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.u64(self.$read())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $type {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                Self::new(d.u64()?).map_err(minicbor::decode::Error::custom)
            }
        }

        impl $type {
            /// The sum of all, or `None` above all the money there is.
            #[must_use = "amounts are values; the sum is the result"]
            pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
                amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
            }
        }
    };
}

amount_traits!(Sats, to_sat, "sat");
amount_traits!(MilliSats, to_msat, "msat");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_above_all_money_is_refused_with_its_limit() {
        assert_eq!(
            Sats::new(SAT_MAX + 1),
            Err(AmountError { actual: SAT_MAX + 1, limit: SAT_MAX })
        );
        assert!(MilliSats::new(u64::MAX).is_err());
    }

    #[test]
    fn sums_stop_at_all_money_and_differences_at_zero() {
        assert_eq!(Sats::MAX.checked_add(Sats::from_const(1)), None);
        assert_eq!(Sats::ZERO.checked_sub(Sats::from_const(1)), None);
        assert_eq!(MilliSats::checked_sum([MilliSats::MAX, MilliSats::from_const(1)]), None);
    }

    #[test]
    fn millisatoshis_round_down() {
        assert_eq!(MilliSats::from_const(1_999).floor_sats(), Sats::from_const(1));
    }

    #[test]
    fn the_decoder_refuses_what_the_constructor_refuses() {
        let bytes = minicbor::to_vec(u64::MAX).unwrap();
        assert!(minicbor::decode::<Sats>(&bytes).is_err());
    }
}
