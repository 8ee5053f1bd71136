//! A figure and its floor, taken in turns.
//!
//! Machines that others share change their pace from second to second, so two figures taken one after the other do not
//! compare. Here slices of both alternate: each pair sees the same mood, and the median over the pairs is what counts.

use core::time::Duration;

use crate::clock::Clock;

/// Something that is done again and again.
pub struct Subject<'a>(Box<dyn FnMut(u32, Clock) -> Duration + 'a>);

impl core::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Subject")
    }
}

impl<'a> Subject<'a> {
    /// A subject that needs no preparation: the clock is read around many runs.
    pub fn new(mut run: impl FnMut() + 'a) -> Self {
        Self(Box::new(move |runs, clock| {
            let start = clock.now();
            for _ in 0..runs {
                run();
            }
            clock.now().saturating_sub(start)
        }))
    }

    /// A subject that prepares itself and reads the clock around each run.
    pub fn prepared(mut run: impl FnMut(Clock) -> Duration + 'a) -> Self {
        Self(Box::new(move |runs, clock| (0..runs).map(|_| run(clock)).sum()))
    }

    fn run(&mut self, runs: u32, clock: Clock) -> Duration {
        (self.0)(runs, clock).max(Duration::from_nanos(1))
    }
}

/// Runs in one slice at most.
const RUNS_MAX: u32 = 1 << 20;

/// How both are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// What time means.
    pub clock: Clock,
    /// How long all slices of a subject take together.
    pub budget: Duration,
    /// How many slices.
    pub slices: u32,
}

/// What came out, per run of a subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The subject: the median over its slices.
    pub subject: Duration,
    /// The floor: the same.
    pub floor: Duration,
    /// The median over pairs of slices of subject ÷ floor.
    pub ratio: f64,
}

impl Turns {
    /// Takes a subject and its floor in turns.
    ///
    /// # Panics
    /// If there are no slices.
    pub fn take(&self, subject: &mut Subject<'_>, floor: &mut Subject<'_>) -> Figure {
        let runs = [self.runs_of(subject), self.runs_of(floor)];
        let [mut of_subject, mut of_floor, mut ratios] = [(); 3].map(|()| Vec::new());
        for _ in 0..self.slices {
            let a = self.slice(subject, runs[0]);
            let b = self.slice(floor, runs[1]);
            of_subject.push(a);
            of_floor.push(b);
            ratios.push(a / b);
        }
        let [subject, floor, ratio] = [of_subject, of_floor, ratios].map(median);
        let seconds = Duration::from_secs_f64;
        Figure { subject: seconds(subject), floor: seconds(floor), ratio }
    }

    /// Warms up, and finds how often a subject runs in a slice.
    fn runs_of(&self, subject: &mut Subject<'_>) -> u32 {
        let slice = (self.budget / self.slices).as_secs_f64();
        let mut runs = 1_u32;
        loop {
            let spent = subject.run(runs, self.clock).as_secs_f64();
            // A single slice is a smoke run.
            if spent >= slice || runs >= RUNS_MAX || self.slices == 1 {
                return runs;
            }
            runs = runs.saturating_mul(2);
        }
    }

    /// Seconds of one run, over a slice.
    fn slice(&self, subject: &mut Subject<'_>, runs: u32) -> f64 {
        subject.run(runs, self.clock).as_secs_f64() / f64::from(runs)
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    *all.get(all.len() / 2).expect("there is at least one slice")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_three_times_its_floor_has_the_ratio_three() {
        let turns = Turns { clock: Clock::Cpu, budget: Duration::from_micros(90), slices: 3 };
        let mut subject = Subject::prepared(|_| Duration::from_micros(6));
        let mut floor = Subject::prepared(|_| Duration::from_micros(2));
        let figure = turns.take(&mut subject, &mut floor);
        assert_eq!(figure.subject, Duration::from_micros(6));
        assert_eq!(figure.floor, Duration::from_micros(2));
        assert!((figure.ratio - 3.0).abs() < 1e-9, "{figure:?}");
    }
}
