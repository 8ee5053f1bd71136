//! The soak: steady traffic for hours, and a look at everything that might grow.
//!
//! A node may grow while it fills what it bounds: the newest 262,144 keys of requests, caches, pages of its database. So
//! the first third of a run is not judged, and it should be long enough for the keys to be full by then. Memory moves in
//! steps, up and down, by what a snapshot takes while it is made and what the allocator keeps of that; so the most of the
//! second third is compared with the most of the last. What grows from the one to the other is a leak, and fails the run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::backend::Backend;
use crate::figures::Figures;
use crate::ledger::{Counts, Ledger, quantile};
use crate::plot::{Plot, draw};
use crate::sample::Sample;
use crate::say;
use crate::traffic::{Rates, Traffic};
use crate::world::World;

/// How long after the last answer nodes may take until both say the same.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// What memory may grow by from the second third to the last beside its share: what an allocator keeps.
const MEMORY_SLACK_MIB: f64 = 16.0;
/// The share of its memory by which a node may grow meanwhile, in per cent.
const MEMORY_SLACK_PERCENT: f64 = 5.0;
/// File handles that may come meanwhile: connections of the run itself.
const HANDLES_SLACK: f64 = 16.0;
/// What lies beside the history in a log's files: two snapshots, the write-ahead file, pages that wait to be used again.
const LOG_SLACK_MIB: f64 = 192.0;

/// Steady traffic for a long time.
#[derive(Debug, clap::Args)]
pub(crate) struct Soak {
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// Seconds between two blocks.
    #[arg(long, default_value_t = 30)]
    block_every: u64,
    /// `store.history_bytes_max` of the nodes, in MiB: small, so that a short run comes to the end of it.
    #[arg(long, default_value_t = 256)]
    history_mib: u64,
    #[command(flatten)]
    rates: Rates,
}

/// What is looked at of each node, and its name in the table.
type Column = (&'static str, fn(&Sample) -> f64);

/// Columns of each node.
const COLUMNS: [Column; 7] = [
    ("resident_mib", |sample| sample.resident_mib),
    ("handles", |sample| sample.handles),
    ("threads", |sample| sample.threads),
    ("log_mib", |sample| sample.log_mib),
    ("folder_mib", |sample| sample.folder_mib),
    ("events", |sample| sample.events),
    ("queued_bytes", |sample| sample.queued_bytes),
];

/// Columns of the traffic.
const TRAFFIC: [&str; 6] =
    ["payments_per_second", "locks_per_second", "p50_ms", "p99_ms", "shed", "again"];

impl Soak {
    /// Runs it, and writes `soak.csv`, `soak.png` and `soak.md` into a folder.
    ///
    /// # Errors
    /// If a node fails, grows without a reason, or money is missing.
    pub(crate) async fn run(&self, backend: &Backend, strait: &Path, into: &Path) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("strait-soak-").tempdir_in(on_disk())?;
        let history = (self.history_mib << 20).to_string();
        let variables = BTreeMap::from([("STRAIT_STORE__HISTORY_BYTES_MAX".to_owned(), history)]);
        let world = World::start(backend, strait, folder.path(), &variables).await?;
        say(&format!("two nodes on {}, {} h, {:?}", backend.name(), self.hours, self.rates));
        let traffic = Traffic::start(&world, self.rates, "soak")?;
        let table = into.join("soak.csv");
        let watched = self.watch(&world, &traffic.ledger, &table).await;
        let ledger = traffic.end().await?;
        let figures = watched?;
        sleep(SETTLES_WITHIN).await;
        ledger.audit(world.agreed, world.balances().await?)?;
        draw(&figures, &plots(), &into.join("soak.png"))?;
        let report = self.report(backend, &figures, &ledger)?;
        std::fs::write(into.join("soak.md"), &report).context("soak.md is not written")?;
        say(&report);
        world.stop().await?;
        self.judge(&figures)
    }

    /// Looks at the nodes until the time is over. What was seen is in the table at once: a run that fails in its last
    /// minute has told what the others were like.
    async fn watch(&self, world: &World<'_>, ledger: &Ledger, table: &Path) -> Result<Figures> {
        let names = world.machines().map(crate::machine::Machine::name);
        let of_nodes = names
            .iter()
            .flat_map(|node| COLUMNS.iter().map(move |(column, _)| format!("{node}_{column}")));
        let of_traffic = TRAFFIC.iter().map(|column| (*column).to_owned());
        let mut figures = Figures::new(of_nodes.chain(of_traffic));
        let mut looks = interval(Duration::from_secs(self.every));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut blocks = interval(Duration::from_secs(self.block_every));
        let begun = Instant::now();
        let over = begun + Duration::from_secs_f64(self.hours * 3_600.0);
        let (mut before, mut at) = (ledger.counts(), begun);
        looks.tick().await;
        while Instant::now() < over {
            tokio::select! {
                _ = blocks.tick() => { world.backend.mine(1).await?; }
                _ = looks.tick() => {
                    let mut row = Vec::new();
                    for machine in world.machines() {
                        let sample = Sample::of(machine).await;
                        let sample = sample.with_context(|| machine.tail())?;
                        row.extend(COLUMNS.iter().map(|(_, value)| value(&sample)));
                    }
                    let (now, counts) = (Instant::now(), ledger.counts());
                    row.extend(traffic_row(before, counts, now - at, &ledger.take_times()));
                    figures.add((now - begun).as_secs_f64() / 60.0, row);
                    figures.write(table)?;
                    (before, at) = (counts, now);
                }
            }
        }
        Ok(figures)
    }

    /// Fails if something grew from the second third of the run to the last.
    fn judge(&self, figures: &Figures) -> Result<()> {
        for node in ["alice", "bob"] {
            let memory = format!("{node}_resident_mib");
            let [before, after] =
                [(33, 67), (67, 100)].map(|(from, to)| figures.most(&memory, from, to));
            let bound = before * (1.0 + MEMORY_SLACK_PERCENT / 100.0) + MEMORY_SLACK_MIB;
            ensure!(after <= bound, "{node}: memory grew from {before:.0} to {after:.0} MiB");
            let handles = format!("{node}_handles");
            let [before, after] =
                [(33, 67), (67, 100)].map(|(from, to)| figures.median(&handles, from, to));
            ensure!(
                after <= before + HANDLES_SLACK,
                "{node}: file handles grew from {before:.0} to {after:.0}"
            );
            let log = figures.most(&format!("{node}_log_mib"), 0, 100);
            let bound = crate::sample::bytes_f64(self.history_mib) + LOG_SLACK_MIB;
            ensure!(log <= bound, "{node}: the log has {log:.0} MiB, more than {bound:.0}");
        }
        Ok(())
    }

    /// The figures in words, as Markdown.
    fn report(&self, backend: &Backend, figures: &Figures, ledger: &Ledger) -> Result<String> {
        let Counts { payments, locks, shed, again } = ledger.counts();
        let minutes = figures.column("p50_ms").last().map_or(0.0, |(minute, _)| *minute);
        let mut text = format!(
            "{minutes:.0} minutes on {}: {payments} payments and {locks} locks acknowledged, {shed} requests left out \
             because too many were in flight, {again} answers that asked for another attempt ({:?}). Balances are what \
             was acknowledged, to the millisatoshi.\n\n\
             | | start | half | end | most |\n|---|---|---|---|---|\n",
            backend.name(),
            ledger.reasons(),
        );
        let of_nodes =
            ["alice", "bob"].into_iter().flat_map(|node| COLUMNS.map(|(column, _)| (node, column)));
        let rows = of_nodes
            .map(|(node, column)| (format!("{node}_{column}"), format!("{node}: {column}")))
            .chain(TRAFFIC.map(|column| (column.to_owned(), column.to_owned())));
        for (column, name) in rows {
            let medians = [(0, 10), (45, 55), (90, 100)]
                .map(|(from, to)| format!("{:.1}", figures.median(&column, from, to)));
            let most = figures.most(&column, 0, 100);
            writeln!(text, "| {name} | {} | {most:.1} |", medians.join(" | "))?;
        }
        Ok(text)
    }
}

/// What the traffic was since the last look.
fn traffic_row(before: Counts, now: Counts, took: Duration, times: &[Duration]) -> [f64; 6] {
    let per_second = |before: u64, now: u64| {
        crate::sample::bytes_f64(now.saturating_sub(before)) / took.as_secs_f64().max(1e-3)
    };
    [
        per_second(before.payments, now.payments),
        per_second(before.locks, now.locks),
        quantile(times, 500).as_secs_f64() * 1e3,
        quantile(times, 990).as_secs_f64() * 1e3,
        crate::sample::bytes_f64(now.shed.saturating_sub(before.shed)),
        crate::sample::bytes_f64(now.again.saturating_sub(before.again)),
    ]
}

/// What the picture shows.
fn plots() -> Vec<Plot> {
    let both = |title, column: &str| Plot {
        title,
        columns: ["alice", "bob"].map(|node| (format!("{node}_{column}"), node)).to_vec(),
    };
    let of_traffic = |title, columns: &[&'static str]| Plot {
        title,
        columns: columns.iter().map(|column| ((*column).to_owned(), *column)).collect(),
    };
    vec![
        both("memory in RAM, MiB", "resident_mib"),
        both("open files and sockets", "handles"),
        both("event log, MiB", "log_mib"),
        both("events appended", "events"),
        of_traffic("payments a second", &["payments_per_second"]),
        of_traffic("answer times, ms", &["p50_ms", "p99_ms"]),
    ]
}

/// `/tmp` may be memory, and then a log would cost nothing and say nothing.
pub(crate) fn on_disk() -> std::path::PathBuf {
    let folder = Path::new("/var/tmp");
    if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() }
}
