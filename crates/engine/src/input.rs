//! Everything the world can do to a node.

use bitcoin::{Block, BlockHash, Transaction};
pub use strait_channel::TipStanding;
use strait_primitives::{BlockHeight, FeeRate, NodeId};
use strait_wire::Message;

use crate::{Command, CommandId, DiskRoom};

/// One thing that happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A stream to a peer is up.
    PeerConnected(NodeId),
    /// It is gone.
    PeerDisconnected(NodeId),
    /// A peer said something that can be read.
    PeerMessage(NodeId, Box<Message>),
    /// Someone asks through the interface; the answer carries the id back.
    Command(CommandId, Box<Command>),
    /// A block joined the best chain, on top of the last one told.
    BlockConnected {
        /// Its height.
        height: BlockHeight,
        /// It, whole.
        block: Box<Block>,
    },
    /// The best chain lost its last block.
    BlockDisconnected {
        /// Its height.
        height: BlockHeight,
        /// Its hash.
        hash: BlockHash,
    },
    /// No more blocks for now, and what the last one told is worth. Only now does the node bring on the chain what is not
    /// there yet; a block of long ago is no reason to.
    BlocksTold(TipStanding),
    /// A transaction that is not in a block yet.
    MempoolTransaction(Box<Transaction>),
    /// What block space costs now.
    FeeEstimate(FeeRate),
    /// Nobody knows what block space costs now.
    NoFeeEstimate {
        /// What is below this, nobody passes on.
        least: FeeRate,
    },
    /// How much room the log has to grow, when that has changed. Until the first word there is enough.
    Disk(DiskRoom),
    /// Time has passed.
    Tick,
}
