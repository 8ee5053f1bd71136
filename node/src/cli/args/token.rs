//! What `strait token` looks like.

use clap::Subcommand;
use strait_api_types::TokenScope;

use crate::cli::{examples, token};

/// `strait token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; its secret is printed this once
    #[command(after_help = examples::TOKEN_CREATE)]
    Create {
        /// What it is good for: read, pay or operate
        #[arg(long, value_parser = token::scope)]
        scope: TokenScope,
        /// A word for people, at most 64 bytes
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// What a token that pays may spend in all
        #[arg(long, value_name = "N")]
        budget_sat: Option<u64>,
        /// What it may spend on one payment or lock
        #[arg(long, value_name = "N")]
        payment_sat_max: Option<u64>,
        /// In so many seconds it is good for nothing [default: never]
        #[arg(long, value_name = "N")]
        expires_in_s: Option<u64>,
    },
    /// All tokens, what they may and what they have spent
    List,
    /// Make a token good for nothing
    Revoke {
        /// The token
        token_id: String,
    },
}
