//! What the operator can choose. Nothing here changes an answer; it changes only how fast or whether one comes.

use core::num::NonZeroU32;
use core::time::Duration;

/// The engine's settings on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Calls that run at once; more wait. Each reserves address space (4 GiB), not memory. Default 16.
    pub calls_at_once: NonZeroU32,
    /// How long one call may take before this node gives up on it, which is a local fault. The fuel limit ends every
    /// call long before (about 0.2 s); this guards against a stalled machine. Default 10 s, rounded up to 100 ms.
    pub call_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls_at_once: NonZeroU32::new(16).expect("16 is not zero"),
            call_timeout: Duration::from_secs(10),
        }
    }
}
