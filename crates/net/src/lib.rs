//! Peers over libp2p: connections, one stream of frames per peer, queues with a bound, patience.
//!
//! The only crate that knows libp2p. The runtime binds it, tells it whom to stay connected to, sends frames through
//! the [`Handle`] and takes what happened from [`Events`]. What a frame means is the business of `wire`; this crate
//! never looks inside one.
//!
//! Promises to the consumer, per peer: [`NetEvent::Connected`] comes before the first frame and
//! [`NetEvent::Disconnected`] after the last; frames arrive in the order they were sent, each once per connection;
//! after a new `Connected` no frame of an older connection arrives. A frame that was accepted by [`Handle::send`]
//! may still be lost with its connection: the layer above says again what matters (protocol, section 9). What was decided
//! on one link is not said on the next, where the caller tells which links it knew of ([`Handle::send_as_of`]).
//!
//! **Invariant:** memory is bounded whatever peers send and however slow the consumer is; the bounds are in
//! `limits.rs`. Nothing a peer sends makes this crate panic.
//!
//! Spec: protocol, section 12.

mod address;
mod channel;
mod counters;
mod dialer;
mod event;
mod frame;
mod handle;
mod identity;
mod limits;
mod link;
mod lock;
mod policies;
mod resolve;
mod service;
mod switchboard;

pub use address::{Address, AddressError, PeerAddress};
pub use counters::Counters;
pub use event::{Direction, DisconnectReason, Events, Held, LinkId, NetEvent};
pub use frame::{Frame, FrameError};
pub use handle::{ConnectError, Handle, KeepError, NotConnected, PeerInfo, PeerState, SendError};
pub use identity::{Identity, IdentityError};
pub use limits::{FRAME_BYTES_MAX, Limits, LimitsError};
pub use policies::{Policies, PolicySettings};
pub use service::{BindError, Net, Options, Service};
