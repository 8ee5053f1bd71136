//! What this process is and runs with: version, start, settings, spans; and memory and open files as the system tells them, under
//! the names every exporter uses.

use std::fs;
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec};
use strait_primitives::Timestamp;

use super::facts::LabelFacts;
use super::labels::Label;
use super::registry::{Bounded, Registrar};
use super::{Metrics, SpanFate};

/// Metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    build_info: IntGaugeVec,
    start_time: Gauge,
    settings: GaugeVec,
    setting_words: IntGaugeVec,
    spans: IntCounterVec,
    resident_memory: IntGauge,
    open_files: IntGauge,
}

impl ProcessMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Process");
        Self {
            build_info: r.gauges_by(
                "strait_build_info",
                "The running version; always 1.",
                Bounded {
                    labels: vec![LabelFacts::described("version", "the version of the program")],
                    appears: "with the version that runs",
                },
            ),
            start_time: r.seconds(
                "strait_start_time_seconds",
                "When the process started, in seconds since 1970-01-01 UTC.",
            ),
            settings: r.levels_by(
                "strait_setting",
                "Effective settings that are numbers or switches (0 or 1).",
                Bounded {
                    labels: vec![LabelFacts::described("key", "a key of the settings")],
                    appears: "for settings that have a value",
                },
            ),
            setting_words: r.gauges_by(
                "strait_setting_info",
                "Effective settings that are words. Always 1; the value that was before is shown no more.",
                Bounded {
                    labels: vec![
                        LabelFacts::described("key", "`log_level` or `chain.network`"),
                        LabelFacts::described("value", "its value"),
                    ],
                    appears: "with the value that holds",
                },
            ),
            spans: r.counters::<SpanFate>(
                "strait_trace_spans_total",
                "Spans that ended and were to go to telemetry.otlp_endpoint.",
            ),
            resident_memory: r.gauge(
                "process_resident_memory_bytes",
                "Memory of the process that is in RAM; 0 where the system does not tell.",
            ),
            open_files: r.gauge(
                "process_open_fds",
                "Files and sockets the process has open; 0 where the system does not tell.",
            ),
        }
    }

    /// Tells which version runs since when.
    pub(super) fn start(&self, version: &str, started: Timestamp) {
        self.build_info.with_label_values(&[version]).set(1);
        self.start_time.set(Duration::from_millis(started.to_unix_ms()).as_secs_f64());
    }

    /// Asks the system anew.
    pub(super) fn refresh(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        self.resident_memory.set(resident_bytes(&status).unwrap_or(0));
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(open).unwrap_or(i64::MAX));
    }
}

impl Metrics {
    /// Counts spans that ended.
    pub fn spans_ended(&self, fate: SpanFate, count: u64) {
        self.of_process.spans.with_label_values(&[fate.value()]).inc_by(count);
    }

    /// Tells an effective setting. Keys are those of the configuration, with their unit as suffix.
    pub fn set_setting(&self, key: &'static str, value: f64) {
        self.of_process.settings.with_label_values(&[key]).set(value);
    }

    /// Tells the effective settings that are words, all of them: what one had before is shown no more.
    pub fn set_setting_words<'a>(&self, words: impl IntoIterator<Item = (&'static str, &'a str)>) {
        let gauges = &self.of_process.setting_words;
        gauges.reset();
        for (key, value) in words {
            gauges.with_label_values(&[key, value]).set(1);
        }
    }
}

/// The resident memory that Linux's status page tells.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status_page() {
        let check = |status, expect| assert_eq!(resident_bytes(status), expect, "{status}");
        check("Name:\tstrait\nVmRSS:\t    2048 kB\nThreads:\t3\n", Some(2_097_152));
        check("VmRSS:\t2048 pages\n", None);
        check("Name:\tstrait\n", None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_files() {
        let metrics = ProcessMetrics::register(&Registrar::new());
        metrics.refresh();
        assert!(metrics.resident_memory.get() > 100_000);
        assert!(metrics.open_files.get() >= 3);
    }
}
