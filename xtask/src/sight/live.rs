//! Every expression of rules and dashboard, asked of two running nodes through a real Prometheus.
//!
//! The nodes are those of `strait demo --keep`; promtool asks. An expression that Prometheus does not take is an error, and so is a
//! panel or a recorded rule without an answer where nodes must have one. An alert without an answer is a node that is well.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::dashboard::Panel;
use super::rules::{Rules, metrics_in};
use super::{DASHBOARD, RULES, read};
use crate::process::{self, Stopwatch, say};
use crate::workspace::Workspace;

/// How long the demo and Prometheus may take to come up.
const PATIENCE: Duration = Duration::from_secs(300);
/// The pause between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Rates need some scrapes.
const SCRAPED_FOR: Duration = Duration::from_secs(20);
/// What nodes without TLS, backups, shipping and failed requests need not tell.
const MAY_BE_SILENT: &[&str] =
    &["ALERTS", "strait:api_errors:ratio_5m", "strait_backup_", "strait_ship_", "strait_tls_"];

/// A child that ends with us.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts everything, asks everything, and ends everything.
///
/// # Errors
/// If something does not start, or an expression has no answer; each finding has been printed.
pub(super) fn run(workspace: &Workspace) -> Result<()> {
    for program in ["prometheus", "promtool"] {
        let found = process::find_on_path(program);
        ensure!(found.is_some(), "{program} is not on PATH: apt install prometheus");
    }
    let folder = workspace.target_directory.join("sight");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the last run's folder stays")?;
    }
    fs::create_dir_all(&folder)?;
    let (_demo, targets) = start_nodes(workspace, &folder)?;
    let (_prometheus, url) = start_prometheus(&workspace.root, &folder, &targets)?;
    wait_for("scrapes of both nodes", || {
        let up = ask(&url, "up{job=\"strait\"} == 1")?;
        Ok((told(&up).count() == targets.len()).then_some(()))
    })?;
    sleep(SCRAPED_FOR);
    judge(&workspace.root, &url)
}

/// The demo, kept, and where its nodes tell their metrics.
fn start_nodes(workspace: &Workspace, folder: &Path) -> Result<(Guarded, Vec<String>)> {
    let strait = match env::var_os("STRAIT_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            process::run(process::cargo().current_dir(&workspace.root).args([
                "build",
                "--locked",
                "--workspace",
                "--bin",
                "strait",
            ]))?;
            workspace.target_directory.join("debug/strait")
        }
    };
    let words = folder.join("demo.log");
    let demo = Command::new(strait)
        .args(["demo", "--keep", "--payments", "100"])
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&words)?)
        .spawn()
        .context("strait demo does not start")?;
    let mut demo = Guarded(demo);
    let place = wait_for("the demo's nodes", || {
        if let Some(status) = demo.0.try_wait()? {
            bail!("strait demo ended with {status}: {}", fs::read_to_string(&words)?);
        }
        let text = fs::read_to_string(&words)?;
        let place =
            text.lines().find_map(|line| line.strip_prefix("Everything runs until Ctrl-C, in "));
        Ok(place.map(PathBuf::from))
    })?;
    let ports = ["alice", "bob"].map(|who| -> Result<String> {
        let config = fs::read_to_string(place.join(format!("{who}.toml")))?;
        let port = config.lines().find_map(|line| line.strip_prefix("metrics_port = "));
        Ok(format!("127.0.0.1:{}", port.context("the demo's node has no metrics")?))
    });
    Ok((demo, ports.into_iter().collect::<Result<_>>()?))
}

/// Prometheus with our rules, on a port that was free a moment ago.
fn start_prometheus(root: &Path, folder: &Path, targets: &[String]) -> Result<(Guarded, String)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let config = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n  external_labels: {{ book: 'http://book' }}\n\
         rule_files: [{rules:?}]\nscrape_configs:\n  - job_name: strait\n    static_configs: [{{ targets: {targets:?} }}]\n",
        rules = root.join(RULES),
    );
    let path = folder.join("prometheus.yaml");
    fs::write(&path, config)?;
    let log = File::create(folder.join("prometheus.log"))?;
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("prometheus does not start")?;
    let prometheus = Guarded(child);
    let url = format!("http://127.0.0.1:{port}");
    wait_for("Prometheus", || Ok(ask(&url, "vector(1)").ok()))?;
    Ok((prometheus, url))
}

/// Asks everything and says what it thinks of it.
fn judge(root: &Path, url: &str) -> Result<()> {
    let mut findings = Vec::new();
    let mut asked = 0_usize;
    for rule in Rules::parse(&read(root, RULES)?).all {
        let silence = if rule.severity.is_none() { Silence::Fault } else { Silence::Fine };
        asked = asked.saturating_add(1);
        findings.extend(trouble(url, &rule.name, &rule.expression, silence));
        for metric in metrics_in(&rule.expression) {
            asked = asked.saturating_add(1);
            findings.extend(trouble(url, &rule.name, metric, Silence::Fault));
        }
    }
    for panel in Panel::all(&read(root, DASHBOARD)?)? {
        for expression in panel.expressions {
            let expression =
                expression.replace("$instance", ".+").replace("$__rate_interval", "1m");
            asked = asked.saturating_add(1);
            findings.extend(trouble(url, &panel.title, &expression, Silence::Fault));
        }
    }
    let firing = ask(url, "ALERTS{alertstate=\"firing\"}")?;
    findings.extend(told(&firing).map(|line| format!("fires though all is well: {line}")));
    for finding in &findings {
        say(finding);
    }
    ensure!(findings.is_empty(), "{} finding(s) in {asked} questions", findings.len());
    say(&format!("{asked} questions to a running Prometheus, all answered; no alert fires"));
    Ok(())
}

/// What no answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// An alert that does not fire.
    Fine,
    /// Something that a running node must have.
    Fault,
}

/// What is wrong with an expression, if anything.
fn trouble(url: &str, whose: &str, expression: &str, silence: Silence) -> Option<String> {
    match ask(url, expression) {
        Err(error) => Some(format!("{whose}: {error:#}")),
        Ok(answer) if answer.trim().is_empty() && silence == Silence::Fault => {
            let may = metrics_in(expression).iter().any(|name| may_be_silent(name));
            (!may && !MAY_BE_SILENT.contains(&whose))
                .then(|| format!("{whose}: no answer to {expression}"))
        }
        Ok(_) => None,
    }
}

fn may_be_silent(metric: &str) -> bool {
    MAY_BE_SILENT.iter().any(|known| metric.starts_with(known))
}

/// One question, now.
fn ask(url: &str, expression: &str) -> Result<String> {
    let output = Command::new("promtool")
        .args(["query", "instant", url, expression])
        .stdin(Stdio::null())
        .output()
        .context("promtool does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{expression}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The lines of an answer; promtool ends even an empty one with a line.
fn told(answer: &str) -> impl Iterator<Item = &str> {
    answer.lines().filter(|line| !line.is_empty())
}

/// Looks until there is something to see.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let watch = Stopwatch::start();
    while watch.elapsed() < PATIENCE {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        sleep(LOOK);
    }
    bail!("not within {} s: {what}", PATIENCE.as_secs())
}
