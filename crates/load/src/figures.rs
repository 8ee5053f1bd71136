//! The figures of a run over time: a table that a spreadsheet reads, and what can be said of a column.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Columns of numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    columns: Vec<String>,
    rows: Vec<Row>,
}

/// All columns at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    minute: f64,
    values: Vec<f64>,
}

impl Figures {
    /// A table with these columns.
    pub(crate) fn new(columns: impl IntoIterator<Item = String>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not as many values as there are columns.
    pub(crate) fn add(&mut self, minute: f64, values: Vec<f64>) {
        assert_eq!(values.len(), self.columns.len(), "one value for each column");
        self.rows.push(Row { minute, values });
    }

    /// A column over time.
    pub(crate) fn column(&self, name: &str) -> Vec<(f64, f64)> {
        let Some(at) = self.columns.iter().position(|column| column == name) else {
            return Vec::new();
        };
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((row.minute, *row.values.get(at)?))).collect()
    }

    /// The median of a column between two shares of the run, in per cent.
    pub(crate) fn median(&self, name: &str, from: usize, to: usize) -> f64 {
        let values = self.sorted(name, from, to);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    /// The largest value of a column between two shares of the run, in per cent.
    pub(crate) fn most(&self, name: &str, from: usize, to: usize) -> f64 {
        self.sorted(name, from, to).last().copied().unwrap_or(0.0)
    }

    /// The values of a column between two shares of the run, in per cent.
    fn sorted(&self, name: &str, from: usize, to: usize) -> Vec<f64> {
        let column = self.column(name);
        let (first, last) = (column.len() * from / 100, column.len() * to / 100);
        let mut values: Vec<f64> =
            column.get(first..last).unwrap_or_default().iter().map(|(_, value)| *value).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// Writes the table as comma-separated values.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let mut text = format!("minute,{}\n", self.columns.join(","));
        for Row { minute, values } in &self.rows {
            let values: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
            writeln!(text, "{minute:.3},{}", values.join(",")).context("text grows")?;
        }
        std::fs::write(file, text).with_context(|| format!("{} is not written", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_taken_over_its_share_of_the_run() {
        let mut figures = Figures::new(["a".to_owned(), "b".to_owned()]);
        for minute in 0..10_u32 {
            figures.add(minute.into(), vec![f64::from(minute) * 10.0, 1.0]);
        }
        assert!((figures.median("a", 0, 50) - 20.0).abs() < f64::EPSILON);
        assert!((figures.median("a", 90, 100) - 90.0).abs() < f64::EPSILON);
        assert!((figures.most("a", 0, 100) - 90.0).abs() < f64::EPSILON);
        assert!((figures.most("a", 0, 50) - 40.0).abs() < f64::EPSILON);
        assert!(figures.column("c").is_empty());
    }
}
