//! Why a node does not start: one variant for each step.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::ConfigError;
use crate::seed_file::SeedFileError;

/// The step of the start that failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The configuration is wrong.
    #[error("the configuration is not right")]
    Config(#[from] ConfigError),
    /// The node's folder cannot be made.
    #[error("the folder {path} cannot be made")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The log level is none.
    #[error("the log level is not right")]
    LogLevel(#[source] strait_telemetry::LogFilterError),
    /// Logs cannot be written.
    #[error("logs cannot be written")]
    Logs(#[source] strait_telemetry::LogError),
    /// Traces cannot be sent.
    #[error("traces cannot be sent")]
    Traces(#[source] strait_telemetry::TracesError),
    /// Metrics and health cannot be served.
    #[error("metrics and health cannot be served")]
    HealthServer(#[source] strait_api::ServerError),
    /// Recovery died.
    #[error("recovery died: the log of the node says why")]
    Recovery,
    /// The log cannot be opened.
    #[error("the event store cannot be opened")]
    Store(#[source] strait_store_sqlite::OpenError),
    /// The log cannot be read.
    #[error("the event log cannot be replayed")]
    Replay(#[from] strait_store::ReplayError),
    /// The log is not this seed's.
    #[error("the node cannot be restored from its log")]
    Restore(#[from] strait_engine::RestoreError),
    /// TLS cannot be spoken.
    #[error("the certificate of the interface is not usable")]
    Tls(#[source] strait_api::TlsError),
    /// Calls could not be told.
    #[error("the audit log cannot be written")]
    Audit(#[source] strait_api::AuditError),
    /// The passphrase of the seed was not read.
    #[error("the passphrase of the seed is not usable")]
    Passphrase(#[from] strait_seal::PassphraseError),
    /// There is no seed.
    #[error("the seed is not usable")]
    Seed(#[from] SeedFileError),
    /// The system gives no random bytes.
    #[error("no random bytes to begin with")]
    Entropy(#[source] getrandom::Error),
    /// Contracts cannot run.
    #[error("the contract engine cannot start")]
    Vm(#[source] strait_vm::StartError),
    /// The chain's address is not right.
    #[error("rpc_url or chain.cookie_file is not right")]
    ChainOptions(#[source] strait_chain_bitcoind::OptionsError),
    /// The chain does not answer as it must.
    #[error("the chain at rpc_url is not usable")]
    Chain(#[source] strait_chain::ChainError),
    /// The wallet's keys are of another place.
    #[error("the wallet's account cannot be used")]
    Account(#[source] strait_wallet::AccountError),
    /// The node's blocks do not follow each other.
    #[error("the blocks in the log do not follow each other")]
    Follower(#[source] strait_chain::CheckpointError),
    /// The node's key cannot be its identity.
    #[error("the node's key cannot be its identity")]
    Identity(#[source] strait_net::IdentityError),
    /// An address is none.
    #[error("p2p_listen is not right")]
    Address(#[source] strait_net::AddressError),
    /// The network cannot be entered.
    #[error("the node cannot listen for peers")]
    Net(#[source] strait_net::BindError),
    /// Threads cannot be started.
    #[error("the node cannot start")]
    Runtime(#[from] strait_runtime::StartError),
    /// The API's token cannot be used.
    #[error("the API token cannot be used")]
    Token(#[source] strait_api::token::TokenError),
    /// The API cannot be served.
    #[error("the API cannot be served")]
    ApiServer(#[source] strait_api::ServerError),
}
