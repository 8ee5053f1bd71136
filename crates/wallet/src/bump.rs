//! Fees for transactions that carry none: coins for fee children.
//!
//! A commitment is version 3 and pays no fee. It goes out in a package with one child that spends its anchor,
//! mined coins of the wallet and nothing else (BIP-0431), and pays for both. Two closings at once need
//! two separate coins, because the change of the first child is not mined yet.

use bitcoin::TxOut;
use strait_primitives::{FeeRate, Sats, VBytes};

use crate::coins::{Coin, coin, sum};
use crate::holds::Purpose;
use crate::limits::{
    ANCHOR_INPUT_WEIGHT, BUMP_CHILD_VBYTES_MAX, BUMP_INPUTS_MAX, CHANGE_MIN, CHANGE_WEIGHT,
    OVERHEAD_WEIGHT,
};
use crate::select::{FundError, check_rate, inputs_weight, pay, vbytes, worthwhile};
use crate::{Wallet, WalletChange};

/// A parent that needs a child to pay for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BumpRequest {
    /// What holds the coins, one for each parent: asked again with the same one, the child spends the same coins first.
    pub purpose: Purpose,
    /// The size of the parent.
    pub parent_size: VBytes,
    /// What the parent pays by itself.
    pub parent_fee: Sats,
    /// The value of the anchor that the child spends.
    pub anchor: Sats,
    /// What parent and child pay together for their sizes.
    pub fee_rate: FeeRate,
    /// What the parent is worth to us: a child that costs more is not made.
    pub worth: Sats,
}

/// A fee child: version 3, the anchor input with an empty witness, these inputs in order, one output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "its coins are held until their purpose is released"]
pub struct BumpInputs {
    /// Mined coins that it spends besides the anchor.
    pub inputs: Vec<Coin>,
    /// Its one output: what comes back to us.
    pub change: TxOut,
    /// What the child pays.
    pub fee: Sats,
    /// Its size when signed, at most [`BUMP_CHILD_VBYTES_MAX`].
    pub size: VBytes,
}

impl Wallet {
    /// Chooses mined coins for a fee child, holds them for the purpose, and gives it a change address.
    ///
    /// Coins that the purpose holds already come first, even if an earlier child on its way spends them: the new
    /// child replaces it. Of the free coins the smallest that suffices is added, or the largest until they do.
    ///
    /// # Errors
    /// [`FundError::Insufficient`] if all mined coins that fit into a child do not suffice, [`FundError::Unworthy`] if
    /// it would cost more than the parent is worth. Nothing is held then that was not before.
    pub fn bump_inputs(
        &mut self,
        request: &BumpRequest,
    ) -> Result<(BumpInputs, WalletChange), FundError> {
        check_rate(request.fee_rate)?;
        request.check_worth(1)?;
        let mut inputs = worthwhile(self.held_coins(request.purpose), request.fee_rate);
        inputs.sort_unstable_by_key(|coin| (std::cmp::Reverse(coin.value()), coin.outpoint));
        inputs.truncate(BUMP_INPUTS_MAX);
        let mut free = worthwhile(self.confirmed_coins(), request.fee_rate);
        free.sort_unstable_by_key(|coin| (coin.value(), coin.outpoint));
        while inputs.is_empty() || request.left(&inputs) < Some(CHANGE_MIN) {
            if inputs.len() == BUMP_INPUTS_MAX {
                return Err(request.insufficient(&inputs));
            }
            let missing = request.missing(&inputs);
            let place = free.partition_point(|coin| coin.value() < missing);
            let next = if place < free.len() { Some(free.remove(place)) } else { free.pop() };
            let Some(next) = next else {
                return Err(request.insufficient(&inputs));
            };
            inputs.push(next);
        }
        inputs.sort_unstable_by_key(|coin| coin.outpoint);
        let left = request.left(&inputs).expect("the loop ends when enough is left");
        let size = child_size(inputs.len());
        let fee = request.fee(inputs.len());
        request.check_worth(inputs.len())?;
        assert!(size <= BUMP_CHILD_VBYTES_MAX, "a child of {} vB", size.0);
        let coins: Vec<_> = inputs.iter().map(|coin| coin.outpoint).collect();
        let mut change = self.hold(coins, request.purpose);
        let (script, revealed) = self.address_for(request.purpose);
        change.extend(revealed);
        Ok((BumpInputs { inputs, change: pay(left, script), fee, size }, change))
    }

    /// Mined coins held for a purpose that no mined transaction spends.
    fn held_coins(&self, purpose: Purpose) -> Vec<Coin> {
        let tip = self.tip().height.to_u32();
        self.outputs()
            .into_iter()
            .filter(|(_, output)| {
                self.holds.holder(&output.outpoint) == Some(purpose)
                    && output.is_confirmed_and_spendable(tip)
            })
            .map(|(place, output)| coin(place, output))
            .collect()
    }
}

impl BumpRequest {
    /// What a child with so many inputs pays: what both need, less what the parent pays, and at least its own relay fee.
    fn fee(&self, inputs: usize) -> Sats {
        let size = child_size(inputs);
        let both = self.fee_rate.fee(VBytes(self.parent_size.0.saturating_add(size.0)));
        both.saturating_sub(self.parent_fee).max(FeeRate::RELAY_FLOOR.fee(size))
    }

    /// Refuses a child with so many inputs that costs more than it saves.
    fn check_worth(&self, inputs: usize) -> Result<(), FundError> {
        let (cost, worth) = (self.fee(inputs), self.worth);
        if cost > worth {
            return Err(FundError::Unworthy { cost, worth });
        }
        Ok(())
    }

    /// What the inputs and the anchor leave for the output.
    fn left(&self, inputs: &[Coin]) -> Option<Sats> {
        self.brought(inputs).checked_sub(self.fee(inputs.len()))
    }

    /// What one more input must hold to end the search.
    fn missing(&self, inputs: &[Coin]) -> Sats {
        let needed = sum([self.fee(inputs.len() + 1), CHANGE_MIN]);
        needed.saturating_sub(self.brought(inputs))
    }

    fn brought(&self, inputs: &[Coin]) -> Sats {
        sum([sum(inputs.iter().map(Coin::value)), self.anchor])
    }

    fn insufficient(&self, inputs: &[Coin]) -> FundError {
        let count = inputs.len().max(1);
        FundError::Insufficient {
            needed: sum([self.fee(count), CHANGE_MIN]),
            available: self.brought(inputs),
        }
    }
}

/// The size of a signed child with so many inputs besides the anchor.
pub(crate) fn child_size(inputs: usize) -> VBytes {
    vbytes(OVERHEAD_WEIGHT + ANCHOR_INPUT_WEIGHT + inputs_weight(inputs) + CHANGE_WEIGHT)
}
