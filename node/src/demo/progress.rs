//! Words about how far the demo is: a line for each step, and on a terminal a bar within the long ones.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, interval};

use super::error::Step;

/// How often the bar moves.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Characters of a full bar.
const BAR_WIDTH: u64 = 30;
/// Clears what stands on the line.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Who reads the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person at a terminal: lines may be drawn again.
    Terminal,
    /// A file or a pipe.
    Plain,
}

/// Tells on stderr how far the demo is.
pub(super) struct Progress<'a> {
    words: &'a mut (dyn Write + Send),
    reader: Reader,
    step: Step,
    began: Instant,
}

/// Counts within a step.
#[derive(Debug)]
pub(super) struct Meter {
    done: Cell<u64>,
    total: u64,
}

impl Meter {
    /// A meter that stands at nothing.
    pub(super) const fn new(total: u64) -> Self {
        Self { done: Cell::new(0), total }
    }

    /// Counts.
    pub(super) fn add(&self, count: u64) {
        self.done.set(self.done.get().saturating_add(count));
    }
}

impl<'a> Progress<'a> {
    /// Tells on `words`; bars are drawn only if stderr is a terminal.
    pub(super) fn new(words: &'a mut (dyn Write + Send)) -> Self {
        let reader = if io::stderr().is_terminal() { Reader::Terminal } else { Reader::Plain };
        Self { words, reader, step: Step::Start, began: Instant::now() }
    }

    /// The step that runs.
    pub(super) const fn step(&self) -> Step {
        self.step
    }

    /// A step begins.
    pub(super) fn begin(&mut self, step: Step) {
        self.step = step;
        self.began = Instant::now();
        if self.reader == Reader::Terminal {
            self.write(&format!("{CLEAR_LINE}{}", heading(step)));
        }
    }

    /// The step is done.
    pub(super) fn end(&mut self, what: &str) {
        let clear = match self.reader {
            Reader::Terminal => CLEAR_LINE,
            Reader::Plain => "",
        };
        let took_s = self.began.elapsed().as_secs_f64();
        let heading = heading(self.step);
        let what = if what.is_empty() { String::new() } else { format!(": {what}") };
        self.write(&format!("{clear}{heading}{what} ({took_s:.1} s)\n"));
    }

    /// Says something between two steps.
    pub(super) fn say(&mut self, line: &str) {
        if self.reader == Reader::Terminal {
            self.write(CLEAR_LINE);
        }
        self.write(&format!("{line}\n"));
    }

    /// Does the work and draws the meter meanwhile.
    pub(super) async fn during<T>(&mut self, meter: &Meter, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if self.reader == Reader::Plain {
            return work.await;
        }
        let mut ticks = interval(DRAW_EVERY);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    let bar = bar(meter.done.get(), meter.total);
                    self.write(&format!("{CLEAR_LINE}{} {bar}", heading(self.step)));
                }
            }
        }
    }

    fn write(&mut self, text: &str) {
        // A demo whose words nobody reads goes on.
        let _gone = self.words.write_all(text.as_bytes()).and_then(|()| self.words.flush());
    }
}

fn heading(step: Step) -> String {
    format!("[{:>2}/{}] {}", step.number(), Step::ALL.len(), step.title())
}

fn bar(done: u64, total: u64) -> String {
    let full = done.saturating_mul(BAR_WIDTH).checked_div(total).unwrap_or(0).min(BAR_WIDTH);
    let part = |symbol: char, count: u64| (0..count).map(|_| symbol).collect::<String>();
    format!(
        "{}{} {} of {}",
        part('█', full),
        part('░', BAR_WIDTH.saturating_sub(full)),
        grouped(done),
        grouped(total)
    )
}

/// A number with commas between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let check = |number, expect| assert_eq!(grouped(number), expect);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        let check = |done, total, full| {
            let bar = bar(done, total);
            assert_eq!(bar.matches('█').count(), full, "{bar}");
            assert_eq!(bar.matches('░').count(), 30 - full, "{bar}");
        };
        check(0, 0, 0);
        check(0, 10, 0);
        check(5, 10, 15);
        check(10, 10, 30);
        check(11, 10, 30);
    }
}
