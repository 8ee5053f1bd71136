//! What a node is like at one moment: memory, file handles, log, queues, by the system's and by its own account.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::machine::Machine;

/// A node at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sample {
    /// Memory of the process that is in RAM.
    pub(crate) resident_mib: f64,
    /// Open files and sockets.
    pub(crate) handles: f64,
    /// Threads.
    pub(crate) threads: f64,
    /// Bytes of the event log.
    pub(crate) log_mib: f64,
    /// Everything in the data folder.
    pub(crate) folder_mib: f64,
    /// Events made durable since the start.
    pub(crate) events: f64,
    /// Bytes that wait to be sent to peers.
    pub(crate) queued_bytes: f64,
}

/// One MiB.
const MIB: f64 = 1_048_576.0;

impl Sample {
    /// Looks at a running node.
    ///
    /// # Errors
    /// If it does not run, or does not answer.
    pub(crate) async fn of(machine: &Machine) -> Result<Self> {
        let id = machine.process_id().context("the node does not run")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0)
        };
        let (_, metrics) = machine.ask("/metrics").await?;
        Ok(Self {
            resident_mib: field("VmRSS:") / 1_024.0,
            handles: as_f64(fs::read_dir(format!("/proc/{id}/fd"))?.count()),
            threads: field("Threads:"),
            log_mib: value(&metrics, "strait_event_log_size_bytes") / MIB,
            folder_mib: folder_bytes(&machine.data_dir()) / MIB,
            events: value(&metrics, "strait_events_appended_total"),
            queued_bytes: value(&metrics, "strait_net_queued_bytes"),
        })
    }
}

/// The sum of all series of a metric on a page.
pub(crate) fn value(page: &str, name: &str) -> f64 {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = match rest.chars().next()? {
            '{' => rest.split_once('}')?.1,
            ' ' => rest,
            _ => return None,
        };
        rest.trim().parse::<f64>().ok()
    });
    values.sum()
}

/// Parts of a node that a verdict names, each with what is wrong, as far as that is words and no figures.
pub(crate) fn causes(verdict: &str) -> Vec<String> {
    let verdict: Value = serde_json::from_str(verdict).unwrap_or_default();
    let causes = verdict.get("causes").and_then(Value::as_array);
    let word = |cause: &Value, name: &str| {
        let text = cause.get(name).and_then(Value::as_str).unwrap_or_default();
        let end = text.find(|c: char| c.is_ascii_digit() || ",;:(".contains(c));
        text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim().to_owned()
    };
    let named = causes.into_iter().flatten();
    named.map(|cause| format!("{} {}", word(cause, "component"), word(cause, "message"))).collect()
}

/// Bytes of all files below a folder.
fn folder_bytes(folder: &Path) -> f64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0.0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => bytes_f64(metadata.len()),
        // It was removed meanwhile.
        Err(_) => 0.0,
    });
    bytes.sum()
}

/// A count for a plot.
#[expect(clippy::cast_precision_loss, reason = "a plot needs no more than 52 bits")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}

/// Bytes for a plot.
#[expect(clippy::cast_precision_loss, reason = "a plot needs no more than 52 bits")]
pub(crate) fn bytes_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_a_metric_are_added_up_and_longer_names_are_not() {
        let page = "# HELP a b\na 1\na_total 7\na{x=\"1\"} 2.5\na{x=\"2\"} 3\nb 9\n";
        assert!((value(page, "a") - 6.5).abs() < f64::EPSILON);
        assert!((value(page, "none")).abs() < f64::EPSILON);
    }
}
