//! What `strait lock` looks like.

use clap::Subcommand;
use strait_api_types::{LockDirection, LockHop, LockState, PreimageHex};

use super::MoneyArgs;
use crate::cli::examples;

/// `strait lock`
#[derive(Debug, Subcommand)]
pub enum LockCommand {
    /// Make a secret preimage and its hash; asks no node, and keeps nothing
    #[command(after_help = examples::LOCK_NEW_PREIMAGE)]
    NewPreimage,
    /// Offer a lock over a channel; done when it stands in both sides' commitments
    #[command(after_help = examples::LOCK_OFFER)]
    Offer {
        /// The channel
        channel_id: String,
        /// How much, fees of those who pass it on included
        amount_msat: u64,
        /// SHA-256 of the preimage that takes it, in hex
        payment_hash: String,
        /// The block height from which on it may be taken back on chain
        expiry: u32,
        /// Where the peer passes it on to, as often as there are stops: NODE_ID:AMOUNT_MSAT:EXPIRY
        #[arg(long = "hop", value_name = "HOP", value_parser = hop)]
        hops: Vec<LockHop>,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// Locks in use, and the last thousand that are over
    #[command(after_help = examples::LOCK_LIST)]
    List {
        /// Only those of this channel
        #[arg(long, value_name = "CHANNEL_ID")]
        channel: Option<String>,
        /// Only those that are sent or received
        #[arg(long, value_name = "DIRECTION", value_parser = direction)]
        direction: Option<LockDirection>,
        /// Only those in this state
        #[arg(long, value_name = "STATE", value_parser = state)]
        state: Option<LockState>,
    },
    /// One lock
    Show {
        /// The lock
        lock_id: String,
    },
    /// Claim a lock that is held here; done when it is this node's money for good
    #[command(after_help = examples::LOCK_CLAIM)]
    Claim {
        /// The lock
        lock_id: String,
        /// Its preimage, in hex [default: read from stdin, out of sight of whoever lists processes]
        #[arg(value_parser = preimage)]
        preimage: Option<PreimageHex>,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
    /// Give a lock back that is held here
    #[command(after_help = examples::LOCK_CANCEL)]
    Cancel {
        /// The lock
        lock_id: String,
        /// Key and dry run.
        #[command(flatten)]
        money: MoneyArgs,
    },
}

fn hop(text: &str) -> Result<LockHop, &'static str> {
    const RIGHT: &str = "NODE_ID:AMOUNT_MSAT:EXPIRY is right";
    let mut parts = text.split(':');
    let hop = LockHop {
        node_id: parts.next().unwrap_or_default().to_owned(),
        amount_msat: parts.next().and_then(|part| part.parse().ok()).ok_or(RIGHT)?,
        expiry: parts.next().and_then(|part| part.parse().ok()).ok_or(RIGHT)?,
    };
    if parts.next().is_none() { Ok(hop) } else { Err(RIGHT) }
}

fn direction(word: &str) -> Result<LockDirection, &'static str> {
    LockDirection::from_word(word).ok_or("sent or received is right")
}

fn state(word: &str) -> Result<LockState, String> {
    LockState::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = LockState::ALL.iter().map(|state| state.as_str()).collect();
        format!("one of {} is right", words.join(", "))
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a value parser may fail")]
fn preimage(text: &str) -> Result<PreimageHex, &'static str> {
    Ok(PreimageHex(text.to_owned()))
}
