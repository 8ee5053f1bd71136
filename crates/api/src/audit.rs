//! The audit log: who made which call that changes something, and what became of it, one JSON line for each.
//!
//! Calls that were done, or may have been, stand in one file; those that were refused in another beside it, so that nothing
//! that is refused ever pushes out what was done. A token writes so many lines into each and no more ([`shares`]): what it
//! pays or repeats beyond that is counted, and told in one line a minute; what it would move otherwise, or decide, is refused
//! beyond that. So no holder of a token empties the log of what others did, and none hides a withdrawal among payments.
//!
//! A line is handed to the system before its answer leaves. It is not forced to the disk: what was done with money is in the
//! node's own log, durably; this file says who asked. If a line cannot be written, it waits, and calls that would change
//! something are refused before they begin, until it is written: nothing is done unseen, but for what the process that ends
//! before then had to tell, which the node's log tells of.
//!
//! **Invariant:** no secret stands in a line: tokens by id, requests by key, amount and target. A line has a bounded length.

mod call;
mod line;
mod series;
mod shares;
mod told;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strait_primitives::{Timestamp, TokenId};
use thiserror::Error;

pub(crate) use self::call::Call;
use self::line::SumLine;
use self::series::Series;
use self::shares::{Kind, Shares};
use self::told::ToldCalls;

/// Bytes of a file of what was done before it is moved aside: some two hundred thousand calls.
const DONE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Such files that were moved aside and are kept.
const DONE_FILES_KEPT: u32 = 16;
/// Bytes of a file of what was refused.
const REFUSED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Such files that were moved aside and are kept.
const REFUSED_FILES_KEPT: u32 = 2;

/// Why there is no audit log.
#[derive(Debug, Error)]
#[error("the audit log {} cannot be opened", path.display())]
pub struct AuditError {
    /// Which file.
    path: PathBuf,
    /// What the system said.
    #[source]
    source: io::Error,
}

/// Where calls are told.
#[derive(Clone)]
pub struct AuditLog {
    now: fn() -> Timestamp,
    state: Arc<Mutex<State>>,
}

struct State {
    done: Series,
    refused: Series,
    shares: Shares,
    told: ToldCalls,
}

fn token_name(id: Option<TokenId>) -> String {
    id.map_or_else(|| "root".to_owned(), |id| id.to_string())
}

impl AuditLog {
    /// Opens the files at their ends, mode 0600 where they are new. What was refused goes into one whose name ends in
    /// `.refused`.
    ///
    /// # Errors
    /// [`AuditError`] if the system refuses one.
    pub fn open(path: &Path, now: fn() -> Timestamp) -> Result<Self, AuditError> {
        Self::open_up_to(path, now, DONE_BYTES_MAX)
    }

    fn open_up_to(path: &Path, now: fn() -> Timestamp, bytes_max: u64) -> Result<Self, AuditError> {
        let refused = refused_of(path);
        let state = State {
            done: Series::open(path, bytes_max, DONE_FILES_KEPT)
                .map_err(|source| AuditError { path: path.to_owned(), source })?,
            refused: Series::open(&refused, REFUSED_BYTES_MAX, REFUSED_FILES_KEPT)
                .map_err(|source| AuditError { path: refused, source })?,
            shares: Shares::new(now()),
            told: ToldCalls::default(),
        };
        Ok(Self { now, state: Arc::new(Mutex::new(state)) })
    }

    /// Opens the files by their names, or by others: whoever rotates logs has moved them.
    ///
    /// # Errors
    /// [`AuditError`]; lines go where they went before then.
    pub fn reopen(&self, path: &Path) -> Result<(), AuditError> {
        let refused_path = refused_of(path);
        let mut state = self.lock();
        let done = state.done.at(path);
        let done = done.map_err(|source| AuditError { path: path.to_owned(), source })?;
        let refused = state.refused.at(&refused_path);
        let refused = refused.map_err(|source| AuditError { path: refused_path, source })?;
        (state.done, state.refused) = (done, refused);
        Ok(())
    }

    /// Writes what was counted and not told yet.
    pub(crate) fn tell_counted(&self) {
        let now = self.now();
        self.lock().tell_counted(now);
    }

    /// It is this time.
    fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panicking holder leaves files that are still some.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell_counted_if_due(&mut self, now: Timestamp) {
        if self.shares.is_time_to_tell(now) {
            self.tell_counted(now);
        }
    }

    /// Tells the sums. One that cannot be told is counted on.
    fn tell_counted(&mut self, now: Timestamp) {
        for ((token, kind), sum) in self.shares.take_counted(now) {
            let line = SumLine {
                at_ms: now.to_unix_ms(),
                token_id: &token_name(token),
                label: &sum.label,
                from_ms: sum.from.to_unix_ms(),
                calls: sum.calls,
                codes: &sum.codes,
                amount_msat: sum.amount_msat,
                repeated: kind == Kind::Repeated,
            };
            if let Err(error) = self.series(kind).try_write(&line) {
                tracing::error!(%error, "a sum of the audit log waits; calls that change something are refused until those that were done can be told");
                self.shares.put_back((token, kind), sum);
            }
        }
    }

    const fn series(&mut self, kind: Kind) -> &mut Series {
        match kind {
            Kind::Plain | Kind::Moving | Kind::Ruling | Kind::Repeated => &mut self.done,
            Kind::Refused => &mut self.refused,
        }
    }
}

/// Where what was refused goes: beside the file, or to the same device.
fn refused_of(path: &Path) -> PathBuf {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".refused");
    PathBuf::from(name)
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("path", &self.lock().done.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
