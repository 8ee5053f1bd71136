//! How single values are checked: what is wrong is noted, and what stands in its place is never used.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use strait_primitives::{BlockDelta, Sats};

use super::Checker;
use crate::Source;
use crate::error::Problem;

impl Checker {
    pub(super) fn wrong(&mut self, key: &str, value: &str, right: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            value: Some(format!("{value:?}")),
            source: Source::Default,
            right: right.to_owned(),
        });
    }

    /// A value that nobody may leave out; an empty text stands for it after the problem is noted.
    pub(super) fn required(&mut self, key: &str, value: Option<String>, right: &str) -> String {
        value.unwrap_or_else(|| {
            let right = format!("this must be set: {right}");
            let (key, source) = (key.to_owned(), Source::Default);
            self.problems.push(Problem { key, value: None, source, right });
            String::new()
        })
    }

    pub(super) fn text(
        &mut self,
        key: &str,
        value: String,
        shape: fn(&str) -> Result<(), &'static str>,
    ) -> String {
        if let Err(right) = shape(&value)
            && !value.is_empty()
        {
            // A password in a URL must not reach the terminal or a log.
            let shown = if value.contains('@') { "(hidden)" } else { value.as_str() };
            self.wrong(key, shown, right);
        }
        value
    }

    pub(super) fn parsed<T: std::str::FromStr>(
        &mut self,
        key: &str,
        value: &str,
        right: &str,
    ) -> Option<T> {
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.wrong(key, value, right);
        }
        parsed
    }

    pub(super) fn path(&mut self, key: &str, value: String) -> PathBuf {
        let path = PathBuf::from(&value);
        if !path.is_absolute() && !value.is_empty() {
            self.wrong(
                key,
                &value,
                "an absolute path is right, so that it means the same everywhere",
            );
        }
        path
    }

    pub(super) fn path_or(
        &mut self,
        key: &str,
        value: Option<String>,
        default: PathBuf,
    ) -> PathBuf {
        match value {
            Some(value) => self.path(key, value),
            None => default,
        }
    }

    pub(super) fn number<T>(&mut self, key: &str, value: u64, bounds: RangeInclusive<u64>) -> T
    where
        T: TryFrom<u64> + Default,
    {
        let (least, most) = (*bounds.start(), *bounds.end());
        let fits = bounds.contains(&value).then(|| T::try_from(value).ok()).flatten();
        fits.unwrap_or_else(|| {
            self.problems.push(Problem {
                key: key.to_owned(),
                value: Some(value.to_string()),
                source: Source::Default,
                right: format!("from {least} to {most} is right"),
            });
            T::default()
        })
    }

    pub(super) fn millis(
        &mut self,
        key: &str,
        value: u64,
        bounds: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.number(key, value, bounds))
    }

    pub(super) fn blocks(
        &mut self,
        key: &str,
        value: u64,
        bounds: RangeInclusive<u64>,
    ) -> BlockDelta {
        BlockDelta::new(self.number(key, value, bounds))
    }

    pub(super) fn sats(&mut self, key: &str, value: u64, bounds: RangeInclusive<u64>) -> Sats {
        Sats::new(self.number(key, value, bounds)).unwrap_or(Sats::MAX)
    }
}
