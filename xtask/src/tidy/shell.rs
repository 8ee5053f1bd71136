//! Rules about shell scripts.

use super::{Finding, Rule, TextFile, rust};

/// What a script must say before anything else.
const OPTIONS: &str = "set -euo pipefail";

/// True of files that a shell runs: by suffix or by their first line.
pub(super) fn is_script(file: &TextFile) -> bool {
    let first = file.text.lines().next().unwrap_or_default();
    let interpreter = first.strip_prefix("#!").unwrap_or_default();
    file.path.ends_with(".sh") || interpreter.ends_with("sh")
}

/// Checks one script.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |line, rule, message: &str| {
        findings.push(Finding { path: file.path.clone(), line, rule, message: message.into() });
    };
    let first_command =
        file.text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    if first_command != Some(OPTIONS) {
        report(1, Rule::ShellOptions, "the first command is `set -euo pipefail`");
    }
    for (line, number) in file.text.lines().zip(1..) {
        let comment = line.split_once('#').map(|(_, comment)| comment).unwrap_or_default();
        if let Some(message) = rust::marker(comment) {
            report(number, Rule::Marker, message);
        }
    }
    findings
}
