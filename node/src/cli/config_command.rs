//! `strait config check|dump`: needs no node.

use std::io::Write;

use serde_json::{Value, json};

use super::output::{Form, Output};
use super::{CliError, ConfigCommand, Globals};
use crate::config::{self, ConfigError, Loaded};

/// Checks or prints the configuration that the file, the environment and the flags make.
///
/// # Errors
/// [`CliError`] with everything that is wrong.
pub fn run_config_command(
    globals: &Globals,
    command: &ConfigCommand,
    variables: impl IntoIterator<Item = (String, String)>,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let (ConfigCommand::Check { settings } | ConfigCommand::Dump { settings }) = command;
    let form = if globals.json { Form::Json } else { Form::Lines };
    let mut output = Output { form, data, words };
    let loaded = config::load(globals.config.as_deref(), variables, &settings.to_settings());
    if let Ok(loaded) = &loaded {
        for name in &loaded.ignored_variables {
            output.say(&format!("{name} names no setting and is ignored"));
        }
    }
    match (command, form) {
        (ConfigCommand::Check { .. }, Form::Json) => {
            output.object(&verdict(loaded.as_ref()))?;
            loaded?;
        }
        (ConfigCommand::Check { .. }, Form::Lines) => {
            loaded?;
            output.say("the configuration is right");
        }
        (ConfigCommand::Dump { .. }, Form::Json) => output.object(&loaded?.to_json())?,
        (ConfigCommand::Dump { .. }, Form::Lines) => output.put(&loaded?.dump())?,
    }
    Ok(())
}

/// What `config check --json` prints: whether all is right, and what is not.
fn verdict(loaded: Result<&Loaded, &ConfigError>) -> Value {
    let problems = match loaded {
        Ok(_) => Vec::new(),
        Err(ConfigError::Problems(problems)) => problems
            .0
            .iter()
            .map(|problem| {
                json!({
                    "key": problem.key,
                    "value": problem.value,
                    "source": problem.source.to_string(),
                    "right": problem.right,
                })
            })
            .collect(),
        // The file as a whole: the words, with their cause, go to stderr as ever.
        Err(error @ (ConfigError::Read { .. } | ConfigError::Parse { .. })) => {
            vec![json!({ "key": null, "value": null, "source": null, "right": error.to_string() })]
        }
    };
    json!({ "right": loaded.is_ok(), "problems": problems })
}
