//! Memory and open files of this process, as the system tells them, under the names every exporter uses.

use std::fs;

use prometheus::IntGauge;

use super::registry::Registrar;

/// Metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    resident_memory: IntGauge,
    open_files: IntGauge,
}

impl ProcessMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        Self {
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

    /// Asks the system anew.
    pub(super) fn refresh(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        self.resident_memory.set(resident_bytes(&status).unwrap_or(0));
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(open).unwrap_or(i64::MAX));
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
