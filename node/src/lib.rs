//! The node's command line and configuration.
//!
//! The `strait` binary is a thin shell around this library, so that tests reach every part of it.

pub mod cli;
pub mod config;
pub mod demo;
pub mod devnet_command;
pub mod stop;
