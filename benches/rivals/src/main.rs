//! What the policies of `crates/resilience` cost beside those of other crates: `cargo run --release` prints the table of
//! `benches/README.md`.
//!
//! Every subject is a service whose callee answers at once, so what is measured is the policy and nothing else. All are
//! taken in turns, many short slices each, because the machine is shared and its cores change speed by the second; a
//! figure is the median of a subject's slices, and the ratio is what to compare.

mod others;
mod ours;
mod subject;

use std::collections::BTreeMap;
use std::time::Duration;

use subject::{Crowd, Subject};

/// Slices of each subject, and how long each is.
const SLICES: usize = 25;
const SLICE: Duration = Duration::from_millis(2);

fn main() {
    let crowd = Crowd::new();
    let mut subjects = ours::subjects();
    // Some want a timer when they are made.
    subjects.extend(crowd.inside(others::subjects));
    let mut taken: Vec<(Vec<f64>, Vec<f64>)> =
        subjects.iter().map(|_| Default::default()).collect();
    for _ in 0..SLICES {
        for (subject, (alone, together)) in subjects.iter_mut().zip(&mut taken) {
            alone.push(subject.alone(&crowd, SLICE));
            together.extend(subject.together(&crowd, SLICE));
        }
    }
    print(&subjects, taken);
}

/// Prints one row for each subject, ours first in each group.
fn print(subjects: &[Subject], taken: Vec<(Vec<f64>, Vec<f64>)>) {
    println!("| policy | of | alone, ns | to ours | 8 tasks, ns | to ours |");
    println!("|---|---|---|---|---|---|");
    let mut ours: BTreeMap<&str, (f64, Option<f64>)> = BTreeMap::new();
    let mut rows: Vec<(&str, &str, f64, Option<f64>)> = Vec::new();
    for (subject, (alone, together)) in subjects.iter().zip(taken) {
        let alone = median(alone).expect("every subject runs alone");
        rows.push((subject.policy, subject.of, alone, median(together)));
    }
    for (policy, of, alone, together) in rows.iter().copied() {
        if of == "ours" {
            ours.insert(policy, (alone, together));
        }
    }
    rows.sort_by_key(|(policy, ..)| *policy);
    for (policy, of, alone, together) in rows {
        let (best, best_together) = ours.get(policy).copied().unwrap_or((alone, together));
        let ratio = alone / best;
        let (shown, ratio_together) = match (together, best_together) {
            (Some(ns), Some(best)) => (format!("{ns:.0}"), format!("{:.1}", ns / best)),
            (Some(ns), None) => (format!("{ns:.0}"), String::new()),
            (None, _) => ("–".into(), String::new()),
        };
        println!("| {policy} | {of} | {alone:.0} | {ratio:.1} | {shown} | {ratio_together} |");
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
