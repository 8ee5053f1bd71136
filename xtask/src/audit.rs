//! `cargo xtask audit`: what `audit/` points at exists, and no dependency lacks its paragraph.
//!
//! A claim in those pages is worth what it points at. Every code span that begins with a folder of the repository must name a
//! file or folder; behind `#` stands a text that must occur in it: the name of a test, a function, a mutation. And every
//! mutation stands in the register of invariants: one that proves nothing is not worth its time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::process::say;
use crate::workspace::Workspace;

/// The page with a paragraph for each dependency.
const DEPENDENCIES: &str = "dependencies.md";
/// The register of invariants.
const INVARIANTS: &str = "invariants.md";
/// Behind this heading stand dependencies of the other workspaces, which are not checked.
const ELSEWHERE: &str = "## Other workspaces";
/// What a path may begin with.
const ROOTS: [&str; 12] = [
    "audit/",
    "benches/",
    "contracts/",
    "crates/",
    "deploy/",
    "docs/",
    "fuzz/",
    "node/",
    "xtask/",
    ".ci/",
    "deny.toml",
    "Cargo.toml",
];

/// Checks all pages of `audit/`.
///
/// # Errors
/// If a pointer leads nowhere or a dependency lacks its paragraph; each finding has been printed.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("audit");
    let mut findings = Vec::new();
    for entry in fs::read_dir(&folder).context("could not list audit/")? {
        let path = entry.context("could not list audit/")?.path();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for span in code_spans(&text) {
            if let Err(what) = resolve(&workspace.root, span) {
                findings.push(format!("audit/{name}: `{span}` {what}"));
            }
        }
        if name == DEPENDENCIES {
            findings.extend(missing(&direct(workspace), &paragraphs(&text)));
        }
        if name == INVARIANTS {
            let mutations = fs::read_to_string(workspace.root.join("xtask/mutations.toml"))
                .context("could not read xtask/mutations.toml")?;
            findings.extend(unnamed(&mutations, &text));
        }
    }
    for finding in &findings {
        say(finding);
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} finding(s) in audit/", findings.len())
}

/// The texts between backticks, line by line.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Follows a pointer; other spans are nobody's business.
fn resolve(root: &Path, span: &str) -> Result<(), &'static str> {
    if !ROOTS.iter().any(|known| span.starts_with(known)) {
        return Ok(());
    }
    let (path, part) = span.split_once('#').map_or((span, None), |(path, part)| (path, Some(part)));
    let path = root.join(path);
    let Some(part) = part else {
        return if path.exists() { Ok(()) } else { Err("is not there") };
    };
    match fs::read_to_string(path) {
        Ok(text) if text.contains(part) => Ok(()),
        Ok(_) => Err("is a file without that text"),
        Err(_) => Err("is no file"),
    }
}

/// The names of everything from outside that a member asks for.
fn direct(workspace: &Workspace) -> BTreeSet<String> {
    let all = workspace.packages.iter().flat_map(|package| &package.dependencies);
    all.filter(|dependency| dependency.path.is_none()).map(|one| one.name.clone()).collect()
}

/// The names that have a heading of the third level.
fn paragraphs(text: &str) -> BTreeSet<String> {
    let ours = text.split(ELSEWHERE).next().unwrap_or_default();
    ours.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

fn missing(used: &BTreeSet<String>, described: &BTreeSet<String>) -> Vec<String> {
    let lacks = used.difference(described).map(|name| {
        format!(
            "audit/{DEPENDENCIES}: {name} is used and has no paragraph (a heading `### {name}`)"
        )
    });
    let stale = described.difference(used);
    let stale = stale.map(|name| format!("audit/{DEPENDENCIES}: nobody uses {name} any more"));
    lacks.chain(stale).collect()
}

/// The mutations that the register does not name.
fn unnamed(mutations: &str, register: &str) -> Vec<String> {
    let names = mutations.lines().filter_map(|line| line.strip_prefix("name = \""));
    let names = names.map(|name| name.trim_end_matches('"'));
    let unnamed = names.filter(|name| !register.contains(name));
    unnamed
        .map(|name| format!("audit/{INVARIANTS}: no invariant names the mutation {name:?}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_file_or_to_a_text_in_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("crates")).unwrap();
        fs::write(root.path().join("crates/a.rs"), "fn kept() {}").unwrap();
        for (span, is_found) in [
            ("crates/a.rs", true),
            ("crates/a.rs#fn kept", true),
            ("crates/a.rs#fn lost", false),
            ("crates/b.rs", false),
            ("crates/b.rs#fn kept", false),
            ("cargo xtask audit", true),
        ] {
            assert_eq!(resolve(root.path(), span).is_ok(), is_found, "{span}");
        }
    }

    #[test]
    fn a_mutation_that_no_invariant_names_is_told() {
        let mutations = "[[mutation]]\nname = \"a guard is gone\"\nname = \"another\"\n";
        let told = unnamed(mutations, "`xtask/mutations.toml#a guard is gone`");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told.iter().all(|line| line.contains("another")), "{told:?}");
    }

    #[test]
    fn code_spans_stand_between_backticks() {
        let found: Vec<&str> = code_spans("a `b` c `d e`\n`f` g").collect();
        assert_eq!(found, ["b", "d e", "f"]);
    }

    #[test]
    fn a_dependency_without_a_paragraph_and_one_that_is_gone_are_told() {
        let used = BTreeSet::from(["kept".to_owned(), "new".to_owned()]);
        let text = "### kept\n### gone\n## Other workspaces\n### elsewhere\n";
        let told = missing(&used, &paragraphs(text));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|line| line.contains("new is used")), "{told:?}");
        assert!(told.iter().any(|line| line.contains("nobody uses gone")), "{told:?}");
    }
}
