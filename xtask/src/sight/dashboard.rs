//! The dashboard's panels: what they ask, and what an operator needs beside the line.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// A panel that shows something.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) expressions: Vec<String>,
    pub(super) links: Vec<String>,
    /// What an operator needs beside the line and does not find.
    lacking: Vec<&'static str>,
}

/// The parts of the file that we read.
#[derive(Deserialize)]
struct File {
    panels: Vec<Value>,
}

impl Panel {
    /// All panels of a dashboard; rows are none.
    ///
    /// # Errors
    /// If it is no dashboard.
    pub(super) fn all(json: &str) -> Result<Vec<Self>> {
        let file: File = serde_json::from_str(json).context("the dashboard is no dashboard")?;
        let panels = file.panels.iter().filter(|panel| text(panel, "/type") != "row");
        Ok(panels.map(Self::read).collect())
    }

    fn read(panel: &Value) -> Self {
        let list = |pointer: &str, key: &str| {
            let entries = panel.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
            entries.map(|entry| text(entry, key).to_owned()).collect()
        };
        let has = |pointer: &str| panel.pointer(pointer).is_some();
        let parts = [
            (!text(panel, "/description").is_empty(), "description"),
            (has("/fieldConfig/defaults/unit"), "unit"),
            (has("/fieldConfig/defaults/thresholds/steps/0"), "thresholds"),
            (has("/targets/0/expr"), "expression"),
        ];
        Self {
            title: text(panel, "/title").to_owned(),
            expressions: list("/targets", "/expr"),
            links: list("/links", "/url"),
            lacking: parts
                .into_iter()
                .filter(|(is_there, _)| !is_there)
                .map(|(_, what)| what)
                .collect(),
        }
    }

    /// What it lacks.
    pub(super) fn lacks(&self) -> Vec<String> {
        let lacking = self.lacking.iter();
        lacking.map(|what| format!("panel {:?}: it has no {what}", self.title)).collect()
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
