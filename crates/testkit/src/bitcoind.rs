//! A real bitcoind on regtest, in a folder of its own, killed by its process id when dropped.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rpc::{Rpc, RpcFailure};

/// The environment variable that names the bitcoind to test against.
pub const BITCOIND_EXE: &str = "BITCOIND_EXE";
/// How often a start is tried: a port found free may be taken before bitcoind takes it.
const STARTS_MAX: u32 = 3;
/// How often a starting bitcoind is asked whether it is ready.
const READY_POLLS_MAX: u32 = 600;
/// The pause between two such questions.
const READY_POLL: Duration = Duration::from_millis(100);

/// A running bitcoind.
#[derive(Debug)]
pub struct Bitcoind {
    child: Child,
    /// Held so that the folder outlives the process.
    _folder: TempDir,
    cookie: PathBuf,
    url: String,
    rpc: Rpc,
}

impl Bitcoind {
    /// Starts the bitcoind that `BITCOIND_EXE` names; `None`, with the reason on stderr, if it names none.
    ///
    /// # Panics
    /// If it names one that does not start.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os(BITCOIND_EXE) else {
            eprintln!("skipped: {BITCOIND_EXE} names no bitcoind to test against");
            return None;
        };
        let program = PathBuf::from(program);
        let mut reasons = Vec::new();
        for _ in 0..STARTS_MAX {
            match Self::start_once(&program) {
                Ok(bitcoind) => return Some(bitcoind),
                Err(reason) => reasons.push(reason),
            }
        }
        panic!("{} does not start: {}", program.display(), reasons.join("; "));
    }

    /// Starts it on a port that was free a moment ago.
    fn start_once(program: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .arg(format!("-datadir={}", folder.path().display()))
            .arg(format!("-rpcport={port}"))
            .args(["-regtest", "-server", "-listen=0", "-dnsseed=0", "-fixedseeds=0"])
            .args(["-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", "-txindex=1"])
            .args(["-printtoconsole=0", "-dbcache=4", "-rpcworkqueue=256"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let cookie = folder.path().join("regtest").join(".cookie");
        let url = format!("http://127.0.0.1:{port}");
        let rpc = Rpc::new(&url, "");
        let mut bitcoind = Self { child, _folder: folder, cookie, url, rpc };
        bitcoind.wait_until_ready()?;
        Ok(bitcoind)
    }

    /// Waits until it answers.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let mut last = "no cookie yet".to_owned();
        for _ in 0..READY_POLLS_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if let Ok(cookie) = std::fs::read_to_string(&self.cookie) {
                self.rpc = Rpc::new(&self.url, &cookie);
                match self.rpc.try_call("getblockcount", &json!([])) {
                    Ok(Ok(_)) => return Ok(()),
                    Ok(Err(failure)) => last = failure.message,
                    Err(reason) => last = reason,
                }
            }
            std::thread::sleep(READY_POLL);
        }
        Err(format!("it is not ready after a minute ({last})"))
    }

    /// Where its RPC is, without credentials.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        self.url.clone()
    }

    /// The file with its credentials.
    #[must_use]
    pub fn cookie_file(&self) -> &Path {
        &self.cookie
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Rpc {
        self.rpc.clone()
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`RpcFailure`] as bitcoind reported it.
    pub fn rpc(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        self.rpc.call(method, params)
    }
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        // The process may have ended by itself; there is nothing else to clean up then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port of loopback that is free now.
fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
