//! The node as a value: inputs in, events and effects out.
//!
//! ```text
//! peer message · API command · block · timer ──▶ Engine::handle ──▶ Unsaved { events, effects }
//!                                                  │ fold                │ a store's Receipt opens
//!                                                  ▼                     ▼
//!                                               NodeState        send · broadcast · reply
//! ```
//!
//! The engine owns every machine of the node (channels, watchers, the wallet) and the arrows between them; a channel
//! and its watcher meet only here. [`Engine::handle`] folds the events it decides at once, so the next input is decided
//! on top of them while they are still on their way to the disk; the effects stay sealed until they have arrived
//! (`strait-log`). After a batch of inputs the runtime calls [`Engine::poll`], which lets channels begin rounds.
//!
//! One file per concern: `peers`, `channels` (routing messages), `openings`, `payments`, `contracts`, `closes`, `blocks`,
//! `locks` (in use), `lock_deadlines`, `coins`, `reserve`, `fee_bump`, `on_chain` (watchers), `quarantine` (restored
//! logs), `low_disk`, `tokens` and `budgets` (of those whom the operator lets pay). The durable state and its fold are in `state`.
//!
//! **Invariant:** pure. Time, entropy and contract runs are arguments; nothing here sleeps, reads or sends.

mod admission;
mod answer;
mod blocks;
mod budgets;
mod channels;
mod closes;
mod coins;
mod command;
mod commands;
mod config;
mod contracts;
mod effect;
mod ended;
mod engine;
mod event;
mod fee_bump;
mod input;
mod limits;
mod lock_deadlines;
mod lock_ends;
mod lock_totals;
mod lock_views;
mod locks;
mod low_disk;
mod on_chain;
mod openings;
mod payments;
mod peers;
mod progress;
mod quarantine;
mod requests;
mod reserve;
#[cfg(test)]
mod rig;
mod set_back;
mod state;
mod tokens;
mod views;
mod work;

pub use answer::{Answer, CommandError, PaymentDone};
pub use command::{CloseMode, Command, CommandId, Payment, RecoveryChoice, SendAmount};
pub use config::{EngineConfig, Inbound, ReserveRule};
pub use effect::{Effect, Report};
pub use ended::{EndedChannel, EndedChannels};
pub use engine::{Engine, Moment, RestoreError};
pub use event::{Event, RequestSubject};
pub use input::{Input, TipStanding};
pub use limits::{RECENT_BLOCKS, TOKEN_LABEL_BYTES_MAX, TOKENS_MAX};
pub use lock_totals::LockTotals;
pub use lock_views::{LockRole, LockStage, LockView};
pub use low_disk::DiskRoom;
pub use progress::{Closes, NextDeadlines, Openings, Progress};
pub use quarantine::{Doubt, RecoveryView};
pub use requests::{KnownRequest, RequestBook, RequestFate};
pub use state::{BlockPoint, Book, NodeState};
pub use strait_payment::{
    Forwarding, LockKey, LockPolicy, Outcome as LockOutcome, ParseLockKeyError, PaymentEvent,
};
pub use tokens::{Token, TokenBook, TokenEvent, TokenGrant, TokenScope};
pub use views::{
    ChannelStage, ChannelView, ContractStage, ContractView, NodeView, Overview, PeerLink, PeerView,
    WalletView,
};
