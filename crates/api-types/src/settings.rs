//! `/v1/settings`: what the node runs with, and what of it changes while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SettingValue {
    /// True or false.
    Switch(bool),
    /// A whole number, with the unit in the key's name.
    Number(u64),
    /// Text. In a request it may also stand for a number, a switch, or a list separated by commas.
    Text(String),
    /// Texts.
    List(Vec<String>),
}

/// A setting of the running node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Setting {
    /// Its key: `channel.delay_blocks`.
    pub key: String,
    /// What the node runs with; left out if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SettingValue>,
    /// Where that came from: `default`, `file PATH`, `env NAME`, `flag NAME`, or `request`.
    pub source: String,
    /// What it takes to change it.
    pub changes: SettingChange,
}

/// What it takes to change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum SettingChange {
    /// A request, or the configuration file and `SIGHUP`.
    Request,
    /// The configuration file and `SIGHUP`; no request, because the setting names files.
    Hangup,
    /// The configuration file and a restart.
    Restart,
    /// What this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// Settings of the running node, in the order of the documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingList {
    /// The settings. Secrets are none: they lie in files, of which the paths are shown.
    pub settings: Vec<Setting>,
}

/// New values by key. All are taken, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeSettingsRequest(pub BTreeMap<String, SettingValue>);
