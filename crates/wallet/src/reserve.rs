//! The reserve: coins that must lie ready so that every channel can be closed at once (protocol section 3).
//!
//! The engine says how large it is; here it is held against the coins there are, and kept back where an operator pays. A
//! fee child spends mined coins only, so nothing else counts; and a coin that costs more to spend than it holds, at the
//! rate that is planned for, pays for nothing.

use strait_primitives::{FeeRate, Sats, VBytes};

use crate::Wallet;
use crate::bump::child_size;
use crate::coins::{Coin, sum};
use crate::limits::{
    BUMP_CHILD_VBYTES_MAX, BUMP_COINS_MAX, CHANGE_MIN, COMMITMENT_VBYTES, INPUT_VBYTES,
};
use crate::select::FundError;

/// What must lie ready so that every channel can be closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeReserve {
    /// In all.
    pub amount: Sats,
    /// In at least so many coins that each pay for one closing.
    pub coins: usize,
    /// What such a coin holds at least.
    pub coin_min: Sats,
    /// The rate that is planned for.
    pub fee_rate: FeeRate,
}

/// The reserve for closing channels at once, with commitments of these sizes, at the worst rate that is planned for.
///
/// Each closing is counted with the largest child, 1,000 vB: it may need as many coins. Beyond [`BUMP_COINS_MAX`]
/// channels the number of coins stays: later closings are paid from the change of earlier ones, one block on.
#[must_use]
pub fn bump_reserve(commitments: &[VBytes], worst: FeeRate) -> FeeReserve {
    let closing = |size: &VBytes| worst.fee(VBytes(size.0.saturating_add(BUMP_CHILD_VBYTES_MAX.0)));
    let smallest = VBytes(COMMITMENT_VBYTES.0 + child_size(1).0);
    FeeReserve {
        amount: sum(commitments.iter().map(closing)),
        coins: commitments.len().min(BUMP_COINS_MAX),
        coin_min: sum([worst.fee(smallest), CHANGE_MIN]),
        fee_rate: worst,
    }
}

impl FeeReserve {
    /// Nothing is to be closed.
    pub const NONE: Self = Self {
        amount: Sats::ZERO,
        coins: 0,
        coin_min: Sats::ZERO,
        fee_rate: FeeRate::from_sat_per_kvb(0),
    };

    /// True for a value that is worth more than the input which spends it.
    fn counts(&self, value: Sats) -> bool {
        value > self.fee_rate.fee(INPUT_VBYTES)
    }

    /// Takes what must stay out of these coins, and returns the others.
    ///
    /// Coins that pay for a closing each stay first, the smallest of them before the larger. None stays that both the sum
    /// and the number of coins can do without.
    pub(crate) fn keep_back(&self, coins: Vec<Coin>) -> Result<Vec<Coin>, FundError> {
        let counts = |coin: &Coin| coin.confirmed_at.is_some() && self.counts(coin.value());
        let (counting, mut free): (Vec<Coin>, Vec<Coin>) = coins.into_iter().partition(counts);
        let (mut large, mut small): (Vec<Coin>, Vec<Coin>) =
            counting.into_iter().partition(|coin| coin.value() >= self.coin_min);
        large.sort_unstable_by_key(|coin| (coin.value(), coin.outpoint));
        small.sort_unstable_by_key(|coin| (core::cmp::Reverse(coin.value()), coin.outpoint));
        let mut kept: Vec<Coin> = Vec::new();
        let mut left = Sats::ZERO;
        for coin in large.into_iter().chain(small) {
            if left < self.amount {
                left = sum([left, coin.value()]);
                kept.push(coin);
            } else {
                free.push(coin);
            }
        }
        if left < self.amount {
            return Err(FundError::Reserve { keep: self.amount, left });
        }
        let mut count = kept.len();
        for coin in kept {
            let without = left.saturating_sub(coin.value());
            if count > self.coins && without >= self.amount {
                (left, count) = (without, count - 1);
                free.push(coin);
            }
        }
        Ok(free)
    }
}

impl Wallet {
    /// How many free, mined coins each pay for one closing.
    #[must_use]
    pub fn reserve_coins(&self, reserve: &FeeReserve) -> usize {
        self.confirmed_coins().iter().filter(|coin| coin.value() >= reserve.coin_min).count()
    }

    /// What there is for the reserve: the free, mined coins that bring more than they cost at its rate.
    #[must_use]
    pub fn reserve_funds(&self, fee_rate: FeeRate) -> Sats {
        let reserve = FeeReserve { fee_rate, ..FeeReserve::NONE };
        let coins = self.confirmed_coins();
        sum(coins.iter().map(Coin::value).filter(|value| reserve.counts(*value)))
    }

    /// True if the free, mined coins make up a reserve, in sum and in number; `coming` are coins that will be mined when
    /// it is needed.
    #[must_use]
    pub fn covers(&self, reserve: &FeeReserve, coming: &[Sats]) -> bool {
        let mined = self.confirmed_coins();
        let coins = mined.iter().map(Coin::value).chain(coming.iter().copied());
        let counting: Vec<Sats> = coins.filter(|value| reserve.counts(*value)).collect();
        let fit = counting.iter().filter(|coin| **coin >= reserve.coin_min).count();
        fit >= reserve.coins && sum(counting) >= reserve.amount
    }
}
