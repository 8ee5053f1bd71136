//! Data on stdout, for people or for programs; words for people on stderr.

use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use super::CliError;

/// Where data goes, and in which form.
pub(super) struct Output<'a> {
    /// The form.
    pub(super) form: Form,
    /// Stdout, or a test's buffer.
    pub(super) data: &'a mut (dyn Write + Send),
    /// Stderr, or a test's buffer.
    pub(super) words: &'a mut (dyn Write + Send),
}

/// The form of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines for people.
    Lines,
    /// One JSON value for programs.
    Json,
}

impl Output<'_> {
    /// Writes one thing: its fields, one a line, or as JSON.
    pub(super) fn object<T: Serialize>(&mut self, object: &T) -> Result<(), CliError> {
        let text = match self.form {
            Form::Json => pretty(object),
            Form::Lines => {
                let mut fields = Vec::new();
                flatten("", &to_value(object), &mut fields);
                let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                fields.iter().fold(String::new(), |mut text, (name, value)| {
                    writeln!(text, "{name:width$}  {value}").expect("writing to a string");
                    text
                })
            }
        };
        self.put(&text)
    }

    /// Writes a list: the named columns, or everything as JSON.
    pub(super) fn list<T: Serialize>(
        &mut self,
        list: &T,
        rows: &str,
        columns: &[&str],
    ) -> Result<(), CliError> {
        let text = match self.form {
            Form::Json => pretty(list),
            Form::Lines => {
                let value = to_value(list);
                let rows = value.get(rows).and_then(Value::as_array).cloned().unwrap_or_default();
                table(&rows, columns)
            }
        };
        self.put(&text)
    }

    /// Writes one thing as one line, for streams.
    pub(super) fn line<T: Serialize>(&mut self, object: &T) -> Result<(), CliError> {
        let text = match self.form {
            Form::Json => {
                let json = serde_json::to_string(object).expect("events have only plain fields");
                format!("{json}\n")
            }
            Form::Lines => {
                let mut fields = Vec::new();
                flatten("", &to_value(object), &mut fields);
                // Place and type first; a stable sort leaves the rest in order.
                fields.sort_by_key(|(name, _)| !["seq", "type"].contains(&name.as_str()));
                let words: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{}\n", words.join(" "))
            }
        };
        self.put(&text)
    }

    /// Tells the person at the terminal something that is not data.
    pub(super) fn say(&mut self, words: &str) {
        // Nobody can be told that stderr is gone.
        let _gone = writeln!(self.words, "{words}");
    }

    /// Writes text as it is.
    pub(super) fn put(&mut self, text: &str) -> Result<(), CliError> {
        self.data
            .write_all(text.as_bytes())
            .and_then(|()| self.data.flush())
            .map_err(|source| CliError::Write { source })
    }
}

fn to_value<T: Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("answers have only strings, numbers and lists")
}

fn pretty<T: Serialize>(object: &T) -> String {
    let json = serde_json::to_string_pretty(object);
    format!("{}\n", json.expect("answers have only strings, numbers and lists"))
}

/// The fields of a thing by their full names; lists of simple things on one line.
fn flatten(prefix: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, fields);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            fields.push((prefix.to_owned(), cell(value)));
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn table(rows: &[Value], columns: &[&str]) -> String {
    let mut lines = vec![columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| {
        columns.iter().map(|name| cell(row.get(name).unwrap_or(&Value::Null))).collect()
    }));
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            lines.iter().filter_map(|line| line.get(index)).map(String::len).max().unwrap_or(0)
        })
        .collect();
    lines.iter().fold(String::new(), |mut text, line| {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        text
    })
}
