//! What a setting is: its key, what it takes and what it means.
//!
//! The settings themselves stand in `raw`, each beside its field, its default and its meaning. Which values are refused, which
//! variables are known and what the book's page of settings says follow from there; nothing of it is written twice.

use toml::{Table, Value};

use crate::raw::RawConfig;

/// A section of the file: `[channel]`, or the top level.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// What its keys begin with: `channel.`, or nothing.
    pub(crate) prefix: &'static str,
    /// As [`Section::about`], as it stands in the code.
    pub(crate) doc: &'static str,
    /// Its settings.
    pub(crate) keys: &'static [Key],
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its full name: `channel.delay_blocks`.
    pub(crate) path: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// What holds while it has neither a value nor a default.
    pub(crate) unset: Unset,
    /// As [`Key::meaning`], as it stands in the code.
    pub(crate) doc: &'static str,
}

/// What a key takes. Texts say what is right, in words that end a sentence with "is right".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Text of this form.
    Text(&'static str),
    /// The absolute path of a file or folder.
    Path,
    /// The absolute path of a file that holds a secret.
    SecretFile,
    /// A whole number, not negative.
    Number(Number),
    /// `true` or `false`.
    Switch,
    /// Text, or a list of texts, of this form; separated by commas in a variable or flag.
    List(&'static str),
}

/// A number's unit and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// What is counted.
    pub(crate) unit: &'static str,
    /// The least it may be.
    pub(crate) least: u64,
    /// The most it may be.
    pub(crate) most: u64,
    /// The key that it must not be less than.
    pub(crate) not_below: Option<&'static str>,
    /// The key that it must not be more than.
    pub(crate) not_above: Option<&'static str>,
}

/// What holds while a setting has neither a value nor a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    /// What it sets is not there.
    Absent,
    /// The configuration is refused: no default would be safe.
    Refused,
    /// It is this name in `data_dir`.
    InDataDir(&'static str),
}

/// A number of this unit within these bounds.
pub(crate) const fn number(unit: &'static str, least: u64, most: u64) -> Takes {
    Takes::Number(Number { unit, least, most, not_below: None, not_above: None })
}

impl Takes {
    /// The same number, and not less than that of another key.
    pub(crate) const fn not_below(self, key: &'static str) -> Self {
        match self {
            Self::Number(number) => Self::Number(Number { not_below: Some(key), ..number }),
            Self::Text(_) | Self::Path | Self::SecretFile | Self::Switch | Self::List(_) => self,
        }
    }

    /// The same number, and not more than that of another key.
    pub(crate) const fn not_above(self, key: &'static str) -> Self {
        match self {
            Self::Number(number) => Self::Number(Number { not_above: Some(key), ..number }),
            Self::Text(_) | Self::Path | Self::SecretFile | Self::Switch | Self::List(_) => self,
        }
    }
}

impl Section {
    /// Every section, in the order of the documentation; the first is the top level.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        RawConfig::SECTIONS
    }

    /// Its name in the file, `channel`; nothing for the top level.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.prefix.trim_end_matches('.')
    }

    /// What its settings have in common, in Markdown.
    #[must_use]
    pub fn about(&self) -> String {
        flowing(self.doc)
    }

    /// Its settings.
    #[must_use]
    pub const fn keys(&self) -> &'static [Key] {
        self.keys
    }
}

impl Key {
    /// Its full name: `channel.delay_blocks`.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// What it means, and what a careless value costs, in Markdown.
    #[must_use]
    pub fn meaning(&self) -> String {
        flowing(self.doc)
    }

    /// What it takes, with unit and bounds, in Markdown.
    #[must_use]
    pub fn takes(&self) -> String {
        match self.takes {
            Takes::Text(form) => form.to_owned(),
            Takes::Path => "an absolute path".to_owned(),
            Takes::SecretFile => "the absolute path of a file that holds a secret".to_owned(),
            Takes::Switch => "`true` or `false`".to_owned(),
            Takes::List(form) => format!("a list: {form}"),
            Takes::Number(number) => {
                let end = |number: u64, key: Option<&str>| {
                    key.map_or_else(|| number.to_string(), |key| format!("`{key}`"))
                };
                let Number { unit, least, most, not_below, not_above } = number;
                format!("{unit}, {} to {}", end(least, not_below), end(most, not_above))
            }
        }
    }

    /// Whether it names a file that holds a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.takes == Takes::SecretFile
    }

    /// What holds when nobody sets it, in Markdown.
    #[must_use]
    pub fn default(&self) -> String {
        match (default_value(self.path), self.unset) {
            (Some(value), _) => format!("`{value}`"),
            (None, Unset::Absent) => "not set".to_owned(),
            (None, Unset::Refused) => "none, it must be set".to_owned(),
            (None, Unset::InDataDir(name)) => format!("`{name}` in `data_dir`"),
        }
    }

    /// The environment variable that sets it: `STRAIT_CHANNEL__DELAY_BLOCKS`.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(self.path)
    }

    /// The flag that sets it. Those of the top level have one of their own.
    #[must_use]
    pub fn flag(&self) -> String {
        if self.path.contains('.') {
            format!("--set {}=…", self.path)
        } else {
            format!("--{} …", self.path.replace('_', "-"))
        }
    }
}

/// Every key there is, in the order of the documentation.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    Section::all().iter().flat_map(|section| section.keys)
}

/// Finds a key by its full name.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

/// The variable that sets a key: `STRAIT_CHANNEL__DELAY_BLOCKS`.
pub(crate) fn variable(path: &str) -> String {
    format!("STRAIT_{}", path.replace('.', "__").to_ascii_uppercase())
}

/// The default of a key, if it has one.
fn default_value(path: &str) -> Option<Value> {
    value_at(&RawConfig::default().to_table(), path).cloned()
}

/// What a table has at a key's full name.
pub(crate) fn value_at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, name)) => table.get(section)?.get(name),
    }
}

/// Lines of a comment as one paragraph.
fn flowing(lines: &str) -> String {
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}
