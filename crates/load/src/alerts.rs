//! A real Prometheus beside the nodes, with the project's own rules, to see which alerts a fault fires.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::{Child, Command};
use ureq::Agent;

use crate::machine::Machine;
use crate::say;
use crate::world::wait_for;

/// The largest answer of it.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Alerts {
    /// Ends with it.
    _process: Child,
    url: String,
    agent: Agent,
}

/// Alerts of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Firing {
    /// Those that call somebody.
    pub(crate) firing: BTreeSet<String>,
    /// Those whose time has not come yet.
    pub(crate) pending: BTreeSet<String>,
}

impl Alerts {
    /// Starts the Prometheus on PATH with these rules; `None`, with the reason said, if there is none.
    ///
    /// # Errors
    /// If there is one and it does not run.
    pub(crate) async fn start(
        rules: &Path,
        folder: &Path,
        machines: &[&Machine],
    ) -> Result<Option<Self>> {
        let Some(program) = on_path("prometheus") else {
            say("alerts are not looked at: there is no prometheus on PATH");
            return Ok(None);
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let targets: Vec<String> = machines
            .iter()
            .map(|machine| {
                let port = machine.ports().metrics;
                format!(
                    "      - targets: [\"127.0.0.1:{port}\"]\n        labels: {{ node: {} }}\n",
                    machine.name()
                )
            })
            .collect();
        let config = format!(
            "global: {{ scrape_interval: 5s, evaluation_interval: 5s }}\nrule_files: [{:?}]\n\
             scrape_configs:\n  - job_name: strait\n    static_configs:\n{}",
            fs::canonicalize(rules)?.display().to_string(),
            targets.concat(),
        );
        let file = folder.join("prometheus.yaml");
        fs::write(&file, config)?;
        let output = fs::File::create(folder.join("prometheus.output"))?;
        let process = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("prometheus does not start")?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        let url = format!("http://127.0.0.1:{port}/api/v1/alerts");
        let alerts = Self { _process: process, url, agent: config.into() };
        wait_for("prometheus", async || Ok(alerts.look().await.ok())).await?;
        Ok(Some(alerts))
    }

    /// Which alerts there are now.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn look(&self) -> Result<Firing> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let body = tokio::task::spawn_blocking(move || {
            let mut response = agent.get(&url).call()?;
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()
        });
        let answer: Value = serde_json::from_str(&body.await??)?;
        let mut found = Firing::default();
        let list = answer.pointer("/data/alerts").and_then(Value::as_array);
        for alert in list.context("prometheus answers no alerts")? {
            let name = alert.pointer("/labels/alertname").and_then(Value::as_str);
            let name = name.unwrap_or("nameless").to_owned();
            if alert.get("state").and_then(Value::as_str) == Some("firing") {
                found.firing.insert(name);
            } else {
                found.pending.insert(name);
            }
        }
        Ok(found)
    }
}

/// A program on PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
