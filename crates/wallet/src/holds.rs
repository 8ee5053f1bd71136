//! Coins set aside for one purpose: never selected for another until released, across restarts.

use std::collections::BTreeMap;

use bitcoin::OutPoint;
use strait_primitives::{ChannelId, RequestKey};
use thiserror::Error;

use crate::codec::Consensus;
use crate::{AddressIndex, Wallet, WalletChange};

/// What a coin is held for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
pub enum Purpose {
    /// Our contribution to the funding transaction of a channel.
    #[n(0)]
    Opening(#[n(0)] ChannelId),
    /// Fees of a transaction of a channel that must confirm.
    #[n(1)]
    Bump(#[n(0)] ChannelId),
    /// A payment asked for by the operator.
    #[n(2)]
    Send(#[n(0)] RequestKey),
    /// The address that a channel pays this node at when it ends; it holds no coins.
    #[n(3)]
    Payout(#[n(0)] ChannelId),
}

/// Why coins cannot be held; none of those asked for is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// Not an output of this wallet on the best chain.
    #[error("{outpoint} is no coin of this wallet")]
    Unknown {
        /// What was asked for.
        outpoint: OutPoint,
    },
    /// A transaction on the best chain, or one of ours on its way there, spends it.
    #[error("{outpoint} is spent")]
    Spent {
        /// What was asked for.
        outpoint: OutPoint,
    },
    /// Set aside for something else.
    #[error("{outpoint} is held for {holder:?}")]
    Held {
        /// What was asked for.
        outpoint: OutPoint,
        /// What holds it.
        holder: Purpose,
    },
}

/// Who holds which coins, and which change address each holder was promised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    /// The holder of each held coin.
    pub(crate) coins: BTreeMap<OutPoint, Purpose>,
    /// The change address of each holder: the same one each time it asks.
    pub(crate) change: BTreeMap<Purpose, AddressIndex>,
}

impl Holds {
    /// What holds a coin.
    pub(crate) fn holder(&self, outpoint: &OutPoint) -> Option<Purpose> {
        self.coins.get(outpoint).copied()
    }

    /// The coins of one holder, in order.
    pub(crate) fn of(&self, purpose: Purpose) -> impl Iterator<Item = OutPoint> + '_ {
        self.coins.iter().filter(move |(_, holder)| **holder == purpose).map(|(coin, _)| *coin)
    }
}

impl Wallet {
    /// Sets coins aside for a purpose, all or none. `None` if all of them were held for it already.
    ///
    /// # Errors
    /// [`ReserveError`] names the first coin that is unknown, spent or held for something else.
    pub fn reserve(
        &mut self,
        coins: &[OutPoint],
        purpose: Purpose,
    ) -> Result<Option<WalletChange>, ReserveError> {
        let known: BTreeMap<OutPoint, bool> = self
            .outputs()
            .into_iter()
            .map(|(_, output)| (output.outpoint, output.spent_by.is_some()))
            .collect();
        for &outpoint in coins {
            match self.holds.holder(&outpoint) {
                Some(holder) if holder == purpose => continue,
                Some(holder) => return Err(ReserveError::Held { outpoint, holder }),
                None => {}
            }
            match known.get(&outpoint) {
                Some(false) => {}
                Some(true) => return Err(ReserveError::Spent { outpoint }),
                None => return Err(ReserveError::Unknown { outpoint }),
            }
        }
        let change = self.hold(coins.iter().copied(), purpose);
        Ok((!change.is_empty()).then_some(change))
    }

    /// Frees every coin held for a purpose. `None` if there was none.
    #[must_use = "a change that is not logged is undone by the next start"]
    pub fn release(&mut self, purpose: Purpose) -> Option<WalletChange> {
        let mut change = WalletChange::default();
        for outpoint in self.reserved(purpose) {
            self.holds.coins.remove(&outpoint);
            change.held.insert(Consensus(outpoint), None);
        }
        if self.holds.change.remove(&purpose).is_some() {
            change.change_of.insert(purpose, None);
        }
        (!change.is_empty()).then_some(change)
    }

    /// The coins held for a purpose, in order. Some may be spent by now.
    #[must_use]
    pub fn reserved(&self, purpose: Purpose) -> Vec<OutPoint> {
        self.holds.of(purpose).collect()
    }

    /// Every purpose that holds a coin, in order: what a restarted node checks against its channels.
    #[must_use]
    pub fn purposes(&self) -> Vec<Purpose> {
        let mut all: Vec<Purpose> = self.holds.coins.values().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Marks free coins as held.
    pub(crate) fn hold(
        &mut self,
        coins: impl IntoIterator<Item = OutPoint>,
        purpose: Purpose,
    ) -> WalletChange {
        let mut change = WalletChange::default();
        for outpoint in coins {
            let before = self.holds.coins.insert(outpoint, purpose);
            assert!(
                before.is_none_or(|holder| holder == purpose),
                "{outpoint} is held for {before:?} and was about to be held for {purpose:?}"
            );
            if before.is_none() {
                change.held.insert(Consensus(outpoint), Some(purpose));
            }
        }
        change
    }
}
