//! `strait config check|dump`: needs no node.

use std::io::Write;

use super::output::{Form, Output};
use super::{CliError, ConfigCommand, Globals};
use crate::config;

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
    let loaded = config::load(globals.config.as_deref(), variables, &settings.to_settings())?;
    let mut output = Output { form: Form::Lines, data, words };
    for name in &loaded.ignored_variables {
        output.say(&format!("{name} names no setting and is ignored"));
    }
    match command {
        ConfigCommand::Check { .. } => {
            output.say("the configuration is right");
            Ok(())
        }
        ConfigCommand::Dump { .. } => output.put(&loaded.dump()),
    }
}
