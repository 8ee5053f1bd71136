//! The outer guard: a thread that advances the engine's epoch ten times a second, so that a call on a stalled machine
//! ends as a local fault. No answer of a contract depends on it.

use core::time::Duration;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use wasmtime::Engine;

/// How often the epoch advances.
const TICK: Duration = Duration::from_millis(100);

/// Runs until dropped.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Dropping it wakes the thread, which ends.
    stop: Option<Sender<()>>,
    /// Taken when dropped.
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the machine gives no thread.
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread =
            std::thread::Builder::new().name("strait-vm-clock".into()).spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// How many ticks cover a time. The tick under way is partly over, so it counts for nothing; no time at all is no
    /// tick, which ends a call at its first check whatever the machine does meanwhile.
    pub(crate) fn ticks(timeout: Duration) -> u64 {
        if timeout.is_zero() {
            return 0;
        }
        let ticks = timeout.as_millis().div_ceil(TICK.as_millis()).saturating_add(1);
        u64::try_from(ticks).unwrap_or(u64::MAX / 2)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread runs nothing that panics; if it did, there is nothing left to guard.
            drop(thread.join());
        }
    }
}
