//! One node: a folder, a configuration, and the process while it runs.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use strait_client::Client;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use ureq::Agent;

/// How long a start, a stop or a look may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The largest page of metrics.
const METRICS_BYTES_MAX: u64 = 4 << 20;
/// How much of a log is shown when something is wrong.
const TAIL_LINES: usize = 30;
/// Ports are looked for below those that systems hand out by themselves, so that nobody takes a stopped node's.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Where one node listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Peers.
    pub(crate) p2p: u16,
    /// The REST interface.
    pub(crate) api: u16,
    /// Metrics and health.
    pub(crate) metrics: u16,
}

/// What a node is started with.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Who it is in reports.
    pub(crate) name: &'static str,
    /// The binary.
    pub(crate) strait: PathBuf,
    /// Its folder: configuration, data, output.
    pub(crate) folder: PathBuf,
    /// Where it finds the chain, `host:port`.
    pub(crate) chain: String,
    /// The chain's credentials.
    pub(crate) cookie_file: PathBuf,
    /// Variables of its environment: settings, and what a fault needs.
    pub(crate) variables: BTreeMap<String, String>,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Machine {
    plan: Plan,
    ports: Ports,
    process: Option<Child>,
    agent: Agent,
}

impl Machine {
    /// Writes its configuration; it does not run yet.
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let ports = free_ports()?;
        fs::create_dir_all(&plan.folder)?;
        fs::write(plan.folder.join("node.toml"), configuration(&plan, ports))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A connection that waits is closed by the node after as long as lies between two looks.
            .max_idle_connections(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        Ok(Self { plan, ports, process: None, agent: config.into() })
    }

    /// Who it is in reports.
    pub(crate) const fn name(&self) -> &'static str {
        self.plan.name
    }

    /// Where it listens.
    pub(crate) const fn ports(&self) -> Ports {
        self.ports
    }

    /// Its data folder.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.plan.folder.join("data")
    }

    /// The id of its process, while it runs.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Starts its process, with further variables, and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name());
        let output = fs::OpenOptions::new().create(true).append(true).open(self.output_file())?;
        let child = Command::new(&self.plan.strait)
            .arg("node")
            .arg("--config")
            .arg(self.plan.folder.join("node.toml"))
            .envs(&self.plan.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", self.plan.strait.display()))?;
        self.process = Some(child);
        self.becomes_ready().await
    }

    /// Waits until it can serve.
    pub(crate) async fn becomes_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            if let Some(process) = self.process.as_mut()
                && let Some(status) = process.try_wait()?
            {
                bail!("{} ended with {status}:\n{}", self.name(), self.tail());
            }
            ensure!(Instant::now() < deadline, "{} is not ready:\n{}", self.name(), self.tail());
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Asks it to stop, and waits.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let id = process.id().context("it has ended by itself")?;
        signal("TERM", id).await?;
        let ended = tokio::time::timeout(PATIENCE, process.wait()).await;
        let status = ended.with_context(|| format!("{} does not stop", self.plan.name))??;
        ensure!(status.success(), "{} stopped with {status}:\n{}", self.name(), self.tail());
        Ok(())
    }

    /// Ends it at once, as a power cut would.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("only a running node is killed")?;
        Ok(process.kill().await?)
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        let status = self.process.as_mut().context("only a running node ends")?.wait().await?;
        self.process = None;
        Ok(status)
    }

    /// Whether it runs, as far as is known.
    pub(crate) const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// A client of its REST interface, once it has run.
    pub(crate) fn client(&self) -> Result<Client> {
        let token = fs::read_to_string(self.data_dir().join("api.token"))
            .with_context(|| format!("{} has no token", self.plan.name))?;
        Ok(Client::new(&format!("http://127.0.0.1:{}", self.ports.api), token.trim())?)
    }

    /// Whether it says that it can serve.
    pub(crate) async fn is_ready(&self) -> bool {
        matches!(self.ask("/health/ready").await, Ok((200, _)))
    }

    /// Asks its server of metrics and health; the status and the body.
    pub(crate) async fn ask(&self, path: &str) -> Result<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.ports.metrics);
        let agent = self.agent.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut response = agent.get(&url).call()?;
            let status = response.status().as_u16();
            let body = response.body_mut().with_config().limit(METRICS_BYTES_MAX);
            body.read_to_string().map(|body| (status, body))
        });
        Ok(asked.await??)
    }

    /// The last lines it wrote.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read_to_string(self.output_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    fn output_file(&self) -> PathBuf {
        self.plan.folder.join("output")
    }
}

/// Sends a signal to one process.
pub(crate) async fn signal(name: &str, id: u32) -> Result<()> {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().await?;
    ensure!(sent.success(), "kill -{name} {id} failed");
    Ok(())
}

/// The configuration as an operator would write it, but for a chain that is quick.
fn configuration(plan: &Plan, ports: Ports) -> String {
    let Ports { p2p, api, metrics } = ports;
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    format!(
        "rpc_url = \"http://{chain}\"\np2p_listen = [\"/ip4/127.0.0.1/tcp/{p2p}\"]\ndata_dir = {data}\n\
         metrics_port = {metrics}\n[api]\nlisten = \"127.0.0.1:{api}\"\n\
         [chain]\nnetwork = \"regtest\"\ncookie_file = {cookie}\npoll_interval_ms = 500\n\
         [net]\nreconnect_ms_max = 2000\n",
        chain = plan.chain,
        data = quoted(&plan.folder.join("data")),
        cookie = quoted(&plan.cookie_file),
    )
}

/// Three ports that nobody listens on now.
fn free_ports() -> Result<Ports> {
    let width = u32::from(PORTS.end - PORTS.start);
    let first = PORTS.start + u16::try_from(getrandom::u32()? % width)?;
    let held: Vec<(u16, TcpListener)> = (first..PORTS.end)
        .chain(PORTS.start..first)
        .filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
        .take(3)
        .collect();
    let [(p2p, _), (api, _), (metrics, _)] = held.as_slice() else {
        bail!("three free ports on 127.0.0.1 cannot be found");
    };
    Ok(Ports { p2p: *p2p, api: *api, metrics: *metrics })
}
