//! Rules that every transaction of a block obeys, apart from scripts and locks.

use std::collections::BTreeSet;

use bitcoin::{Amount, OutPoint, Transaction};

use crate::coin::{Coin, CoinOrigin};
use crate::limits::{BLOCK_WEIGHT_MAX, COINBASE_MATURITY_BLOCKS};
use crate::reject::{Reject, show_money};

/// Checks what can be checked without knowing any coin.
pub(crate) fn check_transaction(transaction: &Transaction) -> Result<(), Reject> {
    let refuse = |reason| Err(Reject::rule(reason, ""));
    if transaction.input.is_empty() {
        return refuse("bad-txns-vin-empty");
    }
    if transaction.output.is_empty() {
        return refuse("bad-txns-vout-empty");
    }
    let base_weight =
        u64::try_from(transaction.base_size()).ok().and_then(|size| size.checked_mul(4));
    if base_weight.is_none_or(|weight| weight > BLOCK_WEIGHT_MAX) {
        return refuse("bad-txns-oversize");
    }
    let mut total = Amount::ZERO;
    for output in &transaction.output {
        if output.value > Amount::MAX_MONEY {
            return refuse("bad-txns-vout-toolarge");
        }
        total = match total.checked_add(output.value) {
            Some(sum) if sum <= Amount::MAX_MONEY => sum,
            Some(_) | None => return refuse("bad-txns-txouttotal-toolarge"),
        };
    }
    let mut spent = BTreeSet::new();
    if !transaction.input.iter().all(|input| spent.insert(input.previous_output)) {
        return refuse("bad-txns-inputs-duplicate");
    }
    if transaction.is_coinbase() {
        return refuse("coinbase");
    }
    if transaction.input.iter().any(|input| input.previous_output == OutPoint::null()) {
        return refuse("bad-txns-prevout-null");
    }
    Ok(())
}

/// Checks maturity and value against the coins spent, and returns the fee.
///
/// `coins` are those the inputs spend, in order; `next_height` is the height of the block to come.
pub(crate) fn check_value(
    transaction: &Transaction,
    coins: &[Coin],
    next_height: u32,
) -> Result<Amount, Reject> {
    let mut value_in = Amount::ZERO;
    for coin in coins {
        if let CoinOrigin::Coinbase(height) = coin.origin {
            let depth = next_height.saturating_sub(height);
            if depth < COINBASE_MATURITY_BLOCKS {
                let details = format!("tried to spend coinbase at depth {depth}");
                return Err(Reject::rule("bad-txns-premature-spend-of-coinbase", details));
            }
        }
        value_in = match value_in.checked_add(coin.output.value) {
            Some(sum) if sum <= Amount::MAX_MONEY => sum,
            Some(_) | None => {
                return Err(Reject::rule("bad-txns-inputvalues-outofrange", ""));
            }
        };
    }
    let value_out = transaction.output.iter().map(|output| output.value).sum::<Amount>();
    value_in.checked_sub(value_out).ok_or_else(|| {
        let (value_in, value_out) = (show_money(value_in), show_money(value_out));
        let details = format!("value in ({value_in}) < value out ({value_out})");
        Reject::rule("bad-txns-in-belowout", details)
    })
}
