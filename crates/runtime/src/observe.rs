//! What the runtime tells metrics and logs. One place, so that the threads stay about their work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use strait_chain::ChainError;
use strait_channel::ChannelEvent;
use strait_engine::{Answer, CommandError, Event, Report};
use strait_primitives::BlockHeight;
use strait_telemetry::Metrics;
use strait_wire::Message;

/// Whether the chain source answered when last asked.
#[derive(Debug, Clone, Default)]
pub struct ChainHealth {
    answered: Arc<AtomicBool>,
}

impl ChainHealth {
    /// True once the source has answered, until it fails to.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }
}

/// The runtime's own voice.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) chain: ChainHealth,
}
