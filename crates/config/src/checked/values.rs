//! How single values are checked: what is wrong is noted, and what stands in its place is never used.
//!
//! What would be right is asked of the key itself, by its full name, so that bounds and forms stand in `raw` alone.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use strait_primitives::{BlockDelta, Sats};

use super::Checker;
use crate::Source;
use crate::error::Problem;
use crate::keys::{Key, Number, Takes, Unset, find, value_at};

/// The key of a field of ours.
fn key_of(path: &str) -> &'static Key {
    find(path).expect("checks name keys of `raw`, and every load asks for all of them")
}

/// What would be right, in words.
fn right(path: &str) -> String {
    match key_of(path).takes {
        Takes::Text(form) | Takes::List(form) => format!("{form} is right"),
        Takes::Path | Takes::SecretFile => {
            "an absolute path is right, so that it means the same everywhere".to_owned()
        }
        Takes::Number(Number { least, most, .. }) => format!("from {least} to {most} is right"),
        Takes::Switch => "true or false is right".to_owned(),
    }
}

impl Checker {
    /// Notes a value that has not the form of its key.
    pub(super) fn wrong(&mut self, key: &str, value: &str) {
        self.wrong_because(key, value, &right(key));
    }

    /// Notes a value that is wrong for a reason that its key alone does not tell.
    pub(super) fn wrong_because(&mut self, key: &str, value: &str, right: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            value: Some(format!("{value:?}")),
            source: Source::Default,
            right: right.to_owned(),
        });
    }

    /// A value that nobody may leave out; an empty text stands for it after the problem is noted.
    pub(super) fn required(&mut self, key: &str, value: Option<String>) -> String {
        assert!(key_of(key).unset == Unset::Refused, "{key} may be left out");
        value.unwrap_or_else(|| {
            let right = format!("this must be set: {}", right(key));
            let (key, source) = (key.to_owned(), Source::Default);
            self.problems.push(Problem { key, value: None, source, right });
            String::new()
        })
    }

    pub(super) fn text(&mut self, key: &str, value: String, fits: fn(&str) -> bool) -> String {
        if !fits(&value) && !value.is_empty() {
            // A password in a URL must not reach the terminal or a log.
            let shown = if value.contains('@') { "(hidden)" } else { value.as_str() };
            self.wrong(key, shown);
        }
        value
    }

    pub(super) fn parsed<T: std::str::FromStr>(&mut self, key: &str, value: &str) -> Option<T> {
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.wrong(key, value);
        }
        parsed
    }

    pub(super) fn path(&mut self, key: &str, value: String) -> PathBuf {
        let path = PathBuf::from(&value);
        if !path.is_absolute() && !value.is_empty() {
            self.wrong(key, &value);
        }
        path
    }

    /// A path that has its place in `data_dir` unless it is set.
    pub(super) fn path_within(
        &mut self,
        data_dir: &Path,
        key: &str,
        value: Option<String>,
    ) -> PathBuf {
        match (value, key_of(key).unset) {
            (Some(value), _) => self.path(key, value),
            (None, Unset::InDataDir(name)) => data_dir.join(name),
            (None, Unset::Absent | Unset::Refused) => panic!("{key} has no place in data_dir"),
        }
    }

    pub(super) fn number<T>(&mut self, key: &str, value: u64) -> T
    where
        T: TryFrom<u64> + Default,
    {
        let bounds = self.bounds(key);
        let fits = bounds.contains(&value).then(|| T::try_from(value).ok()).flatten();
        fits.unwrap_or_else(|| {
            self.problems.push(Problem {
                key: key.to_owned(),
                value: Some(value.to_string()),
                source: Source::Default,
                right: format!("from {} to {} is right", bounds.start(), bounds.end()),
            });
            T::default()
        })
    }

    /// The bounds of a number, as narrow as the other numbers beside it make them.
    fn bounds(&self, key: &str) -> RangeInclusive<u64> {
        let Takes::Number(Number { least, most, not_below, not_above, .. }) = key_of(key).takes
        else {
            panic!("{key} takes no number");
        };
        let other = |key: &str| {
            let number = value_at(&self.raw, key).and_then(toml::Value::as_integer);
            number.and_then(|number| u64::try_from(number).ok())
        };
        let least = not_below.and_then(other).map_or(least, |other| other.max(least));
        let most = not_above.and_then(other).map_or(most, |other| other.min(most));
        least..=most
    }

    pub(super) fn millis(&mut self, key: &str, value: u64) -> Duration {
        Duration::from_millis(self.number(key, value))
    }

    pub(super) fn blocks(&mut self, key: &str, value: u64) -> BlockDelta {
        BlockDelta::new(self.number(key, value))
    }

    pub(super) fn sats(&mut self, key: &str, value: u64) -> Sats {
        Sats::new(self.number(key, value)).unwrap_or(Sats::MAX)
    }
}
