//! `[locks]`, as it is written.

use super::SUPPLY_SAT;
use crate::keys::Takes::Switch;
use crate::keys::number;
use crate::section::section;

section! {
    /// What the node takes on itself with [locks](locks.md). Quotas are for each peer, over all channels with it, and each way.
    RawLocks "locks." {
        /// Locks each way in a channel opened from now on; the lower wish of the two sides counts. Each is an output to settle
        /// alone if the peer vanishes. 0: none.
        per_channel_max: u64 = 30, number("locks", 0, 90);
        /// The least lock: of a channel opened from now on (the higher wish counts), and the least that is held or passed on. What
        /// is less than its claim costs on chain rests on the peer's good will.
        amount_sat_min: u64 = 1_000, number("sat", 1, 100_000_000);
        /// Locks in use with one peer. More lets one peer take the room of all others' forwards.
        per_peer_max: u64 = 90, number("locks", 1, 10_000);
        /// Their value: what one peer can hold up until the expiries.
        value_per_peer_sat_max: u64 = 100_000_000,
            number("sat", 1, SUPPLY_SAT).not_below("locks.amount_sat_min");
        /// Value of those too small for an output of their own: it goes to miners if a channel closes amid them.
        dust_per_peer_sat_max: u64 = 5_000, number("sat", 0, 1_000_000);
        /// Blocks that anything on chain may take longer than it should. Less loses races when blocks are full, more makes every
        /// expiry longer.
        margin_blocks: u64 = 18, number("blocks", 3, 144);
        /// The furthest expiry, counted from the tip, that is offered, held or passed on: how long money may be bound.
        lead_blocks_max: u64 = 2_016, number("blocks", 24, 2_016);
        /// Whether locks are passed on from one channel to another.
        forward: bool = true, Switch;
        /// What passing one on costs.
        fee_base_msat: u64 = 1_000, number("msat", 0, 1_000_000_000);
        /// What it costs beside, in millionths of the amount passed on, rounded up.
        fee_millionths: u64 = 1_000, number("millionths", 0, 1_000_000);
    }
}
