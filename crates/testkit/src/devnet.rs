//! A devnet in this process, on a free port and a runtime of its own, stopped when dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use strait_devnet::{Devnet, Options, RpcAuth};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::rpc::{Rpc, RpcFailure};

/// The user name of every test devnet.
const USER: &str = "strait";
/// Its password: it protects nothing but a test.
const PASSWORD: &str = "p@ss:word";
/// How long a stopping devnet may take for what it is still answering.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running devnet.
#[derive(Debug)]
pub struct TestDevnet {
    url: String,
    rpc: Rpc,
    /// Dropping it tells the devnet to stop.
    stop: Option<oneshot::Sender<()>>,
    /// Taken at the end.
    runtime: Option<Runtime>,
}

impl TestDevnet {
    /// Starts a devnet that mines only when told to.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a test can have threads");
        let options = Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            auth: RpcAuth::UserPassword { user: USER.into(), password: PASSWORD.into() },
            block_interval: None,
        };
        let devnet = apart(|| runtime.block_on(Devnet::bind(options)));
        let devnet = devnet.expect("a free port can be had");
        let url = devnet.rpc_url();
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(devnet.run(async move {
            // A dropped sender means stop, just as a message would.
            drop(stopped.await);
        }));
        let rpc = Rpc::new(&url, &format!("{USER}:{PASSWORD}"));
        Self { url, rpc, stop: Some(stop), runtime: Some(runtime) }
    }

    /// Where its RPC is, without credentials.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        self.url.clone()
    }

    /// Its user name.
    #[must_use]
    pub fn user(&self) -> &'static str {
        USER
    }

    /// Its password.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Rpc {
        self.rpc.clone()
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`RpcFailure`] as the devnet reported it.
    pub fn rpc(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        self.rpc.call(method, params)
    }
}

impl Drop for TestDevnet {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            apart(|| runtime.shutdown_timeout(STOP_TIMEOUT));
        }
    }
}

/// Does something that blocks in a thread of its own: a test that runs within a runtime may not.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).expect("what blocks does not panic")
}
