//! The devnet as a service: options, socket, cookie, and the loop that mines by the clock.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::Builder;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::rpc::Context;
use crate::server::{Service, hash_credentials, router};

/// The user name in a cookie file, as bitcoind writes it.
const COOKIE_USER: &str = "__cookie__";

/// Who may use the RPC.
#[derive(Clone, PartialEq, Eq)]
pub enum RpcAuth {
    /// Who knows this user name and password.
    UserPassword {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// Who can read this file: a fresh password is written to it at start, readable by its owner alone, and the file
    /// is removed at the end.
    CookieFile(PathBuf),
}

impl core::fmt::Debug for RpcAuth {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UserPassword { user, .. } => write!(f, "UserPassword({user}, hidden)"),
            Self::CookieFile(path) => write!(f, "CookieFile({})", path.display()),
        }
    }
}

/// How a devnet is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the RPC listens; port 0 takes a free one. Anyone who reaches it and has the credentials owns the chain,
    /// so keep it on loopback.
    pub listen: SocketAddr,
    /// Who may use it.
    pub auth: RpcAuth,
    /// How often a block is mined by itself; never if absent.
    pub block_interval: Option<Duration>,
}

/// Why a devnet did not start or had to stop.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The cookie file cannot be written.
    #[error("cannot write the cookie file {}", path.display())]
    Cookie {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for the cookie")]
    Entropy,
    /// The server failed.
    #[error("the RPC server failed")]
    Serve {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// A devnet that listens but does not answer before it is run.
#[derive(Debug)]
pub struct Devnet {
    listener: TcpListener,
    address: SocketAddr,
    service: Service,
    stopped: watch::Receiver<bool>,
    block_interval: Option<Duration>,
    cookie: Option<CookieGuard>,
}

impl Devnet {
    /// Takes the address and starts a fresh chain that has the genesis block of regtest alone.
    ///
    /// # Errors
    /// [`DevnetError`] if the address is taken or the cookie cannot be written.
    pub async fn bind(options: Options) -> Result<Self, DevnetError> {
        let Options { listen, auth, block_interval } = options;
        let failed = |source| DevnetError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (credentials, cookie) = match auth {
            RpcAuth::UserPassword { user, password } => (hash_credentials(&user, &password), None),
            RpcAuth::CookieFile(path) => {
                let password = fresh_password()?;
                let guard = CookieGuard::write(path, &password)?;
                (hash_credentials(COOKIE_USER, &password), Some(guard))
            }
        };
        let (context, stopped) = Context::new(unix_time_s);
        let service = Service { context: Arc::new(context), credentials };
        Ok(Self { listener, address, service, stopped, block_interval, cookie })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a client's configuration wants it, without credentials.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until `shutdown` is ready or someone calls `stop`.
    ///
    /// # Errors
    /// [`DevnetError::Serve`] if the socket fails.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), DevnetError> {
        let Self { listener, service, mut stopped, block_interval, cookie, .. } = self;
        let miner = block_interval
            .map(|interval| tokio::spawn(mine_by_clock(Arc::clone(&service.context), interval)));
        let ended = async move {
            let told_to_stop = stopped.wait_for(|is_stopped| *is_stopped);
            tokio::select! {
                () = shutdown => {}
                _ = told_to_stop => {}
            }
        };
        let served = axum::serve(listener, router(service)).with_graceful_shutdown(ended).await;
        if let Some(miner) = miner {
            miner.abort();
        }
        drop(cookie);
        served.map_err(|source| DevnetError::Serve { source })
    }
}

/// Mines a block every interval, to nobody.
async fn mine_by_clock(context: Arc<Context>, interval: Duration) {
    let payout = Builder::new().push_opcode(OP_RETURN).into_script();
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (context, payout) = (Arc::clone(&context), payout.clone());
        let mined = tokio::task::spawn_blocking(move || {
            let now_s = context.now_s();
            context.node().mine(payout, now_s)
        });
        match mined.await {
            Ok(hash) => tracing::debug!(%hash, "mined by the clock"),
            Err(error) => tracing::error!(%error, "mining by the clock failed"),
        }
    }
}

/// The machine's clock, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the devnet is a server with a clock of its own")]
fn unix_time_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|span| span.as_secs()).unwrap_or_default()
}

/// A password nobody can guess.
fn fresh_password() -> Result<String, DevnetError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| DevnetError::Entropy)?;
    Ok(hex::encode(bytes))
}

/// A cookie file that is removed when the devnet ends.
#[derive(Debug)]
struct CookieGuard {
    path: PathBuf,
}

impl CookieGuard {
    /// Writes the file, readable by its owner alone; one that was left behind is replaced.
    fn write(path: PathBuf, password: &str) -> Result<Self, DevnetError> {
        let failed = |source| DevnetError::Cookie { path: path.clone(), source };
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(failed(error));
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        file.write_all(format!("{COOKIE_USER}:{password}").as_bytes()).map_err(failed)?;
        Ok(Self { path })
    }
}

impl Drop for CookieGuard {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the cookie file stays behind");
        }
    }
}
