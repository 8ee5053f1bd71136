//! `/v1/settings`: what the node runs with, and changes while it runs.

use std::collections::BTreeSet;
use std::error::Error;

use strait_api::ApiError;
use strait_api_types::{
    ChangeSettingsRequest, ErrorCode, Setting, SettingChange, SettingList, SettingValue,
};
use toml::Value;

use crate::config::{Change, Effective, NewValue};
use crate::live::{ChangeError, ChangesBy, LiveSettings};

/// All settings.
pub(super) fn list(settings: &LiveSettings) -> SettingList {
    let all = settings.effective().into_iter();
    SettingList { settings: all.map(|setting| answer(settings, setting)).collect() }
}

/// Changes some, and answers with these.
pub(super) fn change(
    settings: &LiveSettings,
    request: ChangeSettingsRequest,
) -> Result<SettingList, ApiError> {
    let changes = request.0.into_iter().map(|(key, value)| Change { key, value: new(value) });
    let changes: Vec<Change> = changes.collect();
    let keys: BTreeSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    let effective = settings.change(&changes).map_err(|error| refused(&error))?;
    let changed = effective.into_iter().filter(|setting| keys.contains(setting.key));
    Ok(SettingList { settings: changed.map(|setting| answer(settings, setting)).collect() })
}

fn refused(error: &ChangeError) -> ApiError {
    match error {
        ChangeError::Config(problems) => ApiError::new(
            ErrorCode::InvalidField,
            problems.to_string().replace('\n', "; "),
            "docs/settings.md lists the keys with their bounds; nothing was changed",
        ),
        ChangeError::NotByRequest { .. } => ApiError::new(
            ErrorCode::InvalidField,
            error.to_string(),
            format!(
                "write it into the configuration file; on request change {}; nothing was changed",
                LiveSettings::asked_keys().join(", ")
            ),
        ),
        ChangeError::Apply { source, .. } => ApiError::new(
            ErrorCode::InvalidField,
            format!("{error}: {}", last_cause(source)),
            "nothing was changed",
        ),
    }
}

/// What lies at the bottom of an error.
fn last_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn answer(settings: &LiveSettings, setting: Effective) -> Setting {
    Setting {
        changes: match settings.changes_by(setting.key) {
            ChangesBy::Request => SettingChange::Request,
            ChangesBy::Hangup => SettingChange::Hangup,
            ChangesBy::Restart => SettingChange::Restart,
        },
        key: setting.key.to_owned(),
        value: setting.value.map(shown),
        source: setting.source.to_string(),
    }
}

fn shown(value: Value) -> SettingValue {
    match value {
        Value::Boolean(on) => SettingValue::Switch(on),
        // No setting is negative.
        Value::Integer(number) => SettingValue::Number(u64::try_from(number).unwrap_or_default()),
        Value::String(text) => SettingValue::Text(text),
        Value::Array(items) => SettingValue::List(items.into_iter().map(text).collect()),
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => SettingValue::Text(text(value)),
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => value.to_string(),
    }
}

fn new(value: SettingValue) -> NewValue {
    match value {
        SettingValue::Switch(on) => NewValue::Switch(on),
        // What is larger is out of every bound.
        SettingValue::Number(number) => NewValue::Number(i64::try_from(number).unwrap_or(i64::MAX)),
        SettingValue::Text(text) => NewValue::Text(text),
        SettingValue::List(texts) => NewValue::List(texts),
    }
}
