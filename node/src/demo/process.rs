//! The demo's child processes: this same program, started again as a devnet and as two nodes.
//!
//! Each child holds the reading end of a pipe as its stdin and stops when the pipe closes, so it goes with the demo
//! however that ends, `kill -9` included. Ends that the demo lives to see are tidier: nodes first, then the chain, each
//! given time, and killed by its handle only if it does not take the hint. Children have process groups of their own: a
//! Ctrl-C in the terminal reaches the demo alone, which then ends them in order.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::future::{join_all, select_all};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::error::{Trouble, Who};

/// How long a child may take to stop by itself.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long the devnet may take to say where it listens.
const SAY_WITHIN: Duration = Duration::from_secs(30);
/// Lines of a log that are shown when something failed.
const TAIL_LINES: usize = 15;

/// All children that were started.
#[derive(Debug, Default)]
pub(super) struct Processes {
    children: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    who: Who,
    child: Child,
    /// Its stdin; the child stops when this is dropped.
    leash: Option<ChildStdin>,
    log: PathBuf,
}

/// Where a child's stdout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdout {
    /// To its log, like its stderr.
    Log,
    /// To the demo, which reads it.
    Read,
}

impl Processes {
    /// Starts this program with other arguments. Settings in the environment do not reach it.
    pub(super) fn start(
        &mut self,
        who: Who,
        arguments: &[&str],
        log: &Path,
        stdout: Stdout,
    ) -> Result<(), Trouble> {
        let failed = |source| Trouble::Spawn { who, source };
        let log_file =
            File::create(log).map_err(|source| Trouble::File { path: log.to_owned(), source })?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        for (name, _value) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STRAIT_") {
                command.env_remove(name);
            }
        }
        let stdout = match stdout {
            Stdout::Log => Stdio::from(log_file.try_clone().map_err(failed)?),
            Stdout::Read => Stdio::piped(),
        };
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(log_file)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        // Waiting for a child would close its stdin, so it is kept apart.
        let leash = child.stdin.take();
        self.children.push(Running { who, child, leash, log: log.to_owned() });
        Ok(())
    }

    /// The first line that the child started last says on stdout.
    pub(super) async fn first_line(&mut self) -> Result<String, Trouble> {
        let running = self.children.last_mut().expect("something was started before");
        let who = running.who;
        let stdout = running.child.stdout.take().expect("its stdout is read");
        let mut line = String::new();
        let read = timeout(SAY_WITHIN, BufReader::new(stdout).read_line(&mut line)).await;
        let what = "an address on stdout";
        let read = read.map_err(|_elapsed| Trouble::Late { what, within: SAY_WITHIN })?;
        read.map_err(|source| Trouble::System { what, source })?;
        let line = line.trim().to_owned();
        if line.is_empty() { Err(Trouble::NoAddress { who, said: line }) } else { Ok(line) }
    }

    /// Waits until any child ends by itself, which none should.
    pub(super) async fn first_end(&mut self) -> Trouble {
        if self.children.is_empty() {
            return std::future::pending().await;
        }
        let ends = self.children.iter_mut().map(|running| Box::pin(running.end()));
        select_all(ends).await.0
    }

    /// The process ids, in the order in which they were started.
    pub(super) fn ids(&self) -> Vec<(Who, Option<u32>)> {
        self.children.iter().map(|running| (running.who, running.child.id())).collect()
    }

    /// The last lines of every log.
    pub(super) fn tails(&self) -> String {
        let tails = self.children.iter().map(|running| {
            let text = std::fs::read(&running.log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let first = lines.len().saturating_sub(TAIL_LINES);
            let last = lines.get(first..).unwrap_or_default().join("\n    ");
            format!("--- {}, the end of {}:\n    {last}\n", running.who, running.log.display())
        });
        tails.collect()
    }

    /// Ends all children and waits for them: the nodes together, then the chain.
    pub(super) async fn stop(&mut self) {
        let (chain, nodes): (Vec<_>, Vec<_>) =
            self.children.drain(..).partition(|running| running.who == Who::Chain);
        join_all(nodes.into_iter().map(Running::stop)).await;
        join_all(chain.into_iter().map(Running::stop)).await;
    }
}

impl Running {
    async fn end(&mut self) -> Trouble {
        let who = self.who;
        match self.child.wait().await {
            Ok(status) => Trouble::Ended { who, status },
            Err(source) => Trouble::System { what: "word of a child", source },
        }
    }

    /// Closes the child's stdin and waits; kills it if it takes too long.
    async fn stop(mut self) {
        drop(self.leash.take());
        let ended: Result<io::Result<ExitStatus>, _> =
            timeout(STOP_WITHIN, self.child.wait()).await;
        if !matches!(ended, Ok(Ok(_))) {
            // It may have ended just now; the wait inside sees to it either way.
            let _ = self.child.kill().await;
        }
    }
}
