//! The protocol `/strait/channel/1` inside libp2p: one stream per peer.
//!
//! **The rule for simultaneous dials.** Only the node with the smaller [`strait_primitives::NodeId`] opens the
//! stream, on a connection of its choice, whoever dialled. One side decides, so both agree. It takes the first
//! connection; a second one that comes at once is a simultaneous dial and is closed; one that comes later means that
//! the peer has lost the first and replaces it. The other side accepts one stream per connection, and a stream on a
//! newer connection replaces the older.
//!
//! The link's life is the stream's life: when one side closes it, or it breaks, its connection is closed too.

mod admission;
mod behaviour;
mod driver;
mod handler;

pub(crate) use behaviour::{Behaviour, Notice};

use libp2p::StreamProtocol;

/// The protocol's name in negotiation.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/strait/channel/1");
