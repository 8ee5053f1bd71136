//! The `strait` binary: reads the command line, runs what it says, and turns the outcome into an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use strait_node::cli::{
    Cli, CliError, Command, Exit, run_backup, run_client_command, run_config_command,
    run_log_command, run_restore, run_seed,
};
use strait_node::{demo, devnet_command, run_node};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::from(Exit::Done.code()),
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit().code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), CliError> {
    let (data, words) = (&mut io::stdout(), &mut io::stderr());
    match &cli.command {
        Command::Config(command) => {
            run_config_command(&cli.globals, command, std::env::vars(), data, words)
        }
        Command::Backup(args) => run_backup(&cli.globals, args, data, words),
        Command::Restore(args) => run_restore(&cli.globals, args, data, words),
        Command::Log(command) => run_log_command(&cli.globals, command, data, words),
        Command::Seed(command) => run_seed(&cli.globals, command, data, words),
        Command::Client(command) => {
            runtime()?.block_on(run_client_command(&cli.globals, command, data, words))
        }
        Command::Node(args) => {
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|source| CliError::Start { source })?;
            let ended = runtime.block_on(run_node::run(cli.globals.config.as_deref(), args));
            // A recovery that was broken off may still read or wait for the chain; nothing needs to wait for it.
            runtime.shutdown_background();
            ended
        }
        Command::Devnet(args) => {
            Ok(runtime()?.block_on(devnet_command::run(&cli.globals, args, data, words))?)
        }
        Command::Demo(args) => {
            Ok(runtime()?.block_on(demo::run(&cli.globals, args, data, words))?)
        }
    }
}

/// What commands need that only wait.
fn runtime() -> Result<Runtime, CliError> {
    Builder::new_current_thread().enable_all().build().map_err(|source| CliError::Start { source })
}

/// Tells the whole chain of causes, and what to do.
fn report(error: &CliError) {
    let mut text = format!("strait: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    // Nobody can be told that stderr is gone.
    let _gone = writeln!(io::stderr(), "{text}");
}
