//! The parts of the style that a program can check for the price of reading the files once.
//!
//! The rules see text, not syntax trees: comments and strings are told from code by [`source`], which is enough for
//! what is asked here. What needs types or scopes is the business of clippy.
//! `xtask/tidy.toml` lists exceptions, each with a reason; an exception that excuses nothing is itself a finding.

mod prose;
mod rust;
mod shell;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

pub(crate) use self::prose::headings;
use crate::process::say;

/// Directories that hold nothing of ours.
const SKIPPED_DIRECTORIES: [&str; 3] = [".git", "target", "node_modules"];

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 means the file as a whole.
    line: usize,
    rule: Rule,
    message: String,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rule {
    /// Every source file opens with a module header.
    Header,
    /// Files stop at 600 lines, the tests at their foot not counted.
    FileLength,
    /// File names say what is inside.
    FileName,
    /// Every source file belongs to a crate.
    DeadFile,
    /// Getters are named for what they return.
    Getter,
    /// No glob is re-exported.
    Glob,
    /// No test is switched off.
    IgnoredTest,
    /// Work left to do has a class and a number.
    Marker,
    /// Errors carry facts, not text.
    StringError,
    /// Shell scripts stop at the first error.
    ShellOptions,
    /// Links between documents lead somewhere.
    Link,
    /// Every page of the book is in its table of contents.
    Summary,
    /// Every exception is needed.
    Exception,
}

/// `xtask/tidy.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// One file that may break one rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    path: String,
    rule: Rule,
    reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, message } = self;
        write!(f, "{path}:{line}: {message} ({rule:?})")
    }
}

/// Checks every file under `root`.
///
/// # Errors
/// If something was found (each finding has been printed) or a file could not be read.
pub(crate) fn check(root: &Path) -> Result<()> {
    let exceptions = fs::read_to_string(root.join("xtask/tidy.toml"))
        .context("could not read xtask/tidy.toml")?;
    let exceptions = toml::from_str(&exceptions).context("xtask/tidy.toml is malformed")?;
    let findings = except(find(&read_tree(root)?), &exceptions);
    for finding in &findings {
        say(&finding.to_string());
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} thing(s) to tidy", findings.len())
}

/// The shell scripts under `root`, for checks that need a shell.
///
/// # Errors
/// If a file could not be read.
pub(crate) fn shell_scripts(root: &Path) -> Result<Vec<TextFile>> {
    Ok(read_tree(root)?.into_iter().filter(shell::is_script).collect())
}

fn find(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.path.ends_with(".rs") {
            findings.extend(rust::check(file, files));
        } else if file.path.ends_with(".md") {
            findings.extend(prose::check(file, files));
        } else if shell::is_script(file) {
            findings.extend(shell::check(file));
        }
    }
    findings
}

/// Drops what is excused, and reports excuses that nobody needs or that give no reason.
fn except(findings: Vec<Finding>, exceptions: &Exceptions) -> Vec<Finding> {
    let mut unneeded = Vec::new();
    for Exception { path, rule, reason } in &exceptions.exception {
        let is_needed =
            findings.iter().any(|finding| finding.path == *path && finding.rule == *rule);
        if !is_needed || reason.trim().is_empty() {
            unneeded.push(Finding {
                path: "xtask/tidy.toml".into(),
                line: 0,
                rule: Rule::Exception,
                message: format!(
                    "the exception {rule:?} of {path} excuses nothing or gives no reason"
                ),
            });
        }
    }
    let is_excused = |finding: &Finding| {
        exceptions
            .exception
            .iter()
            .any(|exception| exception.path == finding.path && exception.rule == finding.rule)
    };
    findings.into_iter().filter(|finding| !is_excused(finding)).chain(unneeded).collect()
}

/// Reads every file under `root`, in the order of their paths.
fn read_tree(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("could not list {}", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("could not list {}", directory.display()))?;
            let kind = entry.file_type().context("could not tell a file from a directory")?;
            let name = entry.file_name();
            if kind.is_dir() {
                if !SKIPPED_DIRECTORIES.iter().any(|skipped| name == *skipped) {
                    pending.push(entry.path());
                }
            } else if kind.is_file() {
                files.push(read_text(root, &entry.path())?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// What is no text, a picture, is there to be linked to, and says nothing.
fn read_text(root: &Path, path: &Path) -> Result<TextFile> {
    let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let parts: Vec<_> = path
        .strip_prefix(root)
        .context("a file outside the tree")?
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    Ok(TextFile { path: parts.join("/"), text })
}
