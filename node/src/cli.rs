//! The command line: noun then verb, data on stdout, everything else on stderr.
//!
//! Client commands speak to a running node through `strait-client` and nothing else; `config` needs no node, and `backup` and `restore` only its folder; `node`,
//! `devnet` and `demo` are dispatched by the binary. Exit codes are in [`Exit`] and in `strait --help`.
//!
//! **Invariant:** no command that moves money is sent twice by itself, and its idempotency key is on stderr before it leaves.

mod args;
mod backup;
mod client;
mod config_command;
mod contract;
mod error;
mod examples;
mod lock;
mod money;
mod output;
mod pay;
mod place;
mod recover;
mod seed;
mod settings;
mod token;

pub use args::{
    BackupArgs, BackupCommand, ChannelCommand, Cli, ClientCommand, Command, ConfigCommand,
    ContractCommand, DemoArgs, DevnetArgs, EventsArgs, Globals, KeyArgs, LockCommand, LogCommand,
    MoneyArgs, NodeArgs, PayArgs, PeerCommand, RecoverCommand, RestoreArgs, SeedCommand,
    SettingArgs, SettingsCommand, StopArgs, TokenCommand, WalletCommand,
};
pub use backup::{run_backup, run_log_command, run_restore};
pub use client::run_client_command;
pub use config_command::run_config_command;
pub use error::{BackupError, CliError, Exit};
pub use seed::run_seed;

#[cfg(test)]
mod tests;
