//! Time locks: whether a transaction may stand in the next block.
//!
//! Spec: BIP-0065 and BIP-0113 for absolute locks (the median time of the tip is the time), BIP-0068 for relative
//! ones. Scripts check their own side with OP_CHECKLOCKTIMEVERIFY and OP_CHECKSEQUENCEVERIFY.

use bitcoin::{Sequence, Transaction};

use crate::chain::Chain;
use crate::coin::{Coin, CoinOrigin};
use crate::reject::Reject;

/// Lock times from here on are seconds since 1970, below they are heights (consensus).
const TIME_THRESHOLD: u32 = 500_000_000;
/// The bit of a sequence that makes its lock a time (BIP-0068).
const SEQUENCE_IS_TIME: u32 = 1 << 22;
/// The bits of a sequence that hold the lock's length (BIP-0068).
const SEQUENCE_LENGTH: u32 = 0xffff;
/// A relative time is counted in units of 512 seconds (BIP-0068).
const SEQUENCE_TIME_SHIFT: u32 = 9;

/// Refuses a transaction whose absolute lock does not allow it in the next block.
pub(crate) fn check_absolute(transaction: &Transaction, chain: &Chain) -> Result<(), Reject> {
    let lock = transaction.lock_time.to_consensus_u32();
    let next_height = chain.height().saturating_add(1);
    let now = if lock < TIME_THRESHOLD { next_height } else { chain.median_time(chain.height()) };
    let is_final = lock == 0
        || lock < now
        || transaction.input.iter().all(|input| input.sequence == Sequence::MAX);
    if is_final { Ok(()) } else { Err(Reject::rule("non-final", "")) }
}

/// Refuses a transaction whose relative locks do not allow it in the next block.
///
/// `coins` are those its inputs spend, in order.
pub(crate) fn check_relative(
    transaction: &Transaction,
    coins: &[Coin],
    chain: &Chain,
) -> Result<(), Reject> {
    if transaction.version.0 < 2 {
        return Ok(());
    }
    let next_height = chain.height().saturating_add(1);
    for (input, coin) in transaction.input.iter().zip(coins) {
        let sequence = input.sequence;
        if !sequence.is_relative_lock_time() {
            continue;
        }
        let length = sequence.to_consensus_u32() & SEQUENCE_LENGTH;
        let coin_height = match coin.origin {
            CoinOrigin::Coinbase(height) | CoinOrigin::Block(height) => height,
            CoinOrigin::Mempool => next_height,
        };
        let is_open = if sequence.to_consensus_u32() & SEQUENCE_IS_TIME == 0 {
            coin_height.saturating_add(length) <= next_height
        } else {
            let start = chain.median_time(coin_height.saturating_sub(1).min(chain.height()));
            start.saturating_add(length << SEQUENCE_TIME_SHIFT) <= chain.median_time(chain.height())
        };
        if !is_open {
            return Err(Reject::rule("non-BIP68-final", ""));
        }
    }
    Ok(())
}
