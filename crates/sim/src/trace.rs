//! What happened, in words: the last steps kept for people, all of them hashed for comparison.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_primitives::Timestamp;

/// The account of a run. Clones are the same account, so that it survives a run that panics.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    inner: Arc<Mutex<Inner>>,
    /// How many lines are kept.
    kept: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// The hash of all lines so far, chained line by line.
    digest: [u8; 32],
    last: VecDeque<String>,
    steps: u64,
}

impl Trace {
    /// An empty account that keeps so many lines.
    pub(crate) fn keeping(kept: usize) -> Self {
        Self { inner: Arc::default(), kept }
    }

    /// One more step.
    pub(crate) fn step(&self) {
        self.lock().steps += 1;
    }

    /// Something worth telling.
    pub(crate) fn tell(&self, now: Timestamp, what: &str) {
        let mut inner = self.lock();
        let line = format!("{:>6} {:>9} ms  {what}", inner.steps, now.to_unix_ms() % 1_000_000_000);
        let mut engine = sha256::Hash::engine();
        engine.input(&inner.digest);
        engine.input(line.as_bytes());
        inner.digest = sha256::Hash::from_engine(engine).to_byte_array();
        inner.last.push_back(line);
        if inner.last.len() > self.kept {
            inner.last.pop_front();
        }
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// The last lines.
    pub(crate) fn last(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }

    /// The hash of all lines.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.lock().digest
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
