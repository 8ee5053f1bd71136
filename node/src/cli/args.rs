//! What the command line looks like. Nothing here does anything.

mod backup;
mod lock;
mod seed;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::backup::{BackupArgs, BackupCommand, KeyArgs, LogCommand, RestoreArgs};
pub use self::lock::LockCommand;
pub use self::seed::SeedCommand;
pub use self::token::TokenCommand;
use super::examples;
use crate::config::Setting;

/// What stands under every help.
const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed on this side
  2  wrong usage or configuration
  3  refused: by the node, or because a backup and a log do not belong together; it says why
  4  the node cannot be reached: it was not asked
  5  the outcome is unknown, or the node busy or stopping: ask again with the same --idempotency-key";

/// A Bitcoin payment-channel node for services.
#[derive(Debug, Parser)]
#[command(name = "strait", version, after_help = AFTER_HELP, term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Configuration file of the node; client commands find address and token in it
    #[arg(long, global = true, value_name = "FILE", env = "STRAIT_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Base URL of the node's REST interface [default: from --config, or http://127.0.0.1:9737]
    #[arg(long, global = true, value_name = "URL", env = "STRAIT_API", hide_env_values = true)]
    pub api: Option<String>,
    /// File with the node's token [default: from --config]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "STRAIT_TOKEN_FILE",
        hide_env_values = true
    )]
    pub token_file: Option<PathBuf>,
    /// Authority that signed the node's certificate, in PEM, for https
    #[arg(long, global = true, value_name = "FILE", env = "STRAIT_CA", hide_env_values = true)]
    pub ca: Option<PathBuf>,
    /// This caller's own certificate in PEM, for a node that asks for one
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,
    /// Its key in PEM
    #[arg(long, global = true, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
    /// Print JSON on stdout
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node until it is told to stop
    #[command(after_help = examples::NODE)]
    Node(NodeArgs),
    /// Run a private chain that speaks bitcoind's RPC, for trying out
    #[command(after_help = examples::DEVNET)]
    Devnet(DevnetArgs),
    /// Watch two nodes open a channel, pay, run a contract and close
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Copy the node's log to a new file; the node may run
    #[command(after_help = examples::BACKUP)]
    Backup(Box<BackupArgs>),
    /// Make the log of a node that has none out of a backup
    #[command(after_help = examples::RESTORE)]
    Restore(RestoreArgs),
    /// Look at the log of a node that may run, or at a backup
    #[command(subcommand)]
    Log(LogCommand),
    /// Encrypt the seed file, or change or remove its passphrase; the node must not run
    #[command(subcommand)]
    Seed(SeedCommand),
    /// Everything that asks a running node
    #[command(flatten)]
    Client(ClientCommand),
}

/// Settings from flags; they go before the environment and the file.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingArgs {
    /// Where bitcoind or the devnet answers
    #[arg(long, value_name = "URL")]
    pub rpc_url: Option<String>,
    /// Multiaddrs to listen on for peers, separated by commas
    #[arg(long, value_name = "MULTIADDRS")]
    pub p2p_listen: Option<String>,
    /// The node's folder
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// How much to log
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Port of metrics and health
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<String>,
    /// Any setting: --set channel.delay_blocks=288
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub settings: Vec<(String, String)>,
}

impl SettingArgs {
    /// The settings in the order in which later ones win.
    #[must_use]
    pub fn to_settings(&self) -> Vec<Setting> {
        let named = [
            ("rpc_url", "--rpc-url", &self.rpc_url),
            ("p2p_listen", "--p2p-listen", &self.p2p_listen),
            ("data_dir", "--data-dir", &self.data_dir),
            ("log_level", "--log-level", &self.log_level),
            ("metrics_port", "--metrics-port", &self.metrics_port),
        ];
        let set = self.settings.iter().map(|(key, value)| Setting {
            key: key.clone(),
            value: value.clone(),
            flag: "--set",
        });
        let named = named.into_iter().filter_map(|(key, flag, value)| {
            Some(Setting { key: key.to_owned(), value: value.clone()?, flag })
        });
        set.chain(named).collect()
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is right")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// `strait node`
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs,
    /// When to stop.
    #[command(flatten)]
    pub stop: StopArgs,
}

/// `strait devnet`
#[derive(Debug, Args)]
pub struct DevnetArgs {
    /// Where to answer RPC; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:18443")]
    pub listen: SocketAddr,
    /// Make a block every so often; without it blocks are made when asked
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub block_every_ms: Option<u64>,
    /// Write a fresh `user:password` to this file, which goes when the chain does
    #[arg(long, value_name = "FILE", default_value = "devnet.cookie")]
    pub cookie_file: PathBuf,
    /// Let in who knows the `user:password` in this file, instead of writing a cookie
    #[arg(long, value_name = "FILE", conflicts_with = "cookie_file")]
    pub credentials_file: Option<PathBuf>,
    /// When to stop.
    #[command(flatten)]
    pub stop: StopArgs,
}

/// When a service stops, besides on SIGINT and SIGTERM.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StopArgs {
    /// Stop when stdin is closed too: whoever starts this program and dies takes it along
    #[arg(long)]
    pub stop_with_stdin: bool,
}

/// `strait demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Payments to make, at least 10
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(10..=100_000_000))]
    pub payments: u64,
    /// Leave everything running and say how to talk to it
    #[arg(long)]
    pub keep: bool,
}

/// `strait config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with the configuration, or that nothing is
    Check {
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
    /// Print the effective settings with their sources
    Dump {
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
}

/// What asks a running node.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Open, look at and close channels
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Pay over a channel; done when irrevocable
    #[command(after_help = examples::PAY)]
    Pay(PayArgs),
    /// Offer amounts that wait for a preimage, and claim them
    #[command(subcommand)]
    Lock(LockCommand),
    /// Add modules, open contracts and act on them
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Connect to peers
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Coins on the chain
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Look at the channels of a restored node, and end them
    #[command(after_help = examples::RECOVER)]
    Recover {
        /// What to do; without it the channels are listed
        #[command(subcommand)]
        command: Option<RecoverCommand>,
    },
    /// Let others look, pay or operate
    #[command(subcommand)]
    Token(TokenCommand),
    /// The node at a glance
    Status,
    /// What the node runs with; change what changes while it runs
    #[command(after_help = examples::SETTINGS)]
    Settings {
        /// What to do; without it the settings are listed
        #[command(subcommand)]
        command: Option<SettingsCommand>,
    },
    /// What happened, one event a line
    #[command(after_help = examples::EVENTS)]
    Events(EventsArgs),
}

/// What goes with every command that moves money.
#[derive(Debug, Clone, Default, Args)]
pub struct MoneyArgs {
    /// Repeat an earlier attempt: the key it printed on stderr [default: a new one]
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Print the request instead of sending it
    #[arg(long)]
    pub dry_run: bool,
}

/// `strait channel`
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Open a channel to a peer
    #[command(after_help = examples::CHANNEL_OPEN)]
    Open {
        /// The peer's node id
        node_id: String,
        /// What to put in
        capacity_sat: u64,
        /// Where the peer listens, if the node does not know
        #[arg(long, value_name = "MULTIADDR")]
        address: Option<String>,
        /// Fee rate of the funding transaction [default: estimated]
        #[arg(long, value_name = "N")]
        fee_rate_sat_per_kvb: Option<u64>,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// All channels
    List,
    /// One channel
    Show {
        /// The channel
        channel_id: String,
    },
    /// Close a channel
    #[command(after_help = examples::CHANNEL_CLOSE)]
    Close {
        /// The channel
        channel_id: String,
        /// Close without the peer: costs more, and the money waits
        #[arg(long)]
        force: bool,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
}

/// `strait pay`
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The channel
    pub channel_id: String,
    /// How much each payment moves
    pub amount_msat: u64,
    /// How many payments; at most 4,096 go in one batch, each batch as a whole or not at all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    /// Reference that both sides see, at most 64 bytes
    #[arg(long, value_name = "TEXT")]
    pub reference: Option<String>,
    /// Key and dry run.
    #[command(flatten)]
    pub money: MoneyArgs,
}

/// `strait contract`
#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Give the node a WebAssembly module
    #[command(after_help = examples::CONTRACT_ADD)]
    Add {
        /// The module
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// All modules
    Modules,
    /// Open a contract in a channel
    #[command(after_help = examples::CONTRACT_OPEN)]
    Open {
        /// The channel
        channel_id: String,
        /// The module's hash, as `contract add` printed it
        module_hash: String,
        /// What the side that opened the channel puts in: this node, or its peer
        #[arg(long, value_name = "MSAT", default_value_t = 0)]
        collateral_opener_msat: u64,
        /// What the side that accepted the channel puts in
        #[arg(long, value_name = "MSAT", default_value_t = 0)]
        collateral_acceptor_msat: u64,
        /// Parameters for the module, in hex
        #[arg(long, value_name = "HEX", default_value = "")]
        params: String,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// Apply actions in order, all or none
    #[command(after_help = examples::CONTRACT_ACT)]
    Act {
        /// The contract
        contract_id: String,
        /// Actions, in hex
        #[arg(required = true, value_name = "HEX")]
        actions: Vec<String>,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// One contract
    Show {
        /// The contract
        contract_id: String,
    },
    /// Give the collateral back as the contract's outcome says
    #[command(after_help = examples::CONTRACT_SETTLE)]
    Settle {
        /// The contract
        contract_id: String,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// All contracts
    List,
}

/// `strait peer`
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// Connect to a peer and stay connected
    Connect {
        /// The peer's node id
        node_id: String,
        /// Where it listens: /ip4/192.0.2.1/tcp/9736
        #[arg(value_name = "MULTIADDR")]
        address: String,
    },
    /// All peers
    List,
}

/// `strait recover`
#[derive(Debug, Subcommand)]
pub enum RecoverCommand {
    /// The channels whose state is not trusted
    List,
    /// Ask the peer to close by force
    AskPeer {
        /// The channel
        channel_id: String,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// Sign the close that the peer offers by its ledger
    Approve {
        /// The channel
        channel_id: String,
        /// Only if it brings this node so much; the list says what it would
        #[arg(long, value_name = "N")]
        at_least_sat: u64,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// Publish the commitment in the backup: if it was revoked since, the peer takes everything
    AcceptLoss {
        /// The channel
        channel_id: String,
        /// What may be lost, in your own words: the channel's capacity_sat
        #[arg(long, value_name = "N")]
        may_lose_sat: u64,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
}

/// `strait settings`
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// What the node runs with, where that came from, and what changes live
    List,
    /// Change a setting until the next start
    Set {
        /// The setting: one that the list shows as live
        key: String,
        /// Its new value, as in `--set`
        value: String,
    },
}

/// `strait wallet`
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// A fresh address
    Address,
    /// What there is and what may be spent
    Balance,
    /// Pay on the chain
    #[command(after_help = examples::WALLET_SEND)]
    Send {
        /// Where to
        address: String,
        /// How much: satoshis, or `all`
        #[arg(value_name = "AMOUNT_SAT")]
        amount: String,
        /// Fee rate [default: estimated]
        #[arg(long, value_name = "N")]
        fee_rate_sat_per_kvb: Option<u64>,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
}

/// `strait events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// The first place in the log; 0 is the oldest that is kept
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub from: u64,
    /// Wait for what happens next, until interrupted
    #[arg(long)]
    pub follow: bool,
}
