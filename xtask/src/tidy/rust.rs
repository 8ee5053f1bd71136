//! Rules about Rust files.

use super::source::{self, Line};
use super::{Finding, Rule, TextFile};

/// The most lines a file may have, the tests at its foot not counted.
const FILE_LINES_MAX: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "types", "mod"];

/// Files that cargo finds by itself.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];

/// Directories inside a crate whose files cargo finds by itself.
const ROOT_DIRECTORIES: [&str; 5] = ["src/bin", "tests", "benches", "examples", "fuzz_targets"];

/// Checks one file; `files` is the whole tree, in which its parent module is looked up.
pub(super) fn check(file: &TextFile, files: &[TextFile]) -> Vec<Finding> {
    let lines = source::lines(&file.text);
    let mut findings = Vec::new();
    let mut report = |line, rule, message: String| {
        findings.push(Finding { path: file.path.clone(), line, rule, message });
    };

    if !file.text.trim_start().starts_with("//!") {
        report(1, Rule::Header, "a file opens with `//!`: what lives here and who calls it".into());
    }
    let counted = lines_without_tests(&lines);
    if counted > FILE_LINES_MAX && !is_test(&file.path) {
        report(0, Rule::FileLength, format!("{counted} lines, at most {FILE_LINES_MAX}"));
    }
    if let Some(name) = empty_name(&file.path) {
        report(0, Rule::FileName, format!("`{name}` does not say what is inside"));
    }
    if !is_reachable(&file.path, files) {
        report(0, Rule::DeadFile, "no module declares this file".into());
    }
    let mut before = "";
    for (line, number) in lines.iter().zip(1..) {
        for (rule, message) in check_line(line, before, &file.path) {
            report(number, rule, message.into());
        }
        if !line.code.trim().is_empty() {
            before = &line.code;
        }
    }
    findings
}

/// Checks one line; `before` is the last line of code above it.
fn check_line(line: &Line, before: &str, path: &str) -> Vec<(Rule, &'static str)> {
    let code = line.code.trim();
    let mut found = Vec::new();
    if code.contains("fn get_") {
        found.push((Rule::Getter, "name a getter for what it returns, without `get_`"));
    }
    if code.contains("#[ignore") {
        found.push((Rule::IgnoredTest, "a test runs, or asserts the wrong behaviour and says so"));
    }
    if path.ends_with("src/lib.rs") && code.starts_with("pub use") && code.ends_with("::*;") {
        found.push((Rule::Glob, "re-export by name, so that readers find the home"));
    }
    if before.trim_start().starts_with("#[error(") && is_string_variant(code) {
        found.push((Rule::StringError, "an error carries facts in named fields, not text"));
    }
    found.extend(marker(&line.comment).map(|message| (Rule::Marker, message)));
    found
}

/// What is wrong with a note about work left to do, if anything. Words in backticks are talked about, not used.
pub(super) fn marker(comment: &str) -> Option<&'static str> {
    let used: String = comment.split('`').step_by(2).collect();
    if used.contains("FIXME") {
        return Some("`FIXME` never merges: fix it, or file it and write `TODO-class(#number)`");
    }
    let mut after_each = used.split("TODO").skip(1);
    after_each
        .any(|after| !is_classed(after))
        .then_some("write `TODO-class(#number)`: what kind of work, and where it is tracked")
}

/// True of `-security(#12): …`.
fn is_classed(after: &str) -> bool {
    let Some((class, rest)) = after.strip_prefix('-').and_then(|rest| rest.split_once("(#")) else {
        return false;
    };
    let Some((number, _)) = rest.split_once(')') else {
        return false;
    };
    let is_word = !class.is_empty() && class.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_word && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// True of `Name(String),`.
fn is_string_variant(code: &str) -> bool {
    let Some((name, fields)) = code.split_once('(') else {
        return false;
    };
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && matches!(fields, "String)" | "String)," | "&'static str)" | "&'static str),")
}

fn lines_without_tests(lines: &[Line]) -> usize {
    lines
        .windows(2)
        .position(|pair| match pair {
            [attribute, module] => {
                attribute.code == "#[cfg(test)]"
                    && module.code.starts_with("mod ")
                    && module.code.ends_with('{')
            }
            _ => false,
        })
        .unwrap_or(lines.len())
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The part of the path inside its crate that says nothing, if there is one.
fn empty_name(path: &str) -> Option<&str> {
    let (_, inside) = path.split_once("/src/").or_else(|| path.split_once("/tests/"))?;
    inside
        .split('/')
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .find(|part| EMPTY_NAMES.contains(part))
}

/// True if cargo finds the file by itself or its parent module declares it.
fn is_reachable(path: &str, files: &[TextFile]) -> bool {
    let Some((directory, file)) = path.rsplit_once('/') else {
        return true;
    };
    if ROOTS.contains(&file) || ROOT_DIRECTORIES.iter().any(|root| directory.ends_with(root)) {
        return true;
    }
    let declaration = format!("mod {};", file.trim_end_matches(".rs"));
    let parents =
        [format!("{directory}.rs"), format!("{directory}/lib.rs"), format!("{directory}/main.rs")];
    files.iter().filter(|candidate| parents.contains(&candidate.path)).any(|parent| {
        source::lines(&parent.text).iter().any(|line| line.code.contains(&declaration))
    })
}
