//! The chain under the nodes: a real bitcoind where one is named, the devnet otherwise.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use strait_testkit::{Bitcoind, Rpc, TestDevnet};
use tempfile::NamedTempFile;

/// Blocks that make nobody of a run richer.
const NOBODY: &str = "raw(51)";

/// A chain that mines when it is told to.
#[derive(Debug)]
pub(crate) struct Backend {
    chain: Chain,
    rpc: Rpc,
}

#[derive(Debug)]
enum Chain {
    Bitcoind(Bitcoind),
    /// The file with its credentials, which nodes read.
    Devnet(TestDevnet, NamedTempFile),
}

impl Backend {
    /// Starts the bitcoind that `BITCOIND_EXE` names, or a devnet.
    ///
    /// # Panics
    /// If neither starts.
    pub(crate) fn start() -> Self {
        if let Some(bitcoind) = Bitcoind::start() {
            let rpc = bitcoind.client();
            return Self { chain: Chain::Bitcoind(bitcoind), rpc };
        }
        let devnet = TestDevnet::start();
        let mut cookie = NamedTempFile::new().expect("a temporary file can be made");
        write!(cookie, "{}:{}", devnet.user(), devnet.password()).expect("it can be written");
        let rpc = devnet.client();
        Self { chain: Chain::Devnet(devnet, cookie), rpc }
    }

    /// What it is, for a report.
    pub(crate) fn name(&self) -> &'static str {
        match &self.chain {
            Chain::Bitcoind(_) => "bitcoind",
            Chain::Devnet(..) => "devnet",
        }
    }

    /// `host:port` of its RPC.
    pub(crate) fn address(&self) -> String {
        let url = match &self.chain {
            Chain::Bitcoind(bitcoind) => bitcoind.rpc_url(),
            Chain::Devnet(devnet, _) => devnet.rpc_url(),
        };
        url.trim_start_matches("http://").to_owned()
    }

    /// The file with `user:password`.
    pub(crate) fn cookie_file(&self) -> PathBuf {
        let path: &Path = match &self.chain {
            Chain::Bitcoind(bitcoind) => bitcoind.cookie_file(),
            Chain::Devnet(_, cookie) => cookie.path(),
        };
        path.to_owned()
    }

    /// Makes blocks that pay nobody here.
    pub(crate) async fn mine(&self, blocks: u32) -> Result<()> {
        self.call("generatetodescriptor", json!([blocks, NOBODY])).await.map(drop)
    }

    /// Makes blocks that pay an address.
    pub(crate) async fn mine_to(&self, address: &str, blocks: u32) -> Result<()> {
        self.call("generatetoaddress", json!([blocks, address])).await.map(drop)
    }

    /// How many transactions wait for a block.
    pub(crate) async fn waiting(&self) -> Result<usize> {
        let waiting = self.call("getrawmempool", json!([])).await?;
        Ok(waiting.as_array().map_or(0, Vec::len))
    }

    /// The height of the tip.
    pub(crate) async fn height(&self) -> Result<u32> {
        let height = self.call("getblockcount", json!([])).await?;
        let height = height.as_u64().and_then(|height| u32::try_from(height).ok());
        height.ok_or_else(|| anyhow!("getblockcount answers no height"))
    }

    async fn call(&self, method: &'static str, params: Value) -> Result<Value> {
        let rpc = self.rpc.clone();
        let answer = tokio::task::spawn_blocking(move || rpc.call(method, params)).await?;
        answer.map_err(|failure| anyhow!("{method}: {} ({})", failure.message, failure.code))
    }
}
