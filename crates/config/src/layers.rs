//! The layers, laid over one another: values by key, each with its source.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{ConfigError, Problem, Problems};
use crate::keys::{self, Section, Takes, find, variable};
use crate::nearest::nearest;
use crate::raw::RawConfig;

/// Variables that begin like settings and belong to the command line.
const COMMAND_LINE_VARIABLES: [&str; 3] = ["STRAIT_API", "STRAIT_TOKEN_FILE", "STRAIT_CONFIG"];

/// A setting from a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key: `channel.delay_blocks`.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// The flag as the operator typed it: `--set`.
    pub flag: &'static str,
}

/// What a running node is asked to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key: `log_level`.
    pub key: String,
    /// Its new value.
    pub value: NewValue,
}

/// A value as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue {
    /// Text, which is read as a flag's is: also numbers, switches, and lists separated by commas.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Switch(bool),
    /// Texts.
    List(Vec<String>),
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// A request to the running node; it is forgotten at the next start.
    Request,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "env {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Request => f.write_str("request"),
        }
    }
}

/// All layers so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// Values that were set, by key, the highest layer's only.
    values: BTreeMap<String, (Value, Source)>,
    /// What could not even be laid down.
    problems: Vec<Problem>,
}

impl Layers {
    /// Lays a file down.
    pub(crate) fn add_file(&mut self, path: PathBuf, text: &str) -> Result<(), ConfigError> {
        match text.parse::<Table>() {
            Ok(table) => {
                self.add_table("", table, &Source::File(path));
                Ok(())
            }
            Err(source) => Err(ConfigError::Parse { path, source: Box::new(source) }),
        }
    }

    /// Lays a table down; a table inside it is a section.
    fn add_table(&mut self, prefix: &str, table: Table, source: &Source) {
        for (name, value) in table {
            let path = format!("{prefix}{name}");
            match value {
                Value::Table(section) if prefix.is_empty() && is_section(&path) => {
                    self.add_table(&format!("{path}."), section, source);
                }
                Value::String(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::Array(_)
                | Value::Table(_) => self.add(&path, value, source.clone()),
            }
        }
    }

    /// Lays the environment down; gives back the variables that name no setting and resemble none.
    pub(crate) fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Vec<String> {
        let known: Vec<(String, &str)> =
            keys::all().map(|key| (variable(key.path), key.path)).collect();
        let ours = variables.into_iter().filter(|(name, _)| {
            name.starts_with("STRAIT_") && !COMMAND_LINE_VARIABLES.contains(&name.as_str())
        });
        let mut ignored = Vec::new();
        for (name, text) in ours {
            let source = Source::Variable(name.clone());
            if let Some((_, path)) = known.iter().find(|(variable, _)| *variable == name) {
                self.add_text(path, &text, source);
            } else if let Some(meant) = nearest(&name, known.iter().map(|(v, _)| v.as_str())) {
                let right = format!("there is no such variable; {meant} was meant");
                self.problems.push(Problem { key: name, value: Some(text), source, right });
            } else {
                // Orchestrators set variables after the names of services: STRAIT_PORT_9736_TCP.
                ignored.push(name);
            }
        }
        ignored.sort();
        ignored
    }

    /// Lays flags down.
    pub(crate) fn add_flags(&mut self, flags: &[Setting]) {
        for Setting { key, value, flag } in flags {
            self.add_text(key, value, Source::Flag(flag));
        }
    }

    /// Lays down what a running node was asked to change.
    pub(crate) fn add_requests(&mut self, changes: &[Change]) {
        for Change { key, value } in changes {
            match value {
                NewValue::Text(text) => self.add_text(key, text, Source::Request),
                NewValue::Number(number) => self.add(key, (*number).into(), Source::Request),
                NewValue::Switch(on) => self.add(key, (*on).into(), Source::Request),
                NewValue::List(texts) => self.add(key, texts.clone().into(), Source::Request),
            }
        }
    }

    /// Takes over what another set of layers says about some keys.
    pub(crate) fn take_over(&mut self, keys: &[&str], other: &Self) {
        for key in keys {
            match other.values.get(*key) {
                Some(value) => self.values.insert((*key).to_owned(), value.clone()),
                None => self.values.remove(*key),
            };
        }
    }

    /// Lays a value down that was written as text.
    fn add_text(&mut self, path: &str, text: &str, source: Source) {
        let value = match find(path).map(|key| key.takes) {
            Some(Takes::Number(_)) => text.parse().map(Value::Integer).ok(),
            Some(Takes::Switch) => text.parse().map(Value::Boolean).ok(),
            Some(Takes::List(_)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(Value::Array(items.map(Value::from).collect()))
            }
            Some(Takes::Text(_) | Takes::Path | Takes::SecretFile) | None => None,
        };
        self.add(path, value.unwrap_or_else(|| Value::from(text)), source);
    }

    /// Lays one value down if its key exists and takes its kind.
    fn add(&mut self, path: &str, value: Value, source: Source) {
        let right = match find(path) {
            Some(key) if is_taken(key.takes, &value) => {
                self.values.insert(path.to_owned(), (value, source));
                return;
            }
            Some(key) => wanted(key.takes).to_owned(),
            None => match nearest(path, keys::all().map(|key| key.path)) {
                Some(meant) => format!("there is no such key; {meant} was meant"),
                None if is_section(path) => format!("this is a section: write [{path}]"),
                None => "there is no such key; docs/settings.md lists them".to_owned(),
            },
        };
        let value = Some(value.to_string());
        self.problems.push(Problem { key: path.to_owned(), value, source, right });
    }

    /// The layers as one configuration, without what could not be laid down.
    pub(crate) fn to_raw(&self) -> RawConfig {
        let mut table = Table::new();
        for (path, (value, _)) in &self.values {
            match path.split_once('.') {
                None => {
                    table.insert(path.clone(), value.clone());
                }
                Some((section, name)) => {
                    let entry = table.entry(section).or_insert_with(|| Table::new().into());
                    if let Value::Table(section) = entry {
                        section.insert(name.to_owned(), value.clone());
                    }
                }
            }
        }
        RawConfig::deserialize(Value::Table(table))
            .expect("every key exists and every value has its key's kind: `add` takes no other")
    }

    /// Where a key's value came from.
    pub(crate) fn source(&self, key: &str) -> Source {
        self.values.get(key).map_or(Source::Default, |(_, source)| source.clone())
    }

    /// True if everything could be laid down.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// What could not be laid down and what was found later, each with its source, one for each key.
    pub(crate) fn all_problems(&self, found: Problems) -> Problems {
        let mut problems = self.problems.clone();
        for mut problem in found.0 {
            // A value of the wrong kind was not laid down: that it is missing now is no second problem.
            if !self.problems.iter().any(|earlier| earlier.key == problem.key) {
                problem.source = self.source(&problem.key);
                problems.push(problem);
            }
        }
        Problems(problems)
    }
}

fn is_section(name: &str) -> bool {
    !name.is_empty() && Section::all().iter().any(|section| section.name() == name)
}

/// Whether a value is of the kind that a key takes; its form and its bounds are looked at later.
fn is_taken(takes: Takes, value: &Value) -> bool {
    match takes {
        Takes::Text(_) | Takes::Path | Takes::SecretFile => value.is_str(),
        Takes::Number(_) => value.as_integer().is_some_and(|number| number >= 0),
        Takes::Switch => value.is_bool(),
        Takes::List(_) => {
            value.is_str() || value.as_array().is_some_and(|items| items.iter().all(Value::is_str))
        }
    }
}

const fn wanted(takes: Takes) -> &'static str {
    match takes {
        Takes::Text(_) | Takes::Path | Takes::SecretFile => "text is right",
        Takes::Number(_) => "a whole number is right, not negative",
        Takes::Switch => "true or false is right",
        Takes::List(_) => "text or a list of texts is right",
    }
}
