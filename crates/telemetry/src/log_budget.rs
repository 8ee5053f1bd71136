//! How much a day may log into its file: a fault that repeats itself must not fill the disk that the event log needs.
//!
//! What is beyond the budget still goes to standard error. The file's last line says so, and the next day begins anew.

use std::io::{self, Write};

/// Seconds of a day; the files change at midnight, UTC.
const DAY_SECONDS: u64 = 86_400;

/// A writer that takes so many bytes a day.
#[derive(Debug)]
pub(crate) struct Budgeted<W> {
    inner: W,
    clock: fn() -> u64,
    budget_bytes: u64,
    /// The day that `written_bytes` is of, in days since 1970.
    day: u64,
    written_bytes: u64,
    end: End,
}

/// Whether the day's last line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ahead,
    Told,
}

impl<W: Write> Budgeted<W> {
    /// A writer into a file that holds `written_bytes` of today already. `clock` tells the seconds since 1970.
    pub(crate) fn new(inner: W, clock: fn() -> u64, budget_bytes: u64, written_bytes: u64) -> Self {
        let day = clock() / DAY_SECONDS;
        Self { inner, clock, budget_bytes, day, written_bytes, end: End::Ahead }
    }

    fn turn_page(&mut self) {
        let day = (self.clock)() / DAY_SECONDS;
        if day != self.day {
            self.day = day;
            self.written_bytes = 0;
            self.end = End::Ahead;
        }
    }
}

impl<W: Write> Write for Budgeted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.turn_page();
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let after = self.written_bytes.saturating_add(length);
        if after <= self.budget_bytes {
            let written = self.inner.write(line)?;
            let written_bytes = u64::try_from(written).unwrap_or(u64::MAX);
            self.written_bytes = self.written_bytes.saturating_add(written_bytes);
            return Ok(written);
        }
        if self.end == End::Ahead {
            self.end = End::Told;
            self.written_bytes = self.budget_bytes;
            writeln!(
                self.inner,
                "the budget of {} bytes for this day's log is used up: the rest is on standard error only",
                self.budget_bytes
            )?;
        }
        // Taken, so that whoever writes goes on.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    fn text(budgeted: &Budgeted<Vec<u8>>) -> String {
        String::from_utf8(budgeted.inner.clone()).unwrap()
    }

    #[test]
    fn a_day_logs_so_much_and_says_when_it_stops_and_the_next_begins_anew() {
        let mut log = Budgeted::new(Vec::new(), || NOW.get(), 12, 4);
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let lines = text(&log);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[..2], ["one", "two"]);
        assert!(lines[2].contains("12 bytes"), "{lines:?}");
        NOW.set(DAY_SECONDS);
        log.write_all(b"five\n").unwrap();
        assert!(text(&log).ends_with("five\n"));
    }
}
