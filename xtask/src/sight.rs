//! `cargo xtask sight`: rules, dashboard and runbooks say the same, of metrics that exist.
//!
//! The cheap part runs in `cargo xtask audit`: every metric that a rule or a panel reads is explained in
//! `docs/metrics-reference.md`, every alert has cases of firing and of keeping quiet, and every link to a runbook leads to a
//! heading. `--live` asks the expressions of a running node, through a real Prometheus.
//!
//! Our YAML is written one way (`- alert: NAME`, one key a line), so lines are enough to read it.

mod dashboard;
mod live;
mod pages;
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use self::dashboard::Panel;
use self::pages::Pages;
use self::rules::{Rule, Rules};
use crate::process::{self, say};
use crate::workspace::Workspace;

/// The rules of Prometheus.
const RULES: &str = "deploy/prometheus/rules.yaml";
/// Their cases.
const CASES: &str = "deploy/prometheus/tests";
/// The dashboard.
const DASHBOARD: &str = "deploy/grafana/dashboards/strait.json";
/// What each metric means.
const METRICS: &str = "docs/metrics-reference.md";
/// The runbooks' table of alerts.
const RUNBOOKS: &str = "docs/runbooks/README.md";
/// Metrics of Prometheus itself.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Files, and what promtool says of them where it is installed.
    Files,
    /// All of that, and every expression against running nodes.
    Live,
}

/// Checks everything, with promtool where there is one.
///
/// # Errors
/// If something does not fit, or promtool is missing and `depth` asks for running nodes.
pub(crate) fn run(workspace: &Workspace, depth: Depth) -> Result<()> {
    // All is asked before anything ends it: one run tells everything.
    let of_files = check(workspace);
    let has_promtool = process::find_on_path("promtool").is_some();
    if has_promtool {
        let folder = workspace.root.join("deploy/prometheus");
        let promtool = |words: &[&str]| {
            process::run(Command::new("promtool").current_dir(&folder).args(words))
        };
        promtool(&["check", "config", "prometheus.yaml"])?;
        let cases = case_files(&workspace.root)?;
        let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
        promtool(&[&["test", "rules"], cases.as_slice()].concat())?;
    } else {
        say("promtool is not on PATH: the rules were read and not run");
    }
    match depth {
        Depth::Files => of_files,
        Depth::Live => of_files.and_then(|()| live::run(workspace)),
    }
}

/// Checks the files.
///
/// # Errors
/// If something does not fit; each finding has been printed.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let root = &workspace.root;
    let rules = Rules::parse(&read(root, RULES)?);
    let panels = Panel::all(&read(root, DASHBOARD)?)?;
    let explained = explained(&read(root, METRICS)?);
    let pages = Pages::read(&root.join("docs"))?;
    let mut cases = String::new();
    for file in case_files(root)? {
        cases.push_str(&read(&root.join("deploy/prometheus"), &file)?);
    }
    let listed = read(root, RUNBOOKS)?;
    let mut findings = Vec::new();
    for rule in &rules.all {
        findings.extend(unknown(&rule.expression, &explained, &rules, &rule.name));
        if let Rule { severity: Some(_), .. } = rule {
            findings.extend(judge_alert(rule, &cases, &listed, &pages));
        }
    }
    for panel in &panels {
        for expression in &panel.expressions {
            findings.extend(unknown(expression, &explained, &rules, &panel.title));
        }
        findings.extend(panel.lacks());
        findings.extend(panel.links.iter().filter_map(|link| {
            pages.follow(link).err().map(|why| format!("{}: {link} {why}", panel.title))
        }));
    }
    for finding in &findings {
        say(finding);
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} finding(s) in rules, dashboard and runbooks", findings.len())
}

/// What an alert lacks.
fn judge_alert(rule: &Rule, cases: &str, listed: &str, pages: &Pages) -> Vec<String> {
    let mut lacks = Vec::new();
    let name = &rule.name;
    if !matches!(rule.severity.as_deref(), Some("page" | "ticket")) {
        lacks.push(format!("{name}: its severity is neither page nor ticket"));
    }
    for (key, value) in [("summary", &rule.summary), ("description", &rule.description)] {
        if value.is_empty() {
            lacks.push(format!("{name}: it has no {key}"));
        }
    }
    if let Err(why) = pages.follow(&rule.runbook) {
        lacks.push(format!("{name}: {} {why}", rule.runbook));
    }
    if !cases.contains(&format!("alertname: {name}, exp_alerts: []")) {
        lacks.push(format!("{name}: no case in {CASES} in which it keeps quiet"));
    }
    if !cases.contains(&format!("alertname: {name}\n        exp_alerts:\n          - ")) {
        lacks.push(format!("{name}: no case in {CASES} in which it fires"));
    }
    if !listed.contains(&format!("`{name}`")) {
        lacks.push(format!("{name}: {RUNBOOKS} does not list it"));
    }
    lacks
}

/// The metrics of an expression that nobody explains.
fn unknown(
    expression: &str,
    explained: &BTreeSet<String>,
    rules: &Rules,
    whose: &str,
) -> Vec<String> {
    let names = rules::metrics_in(expression).into_iter();
    let unknown = names.filter(|name| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let is_explained =
            explained.contains(*name) || base.is_some_and(|base| explained.contains(base));
        !is_explained && !rules.records(name) && !OF_PROMETHEUS.contains(name)
    });
    unknown.map(|name| format!("{whose}: {METRICS} does not explain {name}")).collect()
}

/// The names in the tables of the page.
fn explained(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// The files with cases, as seen from the folder of the rules.
fn case_files(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(root.join(CASES)).with_context(|| format!("could not list {CASES}"))?
    {
        files.push(format!("tests/{}", entry?.file_name().to_string_lossy()));
    }
    files.sort();
    Ok(files)
}

fn read(root: &Path, path: &str) -> Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| format!("could not read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_nobody_explains_is_told() {
        let explained = explained("| `known` | gauge |\n| `slow_seconds` | histogram |\n");
        let rules = Rules::parse("      - record: a:b\n        expr: known\n");
        let expression = "rate(slow_seconds_bucket[5m]) + known + a:b + strait_lost{label=\"x\"}";
        let told = unknown(expression, &explained, &rules, "it");
        assert_eq!(told, ["it: docs/metrics-reference.md does not explain strait_lost"]);
    }
}
