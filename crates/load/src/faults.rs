//! The fault run: things go wrong one after the other under traffic, and everything must be as it was afterwards.
//!
//! Each fault says what a node must do meanwhile, as the book documents it, and the run fails if it does something
//! else. After each, every request has its answer, and the balances are what was acknowledged.

mod chain_down;
mod clock_jump;
mod disk_full;
mod flood;
mod peer_flaps;
mod power_cut;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::{Instant, sleep};

use crate::alerts::Alerts;
use crate::backend::Backend;
use crate::ledger::{Counts, quantile};
use crate::say;
use crate::soak::on_disk;
use crate::traffic::{Rates, Traffic};
use crate::world::{World, wait_for};

/// Traffic before a fault begins, so that it meets requests in flight.
const BEFORE: Duration = Duration::from_secs(10);
/// Traffic after a fault, when all must be well.
const AFTER: Duration = Duration::from_secs(10);
/// How long after the last answer nodes may take until both say the same.
const SETTLES: Duration = Duration::from_secs(5);
/// The pause between two looks at health and alerts.
const LOOK: Duration = Duration::from_secs(2);

/// Things go wrong one after the other.
#[derive(Debug, clap::Args)]
pub(crate) struct Faults {
    /// Only those whose name contains this.
    #[arg(default_value = "")]
    name: String,
    /// The alert rules to look at.
    #[arg(long, value_name = "FILE", default_value = "deploy/prometheus/rules.yaml")]
    rules: PathBuf,
    /// How long the chain is away and the disk is full, in seconds; alerts wait for minutes before they fire.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    #[command(flatten)]
    rates: Rates,
}

/// A fault by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ChainDown,
    DiskFull,
    PeerFlaps,
    ClockJump,
    Flood,
    PowerCut,
}

/// What was seen while something was wrong.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Causes that `/health/ready` named, without their figures.
    causes: BTreeSet<String>,
    /// Whether it ever said that the node is not ready.
    not_ready: BTreeSet<&'static str>,
    /// Alerts that fired.
    alerts: BTreeSet<String>,
    /// What the fault itself has to tell.
    notes: Vec<String>,
}

/// A line of the table.
#[derive(Debug)]
struct Line {
    fault: Fault,
    seen: Seen,
    counts: Counts,
    slowest: Duration,
    recovered: Duration,
}

/// Everyone, while something is wrong.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    /// The nodes and the chain.
    pub(crate) world: World<'a>,
    /// How long a long fault lasts.
    pub(crate) lasts: Duration,
    /// Who fires alerts, if anybody.
    alerts: Option<Alerts>,
    /// What was seen so far.
    pub(crate) seen: Seen,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::PeerFlaps,
        Self::Flood,
        Self::ClockJump,
        Self::PowerCut,
        Self::ChainDown,
        Self::DiskFull,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::ChainDown => "chain-down",
            Self::DiskFull => "disk-full",
            Self::PeerFlaps => "peer-flaps",
            Self::ClockJump => "clock-jump",
            Self::Flood => "flood",
            Self::PowerCut => "power-cut",
        }
    }

    /// Lets it happen, and puts an end to it. What the machine cannot do is said and left out.
    async fn happen(self, scene: &mut Scene<'_>) -> Result<()> {
        match self {
            Self::ChainDown => chain_down::happen(scene).await,
            Self::DiskFull => disk_full::happen(scene).await,
            Self::PeerFlaps => peer_flaps::happen(scene).await,
            Self::ClockJump => clock_jump::happen(scene).await,
            Self::Flood => flood::happen(scene).await,
            Self::PowerCut => power_cut::happen(scene).await,
        }
    }
}

impl Faults {
    /// Runs them, and writes `faults.md` into a folder.
    ///
    /// # Errors
    /// If a node does not do what is documented, does not recover, or money is missing.
    pub(crate) async fn run(&self, backend: &Backend, strait: &Path, into: &Path) -> Result<()> {
        let wanted: Vec<Fault> =
            Fault::ALL.into_iter().filter(|fault| fault.name().contains(&self.name)).collect();
        ensure!(!wanted.is_empty(), "no fault has {:?} in its name", self.name);
        let mut lines = Vec::new();
        for fault in wanted {
            say(&format!("== {}", fault.name()));
            let line = self.play(fault, backend, strait).await;
            lines.push(line.with_context(|| fault.name())?);
            std::fs::write(into.join("faults.md"), table(&lines)?)?;
        }
        say(&table(&lines)?);
        Ok(())
    }

    /// One fault, in a world of its own.
    async fn play(&self, fault: Fault, backend: &Backend, strait: &Path) -> Result<Line> {
        let folder = tempfile::Builder::new().prefix("strait-fault-").tempdir_in(on_disk())?;
        let disk = (fault == Fault::DiskFull)
            .then(|| disk_full::SmallDisk::mount(&folder.path().join("alice").join("data")))
            .transpose()?;
        let mut variables = BTreeMap::new();
        if fault == Fault::ClockJump {
            clock_jump::prepare(folder.path(), &mut variables)?;
        }
        if fault == Fault::DiskFull {
            disk_full::prepare(&mut variables);
        }
        let world = World::start(backend, strait, folder.path(), &variables).await?;
        let alerts = Alerts::start(&self.rules, folder.path(), &world.machines()).await?;
        let agreed = world.agreed;
        let lasts = Duration::from_secs(self.seconds);
        let traffic = Traffic::start(&world, self.rates, fault.name())?;
        let mut scene = Scene { world, lasts, alerts, seen: Seen::default() };
        sleep(BEFORE).await;
        traffic.ledger.take_times();
        fault.happen(&mut scene).await?;
        let over = Instant::now();
        let paid = traffic.ledger.counts().payments;
        wait_for("both nodes being ready again", async || {
            let [alice, bob] = scene.world.machines();
            let well = alice.is_ready().await && bob.is_ready().await;
            let pays = traffic.ledger.counts().payments > paid;
            Ok((well && pays).then_some(()))
        })
        .await?;
        let recovered = over.elapsed();
        sleep(AFTER).await;
        let ledger = traffic.end().await?;
        sleep(SETTLES).await;
        ledger.audit(agreed, scene.world.balances().await?)?;
        let Scene { world, seen, .. } = scene;
        world.stop().await?;
        drop(disk);
        let times = ledger.take_times();
        Ok(Line {
            fault,
            seen,
            counts: ledger.counts(),
            slowest: quantile(&times, 1_000),
            recovered,
        })
    }
}

impl Scene<'_> {
    /// Looks at health and alerts for a while; traffic goes on.
    pub(crate) async fn watch(&mut self, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            self.look().await?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Looks until alice is not ready, or is ready again.
    pub(crate) async fn until_ready(&mut self, wanted: Ready) -> Result<()> {
        let machine = &self.world.alice;
        let what = match wanted {
            Ready::Yes => "alice being ready",
            Ready::No => "alice not being ready",
        };
        wait_for(what, async || {
            Ok((machine.is_ready().await == (wanted == Ready::Yes)).then_some(()))
        })
        .await?;
        self.look().await
    }

    /// Looks once.
    async fn look(&mut self) -> Result<()> {
        for machine in self.world.machines() {
            // A node that does not answer is not ready; why, its alerts say.
            let (status, body) = machine.ask("/health/ready").await.unwrap_or_default();
            if status != 200 {
                self.seen.not_ready.insert(machine.name());
            }
            let causes = crate::sample::causes(&body).into_iter();
            self.seen.causes.extend(causes.map(|cause| format!("{} {cause}", machine.name())));
        }
        if let Some(alerts) = &self.alerts {
            self.seen.alerts.extend(alerts.look().await?.firing);
        }
        Ok(())
    }

    /// Something that the table must tell.
    pub(crate) fn note(&mut self, note: String) {
        say(&note);
        self.seen.notes.push(note);
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// That it can serve.
    Yes,
    /// That it cannot.
    No,
}

/// The lines as Markdown.
fn table(lines: &[Line]) -> Result<String> {
    let mut text =
        "| fault | health said | alerts | traffic meanwhile | well again after | lost |\n\
                    |---|---|---|---|---|---|\n"
            .to_owned();
    let joined = |set: &BTreeSet<String>| {
        let words: Vec<&str> = set.iter().map(String::as_str).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    for Line { fault, seen, counts, slowest, recovered } in lines {
        let ready: Vec<&str> = seen.not_ready.iter().copied().collect();
        let ready = if ready.is_empty() {
            "ready throughout".to_owned()
        } else {
            format!("not ready: {}", ready.join(", "))
        };
        writeln!(
            text,
            "| {}: {} | {ready}; {} | {} | {} payments and {} locks acknowledged, {} attempts repeated, slowest answer \
             {:.1} s | {:.1} s | nothing |",
            fault.name(),
            seen.notes.join("; "),
            joined(&seen.causes),
            joined(&seen.alerts),
            counts.payments,
            counts.locks,
            counts.again,
            slowest.as_secs_f64(),
            recovered.as_secs_f64(),
        )?;
    }
    Ok(text)
}
