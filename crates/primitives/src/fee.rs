//! What block space costs.

use core::fmt;

use crate::Sats;

/// Size of a transaction in virtual bytes (BIP-0141: weight divided by four, rounded up).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct VBytes(#[n(0)] pub u64);

/// A fee rate in satoshis per 1,000 virtual bytes.
///
/// The unit of Bitcoin Core's `CFeeRate`: fine enough for the 0.1 sat/vB that nodes relay at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct FeeRate(#[n(0)] u64);

impl FeeRate {
    /// The lowest rate that every node relays at: 1 sat/vB.
    pub const RELAY_FLOOR: Self = Self(1_000);

    /// Wraps a rate in satoshis per 1,000 virtual bytes.
    #[must_use]
    pub const fn from_sat_per_kvb(sat_per_kvb: u64) -> Self {
        Self(sat_per_kvb)
    }

    /// The rate in satoshis per 1,000 virtual bytes.
    #[must_use]
    pub const fn to_sat_per_kvb(self) -> u64 {
        self.0
    }

    /// The fee of a transaction of this size, rounded up and capped at all the money there is.
    #[must_use]
    pub fn fee(self, size: VBytes) -> Sats {
        let fee = (u128::from(self.0) * u128::from(size.0)).div_ceil(1_000);
        u64::try_from(fee).ok().and_then(|sat| Sats::new(sat).ok()).unwrap_or(Sats::MAX)
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat/kvB", self.0)
    }
}

impl fmt::Debug for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_rounds_up_and_cannot_overflow() {
        assert_eq!(FeeRate::from_sat_per_kvb(1_001).fee(VBytes(1)), Sats::from_const(2));
        assert_eq!(FeeRate::from_sat_per_kvb(u64::MAX).fee(VBytes(u64::MAX)), Sats::MAX);
    }
}
