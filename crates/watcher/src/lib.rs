//! The guard of a channel's money once its funding output is spent.
//!
//! ```text
//! blocks, reorganisations ──▶ Watcher::handle_* ──▶ WatchEvent ──▶ log ──▶ WatcherState (fold) ──▶ Watcher::load
//!                                  │
//! tip, fee rate, wallet ────▶ Watcher::poll ──▶ Plan { events, claims to sign and broadcast }
//! ```
//!
//! The engine keeps one [`Watcher`] per funded channel, from its funding on. A watcher says what the funding output was
//! spent by, follows each output to its end, and plans the claims of this node: its own balance once it has matured,
//! every output of a revoked commitment at once, its side of each lock by preimage or by expiry. What it knows of the
//! channel it borrows through [`ChannelFacts`]; it never asks the channel machine for a decision, so the punisher does
//! not share the negotiator's bugs.
//!
//! Laws:
//! - `WatcherState::default()` with every event applied in order equals [`Watcher::state`].
//! - What a block did, its disconnection undoes exactly. Plans are not a block's doing and stay.
//! - A claim is never planned at a lower rate than before, unless it alone could not bear that rate.
//! - An output that is known to be spent is never claimed.
//! - No claim costs more than half of what it takes, or the usual rate where that is more; only a penalty that the thief
//!   can outrun may burn all it takes, for what goes to miners does not pay for theft.
//!
//! It signs nothing, sends nothing and judges no fee market: keys, network and fee estimates are the engine's.
//!
//! **Invariant:** no clock, entropy, file, socket or thread; nothing that a chain, a miner or a peer does panics.
//!
//! Spec: protocol, sections 3, 4 and 10.

mod child;
mod event;
mod facts;
mod fee;
mod limits;
mod lock_end;
mod outlook;
mod output;
mod plan;
mod prospect;
mod spend;
mod state;
mod watcher;

pub use child::ChildRequest;
pub use event::{ClaimPlan, WatchEvent};
pub use facts::{ChannelFacts, Revocation};
pub use limits::{DEPTH_DEFAULT, LEFT_BLOCKS};
pub use lock_end::LockEnd;
pub use outlook::Outlook;
pub use output::{OutputContent, OutputSpend, SpendPath, TrackedOutput, preimages_in};
pub use plan::{LeftOutput, Plan, PlannedClaim, PollRequest};
pub use spend::{BlockSpends, FundingSpend, SpendKind, Standing};
pub use state::WatcherState;
pub use watcher::Watcher;
