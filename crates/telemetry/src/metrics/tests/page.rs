//! The book's page of metrics, made from what is said where each is registered.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::metrics;
use crate::{LabelFacts, LabelValues, MetricFacts, Presence};

fn page() -> String {
    let metrics = metrics();
    let facts = metrics.facts();
    let mut page = String::from(
        "# Every metric\n\nMade from the code (`crates/telemetry/src/metrics`). How to read them, and which to watch, is in [metrics and health](metrics.md). \
         A metric is there from the start with every value of its labels, unless its row says otherwise.\n",
    );
    let mut subjects: Vec<&str> = Vec::new();
    for metric in facts {
        if !subjects.contains(&metric.subject) {
            subjects.push(metric.subject);
        }
    }
    for subject in subjects {
        let of_subject: Vec<&MetricFacts> =
            facts.iter().filter(|metric| metric.subject == subject).collect();
        write!(
            page,
            "\n## {subject}\n\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        of_subject.iter().for_each(|metric| describe(&mut page, metric));
        describe_labels(&mut page, &of_subject);
    }
    page
}

fn describe(page: &mut String, metric: &MetricFacts) {
    let MetricFacts { name, meaning, labels, presence, .. } = metric;
    let names: Vec<String> = labels.iter().map(|label| format!("`{}`", label.name)).collect();
    let presence = match presence {
        Presence::Always => String::new(),
        Presence::Only(when) => format!(" *Appears {when}.*"),
    };
    let (kind, unit) = (metric.kind.name(), metric.unit());
    writeln!(page, "| `{name}` | {kind} | {unit} | {} | {meaning}{presence} |", names.join(", "))
        .unwrap();
}

/// What the labels of a subject may say; those that say the same stand together.
fn describe_labels(page: &mut String, metrics: &[&MetricFacts]) {
    let mut all: Vec<(&LabelFacts, Vec<String>)> = Vec::new();
    for metric in metrics {
        for label in &metric.labels {
            let name = format!("`{}`", metric.name);
            match all.iter_mut().find(|(other, _)| *other == label) {
                Some((_, names)) => names.push(name),
                None => all.push((label, vec![name])),
            }
        }
    }
    for (label, names) in all {
        write!(page, "\n`{}` of {}", label.name, names.join(", ")).unwrap();
        match &label.values {
            LabelValues::Described(words) => writeln!(page, ": {words}.").unwrap(),
            LabelValues::Listed(values) => {
                page.push_str(":\n\n");
                for (value, meaning) in values {
                    writeln!(page, "- `{value}`: {meaning}").unwrap();
                }
            }
        }
    }
}

/// `STRAIT_GOLDEN=write cargo test -p strait-telemetry` rewrites it.
#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics-reference.md");
    let made = page();
    if std::env::var("STRAIT_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == made,
        "docs/metrics-reference.md is not what the code makes: STRAIT_GOLDEN=write cargo test -p strait-telemetry rewrites it"
    );
}

#[test]
fn what_is_said_of_metrics_is_whole_sentences() {
    let metrics = metrics();
    for MetricFacts { name, meaning, labels, .. } in metrics.facts() {
        assert!(meaning.ends_with('.') && !meaning.contains('|'), "{name}: {meaning}");
        for label in labels {
            if let LabelValues::Listed(values) = &label.values {
                assert!(values.iter().all(|(_, meaning)| meaning.ends_with('.')), "{name}");
            }
        }
    }
}
