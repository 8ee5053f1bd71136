//! The node's command line, and the parts put together.
//!
//! The `strait` binary is a thin shell around this library, so that tests reach every part of it.

mod backend;
pub mod cli;
pub mod demo;
pub mod devnet_command;
mod feed;
pub mod live;
mod module_files;
mod production;
pub mod run_node;
mod seed_file;
pub mod stop;
mod whole_file;

pub use module_files::{ModuleFileError, ModuleFiles};
pub use production::{InitError, Node, init_production, init_with, start};
pub use seed_file::SeedFileError;
pub use strait_config as config;
