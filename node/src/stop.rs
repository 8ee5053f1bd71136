//! When a program that runs until it is told to stop is told so: SIGINT, SIGTERM or, if asked for, the end of its stdin.
//!
//! The devnet, the demo and the node wait for [`asked_to_stop`]. The end of stdin is how children of the demo learn that
//! their parent is gone, however it went: the system closes a dead program's pipes.

use std::future::Future;
use std::io::{self, Read};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::cli::StopArgs;

/// What the end of stdin means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    Ignored,
    /// Stop.
    Leash,
}

impl From<StopArgs> for Stdin {
    fn from(args: StopArgs) -> Self {
        if args.stop_with_stdin { Self::Leash } else { Self::Ignored }
    }
}

/// Begins to listen, and is ready when somebody wants this program to stop. Signals that come before the first poll count.
///
/// # Errors
/// What the system says if it does not let a program listen. Must be called within a tokio runtime.
pub fn asked_to_stop(stdin: Stdin) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stdin = match stdin {
        Stdin::Ignored => None,
        Stdin::Leash => Some(end_of_stdin()?),
    };
    Ok(async move {
        let leash = async {
            match stdin {
                // A lost thread counts as an end: better to stop than to be forgotten.
                Some(ended) => drop(ended.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = leash => {}
        }
    })
}

/// Reads stdin to its end on a thread of its own, which the end of the program takes along.
fn end_of_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (ended, receiver) = oneshot::channel();
    thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut ignored = [0; 256];
        // Bounded by what the parent writes, which is nothing.
        while !matches!(stdin.read(&mut ignored), Ok(0) | Err(_)) {}
        // Nobody listens any more if the program stops for another reason.
        let _ = ended.send(());
    })?;
    Ok(receiver)
}
