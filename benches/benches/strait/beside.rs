//! Every figure and its floor, taken in turns: the rows of the table in `README.md`.
//!
//! `--beside [WORDS]` takes only rows that contain one of the words; `--alone [WORDS]` leaves the floors out, for a
//! profiler. Computation is counted on the thread's own clock, the disk on the wall's.

use core::cell::RefCell;
use core::hint::black_box;
use core::time::Duration;

use strait_benches::{
    APPENDS, Appender, BATCHES, BareFile, BareSignatures, BareWasmtime, Clock, Duo, Effort, Figure,
    History, Meter, RoundTelemetry, SignedCommitments, Subject, Turns, proposal,
};
use strait_engine::NodeState;
use strait_wire::Message;

/// Prints the rows that the command line asks for.
#[expect(clippy::print_stdout, reason = "a table is what the caller asked for")]
pub(crate) fn print_table() {
    let table = Table::of_this_run();
    println!("| what | figure | floor | ratio |");
    println!("|---|---|---|---|");
    table.signatures();
    table.rounds();
    table.telemetry();
    table.derivation();
    table.contracts();
    table.codec();
    table.appends();
}

/// Whether floors are taken too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    Floor,
    Alone,
}

/// One way to read a history.
type Fold = fn(&History, NodeState) -> NodeState;

/// Which rows are taken, and how long each takes.
struct Table {
    effort: Effort,
    company: Company,
    words: Vec<String>,
}

impl Table {
    fn of_this_run() -> Self {
        let alone = std::env::args().any(|argument| argument == "--alone");
        let company = if alone { Company::Alone } else { Company::Floor };
        let words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
        Self { effort: Effort::of_this_run(), company, words }
    }

    /// Takes one row; `count` things are done in a run.
    #[expect(clippy::print_stdout, reason = "a row of the table")]
    fn row(
        &self,
        (clock, what): (Clock, &str),
        count: u64,
        mut subject: Subject<'_>,
        mut floor: Subject<'_>,
    ) {
        if !self.takes(what) {
            return;
        }
        let turns = match self.effort {
            Effort::Smoke => Turns { clock, budget: Duration::from_micros(1), slices: 1 },
            Effort::Measure => turns_of(clock),
        };
        if self.company == Company::Alone {
            floor = Subject::prepared(|_| Duration::from_millis(20));
        }
        let Figure { subject, floor, ratio } = turns.take(&mut subject, &mut floor);
        if self.effort == Effort::Smoke {
            println!("| {what} | runs | | |");
            return;
        }
        let count = u32::try_from(count).expect("a small count");
        let rate = f64::from(count) / subject.as_secs_f64();
        let rate = if count > 1 { format!(", {rate:.0}/s") } else { String::new() };
        println!("| {what} | {subject:.2?}{rate} | {floor:.2?} | {ratio:.2} |");
    }

    fn takes(&self, what: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| what.contains(word.as_str()))
    }

    fn signatures(&self) {
        let (ours, bare) = (SignedCommitments::default(), RefCell::new(BareSignatures::default()));
        let sign = Subject::new(|| {
            black_box(ours.sign());
        });
        let floor = Subject::new(|| bare.borrow_mut().sign());
        self.row((Clock::Cpu, "sign a commitment"), 1, sign, floor);
        let verify = Subject::new(|| ours.verify());
        let floor = Subject::new(|| bare.borrow().verify());
        self.row((Clock::Cpu, "verify a commitment"), 1, verify, floor);
    }

    fn rounds(&self) {
        for payments in BATCHES {
            let what = format!("round, {payments} payments");
            let (mut duo, _) = Duo::open();
            let mut bare = BareSignatures::default();
            let round = Subject::prepared(move |clock| {
                let requests = duo.requests(payments);
                let start = clock.now();
                drop(black_box(duo.round(requests)));
                clock.now().saturating_sub(start)
            });
            self.row((Clock::Cpu, &what), payments, round, Subject::new(move || bare.round()));
        }
    }

    /// Beside the round that it tells of: the ratio is its share.
    fn telemetry(&self) {
        let (mut duo, _) = Duo::open();
        let round = Subject::prepared(move |clock| {
            let requests = duo.requests(1);
            let start = clock.now();
            drop(black_box(duo.round(requests)));
            clock.now().saturating_sub(start)
        });
        let mut telemetry = RoundTelemetry::new(10);
        let told = Subject::new(move || telemetry.round());
        self.row((Clock::Cpu, "telemetry of a round, 1 payments"), 1, told, round);
    }

    /// Beside the goal: two microseconds for each event.
    fn derivation(&self) {
        for payments in [1, 100] {
            let rounds = self.effort.pick(4, 10_000 / payments);
            let events = 2 * rounds;
            let goal = Duration::from_micros(2 * events);
            let folds: [(&str, Fold); 2] =
                [("apply", History::apply), ("decode and apply", History::decode_and_apply)];
            let name =
                |side, fold| format!("{fold}, {side}, {events} events, rounds of {payments}");
            let names = ["payer", "payee"].map(|side| folds.map(|(fold, _)| name(side, fold)));
            if !names.as_flattened().iter().any(|name| self.takes(name)) {
                continue;
            }
            let histories = History::of_rounds(rounds, payments);
            for (history, names) in histories.iter().zip(&names) {
                for ((_, fold), what) in folds.into_iter().zip(names) {
                    let subject = Subject::prepared(|clock| {
                        let state = history.opened.clone();
                        let start = clock.now();
                        black_box(fold(history, state));
                        clock.now().saturating_sub(start)
                    });
                    self.row((Clock::Cpu, what), events, subject, Subject::prepared(|_| goal));
                }
            }
        }
    }

    fn contracts(&self) {
        let names = ["contract, warm apply", "contract, warm outcome", "contract, cold load"];
        if !names.iter().any(|name| self.takes(name)) {
            return;
        }
        let (meter, bare) = (Meter::default(), BareWasmtime::default());
        let floor = || Subject::new(|| bare.apply(meter.state()));
        self.row((Clock::Cpu, names[0]), 1, Subject::new(|| meter.apply()), floor());
        let outcome = Subject::new(|| meter.outcome());
        self.row((Clock::Cpu, names[1]), 1, outcome, floor());
        let cold = Subject::new(|| meter.cold());
        let floor = Subject::new(|| BareWasmtime::cold(meter.state()));
        self.row((Clock::Cpu, names[2]), 1, cold, floor);
    }

    fn codec(&self) {
        for payments in BATCHES {
            let message = proposal(payments);
            let frame = message.to_frame();
            let copy = || Subject::new(|| drop(black_box(black_box(&frame).clone())));
            let what = format!("encode a proposal of {payments} payments, {} bytes", frame.len());
            let encode = Subject::new(|| drop(black_box(black_box(&message).to_frame())));
            self.row((Clock::Cpu, &what), 1, encode, copy());
            let what = format!("decode a proposal of {payments} payments, {} bytes", frame.len());
            let decode = Subject::new(|| drop(black_box(Message::from_frame(black_box(&frame)))));
            self.row((Clock::Cpu, &what), 1, decode, copy());
        }
    }

    /// A `Proposed` and a `Revoked` of one payment in turns: the most records for a payment.
    fn appends(&self) {
        for count in APPENDS {
            let name = format!("append {count} records");
            if !self.takes(&name) {
                continue;
            }
            let [payer, _] = History::of_rounds(count.div_ceil(2), 1);
            let directory =
                tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("room on disk");
            let mut appender = Appender::new(directory.path(), &payer.records, count);
            let mut bare = BareFile::beside(&appender, directory.path());
            let what = format!("{name}, {} bytes", appender.payload_bytes());
            let append = Subject::new(|| appender.append());
            self.row((Clock::Wall, &what), count, append, Subject::new(|| bare.append()));
        }
    }
}

/// Computation in slices that a clock can tell apart; the disk run by run, so that both see the same moods of it.
fn turns_of(clock: Clock) -> Turns {
    let (budget, slices) = match clock {
        Clock::Cpu => (Duration::from_millis(900), 45),
        Clock::Wall => (Duration::from_millis(600), 1_500),
    };
    Turns { clock, budget, slices }
}
