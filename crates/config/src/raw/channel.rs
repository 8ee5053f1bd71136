//! `[channel]`, as it is written.

use super::SUPPLY_SAT;
use crate::keys::Takes::Switch;
use crate::keys::number;
use crate::section::section;

section! {
    /// What channels the node opens and accepts.
    RawChannel "channel." {
        /// How long the other side's money waits after it closes alone: the time to punish it. Less is risky, more makes peers
        /// refuse.
        delay_blocks: u64 = 144, number("blocks", 6, 2_016);
        /// Blocks on the funding transaction before the channel is used. Fewer lets a reorganisation take the opening back under
        /// payments already made.
        confirmations: u64 = 3, number("blocks", 1, 144);
        /// Whether others may open channels to this node. Each costs memory and fee reserve.
        accept_inbound: bool = true, Switch;
        /// Whether others may open channels while the wallet could not pay for closing them. True suits a node that only receives
        /// and starts with an empty wallet; until it has coins it depends on its peers to close.
        accept_without_reserve: bool = false, Switch;
        /// The smallest channel. Smaller ones may cost more to settle than they hold.
        capacity_sat_min: u64 = 20_000, number("sat", 1_000, SUPPLY_SAT);
        /// The most that one channel puts at risk.
        capacity_sat_max: u64 = 1_000_000_000,
            number("sat", 1_000, SUPPLY_SAT).not_below("channel.capacity_sat_min");
        /// Channels at a time. Each binds fee reserve.
        channels_max: u64 = 1_000, number("channels", 1, 100_000);
        /// Channels with one peer. More lets one peer take every place. Its further openings are refused.
        channels_per_peer_max: u64 = 16, number("channels", 1, 100_000).not_above("channel.channels_max");
        /// Openings of all peers together that are not on the chain yet, which cost a stranger nothing: strangers get three
        /// quarters, and who has most or waits longest makes room for others.
        unfunded_max: u64 = 32, number("channels", 1, 100_000).not_above("channel.channels_max");
        /// Confirmed coins kept back for closing each channel that holds no locks. Each lock that stands makes its commitment
        /// larger and adds its part, 344 sat at the default, and so does room for ten more in each channel. While the wallet has
        /// less, no channel is opened, no lock is offered and what peers offer goes back, unless
        /// `channel.accept_without_reserve`. Too little, and a close may not confirm when blocks are full.
        fee_reserve_per_channel_sat: u64 = 10_000, number("sat", 1_000, 10_000_000);
    }
}
