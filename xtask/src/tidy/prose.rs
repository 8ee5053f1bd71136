//! Rules about Markdown: links between our own files lead somewhere, and the book's contents list every page.

use std::collections::BTreeSet;

use super::{Finding, Rule, TextFile};

/// The book's table of contents.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Checks one document; `files` is the whole tree, in which targets are looked up.
pub(super) fn check(file: &TextFile, files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (target, line) in links(&file.text) {
        if let Some(path) = resolve(&file.path, target)
            && !is_there(&path, files)
        {
            findings.push(Finding {
                path: file.path.clone(),
                line,
                rule: Rule::Link,
                message: format!("there is no {path}"),
            });
        } else if !has_heading(&file.path, target, files) {
            findings.push(Finding {
                path: file.path.clone(),
                line,
                rule: Rule::Link,
                message: format!("{target} names no heading"),
            });
        }
    }
    if file.path.starts_with("docs/") && file.path != SUMMARY && !is_in_summary(&file.path, files) {
        findings.push(Finding {
            path: file.path.clone(),
            line: 0,
            rule: Rule::Summary,
            message: format!("{SUMMARY} does not list this page"),
        });
    }
    findings
}

/// The targets of `[text](target)` outside code, with their lines.
fn links(text: &str) -> Vec<(&str, usize)> {
    let mut links = Vec::new();
    let mut is_code = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for prose in line.split('`').step_by(2) {
            let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| (target, number)));
        }
    }
    links
}

/// The path from the root that a link in `from` names; `None` if it leads out of the repository or within the page.
fn resolve(from: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn is_there(path: &str, files: &[TextFile]) -> bool {
    let directory = format!("{path}/");
    path.is_empty()
        || files.iter().any(|file| file.path == path || file.path.starts_with(&directory))
}

/// Whether the heading that a link names, if it names one, is in its page; pages that we do not read have all of them.
fn has_heading(from: &str, target: &str, files: &[TextFile]) -> bool {
    let Some((page, anchor)) = target.split_once('#') else { return true };
    let path = if page.is_empty() { Some(from.to_owned()) } else { resolve(from, target) };
    let page = path.and_then(|path| files.iter().find(|file| file.path == path));
    page.is_none_or(|page| !page.path.ends_with(".md") || headings(&page.text).contains(anchor))
}

/// The anchors that the book gives to headings: small letters, spaces as hyphens, nothing else but letters and digits.
pub(crate) fn headings(text: &str) -> BTreeSet<String> {
    let titles = text.lines().filter(|line| line.starts_with('#'));
    titles
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept =
                title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

fn is_in_summary(path: &str, files: &[TextFile]) -> bool {
    files
        .iter()
        .filter(|file| file.path == SUMMARY)
        .flat_map(|summary| links(&summary.text))
        .any(|(target, _)| resolve(SUMMARY, target).as_deref() == Some(path))
}
