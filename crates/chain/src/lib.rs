//! What the node asks of a Bitcoin chain, and how it follows one.
//!
//! [`ChainSource`] is the whole of what a chain backend must answer: the runtime drives one from one thread. Each
//! backend is an adapter crate of its own (`strait-chain-bitcoind` first). [`Follower`] turns any source into an
//! ordered story of blocks connected and disconnected, and believes nothing it has not checked: every block must
//! extend the one before, carry its proof of work, and hold exactly the transactions its header commits to.
//!
//! Nothing here reads a clock, keeps a thread or stores anything: what the follower knows is what it is given at
//! start and what it has seen since.
//!
//! **Invariant:** nothing a source answers can make this crate panic; nonsense is a [`ChainError`].

mod block_check;
mod error;
mod follower;
mod limits;
mod policies;
mod source;

pub use block_check::BlockFault;
pub use error::ChainError;
pub use follower::{ChainStep, CheckpointError, Follower};
pub use limits::{FEE_RATE_FLOOR, FOLLOWER_WINDOW_BLOCKS};
pub use policies::{Policies, PolicySettings};
pub use source::{
    BlockId, ChainSource, Download, FeeAnswer, HeaderAt, SubmitOutcome, TransactionOutcome, Unspent,
};
