//! `strait settings`: what the node runs with, and changes while it runs.

use std::collections::BTreeMap;

use strait_api_types::{ChangeSettingsRequest, SettingValue};
use strait_client::Client;

use super::output::Output;
use super::{CliError, SettingsCommand};

/// What a person sees of each setting.
const COLUMNS: [&str; 4] = ["key", "value", "changes", "source"];

pub(super) async fn run(
    client: &Client,
    command: Option<&SettingsCommand>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let list = match command {
        None | Some(SettingsCommand::List) => client.settings().await?,
        Some(SettingsCommand::Set { key, value }) => {
            // The node knows what the key takes; text stands for all of it.
            let value = SettingValue::Text(value.clone());
            let request = ChangeSettingsRequest(BTreeMap::from([(key.clone(), value)]));
            client.change_settings(&request).await?
        }
    };
    output.list(&list, "settings", &COLUMNS)
}
