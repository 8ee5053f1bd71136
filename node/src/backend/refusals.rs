//! The node's refusals in the interface's words: what was wrong, and what would be right.

use std::error::Error;

use strait_api::ApiError;
use strait_api_types::ErrorCode;
use strait_channel::{LedgerError, RequestError};
use strait_engine::CommandError;
use strait_primitives::NodeId;
use strait_runtime::AskError;

use super::{locks, tokens};

/// What fee rate would be right.
const A_FEE_RATE: &str =
    "name a rate in between, or none; wallet.fee_rate_sat_per_kvb_max is the upper bound";

/// An error and all its causes in one line.
fn chain_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What the engine refused.
pub(super) fn refused(error: &AskError) -> ApiError {
    match error {
        AskError::Refused(error) => command(error),
        AskError::Stopping => ApiError::new(
            ErrorCode::NotReady,
            "the node is stopping",
            "ask again when it runs, with the same idempotency key: an earlier request may be under way",
        ),
        // Whatever was given to the engine may be in the log, and a restart then brings it to its end.
        AskError::Unanswered | _ => ApiError::new(
            ErrorCode::StillRunning,
            "the node stopped before it had the answer; what it wrote down goes on when it runs again",
            "ask again when it runs, with the same idempotency key: it is done once, or was done",
        ),
    }
}

const RECOVERY: &str = "GET /v1/recovery lists what can still be chosen for, and what was";
const LOSS: &str = "may_lose_sat is the channel's capacity_sat: all of it may be lost";
const DISK: &str = "free space where data_dir lies, or lower store.free_bytes_min and restart; closes and claims go on";
const RESERVE: &str =
    "fund the wallet, or split a large coin: send a part of it to an address of this wallet";

fn command(error: &CommandError) -> ApiError {
    let (code, hint) = match error {
        CommandError::UnknownChannel(_) => {
            (ErrorCode::ChannelNotFound, "GET /v1/channels lists the channels that are not over")
        }
        CommandError::UnknownContract(_) => {
            (ErrorCode::ContractNotFound, "GET /v1/contracts lists the contracts that are live")
        }
        CommandError::UnknownModule(_) => {
            (ErrorCode::ModuleNotFound, "POST /v1/contracts/modules adds a module, on both nodes")
        }
        CommandError::NotConnected(_) => {
            (ErrorCode::PeerUnreachable, "POST /v1/peers connects, or name the peer's address")
        }
        CommandError::OwnId => (ErrorCode::InvalidField, "name another node"),
        CommandError::KeyReused => {
            (ErrorCode::IdempotencyKeyReused, "a new request needs a key of its own")
        }
        CommandError::TooManyRequests { .. } => (
            ErrorCode::Busy,
            "put many payments into one request, or ask again with the same key in ten minutes",
        ),
        CommandError::Channel { source, .. } => return channel(error, source),
        CommandError::Recovery { .. } => (ErrorCode::ChannelNotReady, RECOVERY),
        CommandError::LossNotConfirmed { .. } => (ErrorCode::InvalidField, LOSS),
        CommandError::ChannelClosed(_) => {
            (ErrorCode::ChannelNotReady, "nothing was paid; use another channel")
        }
        CommandError::OpeningFailed { .. } => {
            (ErrorCode::PeerRefused, "the coins are free again; the message says what failed")
        }
        CommandError::ContractRefused { .. } => (
            ErrorCode::PeerRefused,
            "the peer's operator adds the module and allows the collateral",
        ),
        CommandError::Capacity { .. } => (ErrorCode::InvalidField, "choose one in between"),
        CommandError::FeeRate { .. } => (ErrorCode::InvalidField, A_FEE_RATE),
        CommandError::Reserve { .. } => (ErrorCode::InsufficientFunds, RESERVE),
        CommandError::Funds(_) => (
            ErrorCode::InsufficientFunds,
            "fund the wallet, and leave the reserve for closing every channel",
        ),
        CommandError::Address { .. } => {
            (ErrorCode::InvalidField, "an address of the network this node is on")
        }
        CommandError::Empty => (ErrorCode::InvalidField, "name at least one"),
        CommandError::Zero { .. } => (ErrorCode::InvalidField, "every amount is at least 1 msat"),
        CommandError::AboveCapacity { .. } => {
            (ErrorCode::InvalidField, "pay less, or through a larger channel")
        }
        CommandError::ChainBehind => {
            (ErrorCode::ChainUnavailable, "ask again when the node has caught up with the chain")
        }
        CommandError::NoFeeRate => {
            (ErrorCode::ChainUnavailable, "name fee_rate_sat_per_kvb, or wait for the chain")
        }
        CommandError::DiskLow { .. } => (ErrorCode::DiskLow, DISK),
        CommandError::UnknownToken(_) => tokens::UNKNOWN,
        CommandError::TokenExpired(_) => tokens::EXPIRED,
        CommandError::BeyondToken(_) => tokens::BEYOND,
        CommandError::PaymentAboveToken { .. } | CommandError::Budget { .. } => tokens::BUDGET,
        CommandError::TooManyTokens { .. } => tokens::TOO_MANY,
        CommandError::TokenLabel { .. } => tokens::LABEL,
        CommandError::UnknownLock(_) => locks::UNKNOWN,
        CommandError::NotHeld(_) => locks::NOT_HELD,
        CommandError::WrongPreimage(_) => locks::WRONG_PREIMAGE,
        CommandError::LockExpiry { .. } => locks::EXPIRY,
        // The system's random bytes came twice: no caller can do anything about that.
        CommandError::TokenKnown(_) | _ => return ApiError::internal(error),
    };
    ApiError::new(code, chain_of(error), hint)
}

fn channel(error: &CommandError, reason: &RequestError) -> ApiError {
    let (code, hint) = match reason {
        RequestError::Ledger(LedgerError::Balance { .. }) => (
            ErrorCode::InsufficientBalance,
            "pay at most spendable_msat, or wait until the peer has paid",
        ),
        RequestError::Ledger(LedgerError::Call { .. } | LedgerError::Outcome { .. }) => {
            (ErrorCode::ContractRefused, "the contract's own rules say what it takes")
        }
        RequestError::Ledger(LedgerError::NotFinal { .. }) => {
            (ErrorCode::ContractNotReady, "act until the contract's module says that it is final")
        }
        RequestError::Ledger(LedgerError::LocalFault { .. }) => (
            ErrorCode::ModuleNotFound,
            "this node cannot run the contract's module now: its log says why; POST /v1/contracts/modules adds it again",
        ),
        RequestError::Ledger(LedgerError::LockCount { .. }) => locks::TOO_MANY,
        RequestError::Ledger(LedgerError::LockSize { .. }) => locks::TOO_SMALL,
        RequestError::Ledger(LedgerError::DustExposure { .. }) => locks::TOO_MUCH_DUST,
        RequestError::Ledger(LedgerError::Expiry { .. }) => locks::TOO_FAR,
        RequestError::LockExpired { .. } => locks::EXPIRED,
        RequestError::RevocationHash { .. } => locks::REVOCATION_HASH,
        RequestError::Ledger(_) => (ErrorCode::InvalidField, "the message says which rule"),
        RequestError::TooLarge(_) => (ErrorCode::LimitReached, "split it into several requests"),
        RequestError::TipStale { .. } => {
            (ErrorCode::ChainUnavailable, "ask again when the node has caught up with the chain")
        }
        RequestError::QueueFull { .. } => (ErrorCode::Busy, "ask again when rounds have passed"),
        RequestError::NotOpen { .. } => {
            (ErrorCode::ChannelNotReady, "wait until the channel's phase is open")
        }
        RequestError::Quarantined => (
            ErrorCode::Quarantined,
            "strait recover shows the channel and what can be done; other channels work as ever",
        ),
        RequestError::KnownContract { .. } => {
            (ErrorCode::IdempotencyKeyReused, "a new contract needs a key of its own")
        }
        RequestError::StillLive { .. } => {
            (ErrorCode::ChannelNotReady, "settle every lock and contract first, or close by force")
        }
        _ => return ApiError::internal(error),
    };
    ApiError::new(code, chain_of(error), hint)
}

/// The engine answered another question.
pub(super) fn wrong_kind() -> ApiError {
    tracing::error!("the engine answered another question");
    gone()
}

pub(super) fn gone() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the node lost track of the answer", "ask again")
}

pub(super) fn address(text: &str, error: &dyn Error) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidField,
        format!("{text:?} is no address: {}", chain_of(error)),
        "a multiaddress such as /ip4/127.0.0.1/tcp/9736 is right",
    )
}

pub(super) fn unreachable(node: NodeId, error: &dyn Error) -> ApiError {
    ApiError::new(
        ErrorCode::PeerUnreachable,
        format!("peer {node} cannot be reached now: {}", chain_of(error)),
        "the node goes on trying; check the peer's id and address",
    )
}

pub(super) fn reference() -> ApiError {
    ApiError::new(
        ErrorCode::InvalidField,
        "a reference is too long",
        "a reference has at most 64 bytes",
    )
}

pub(super) fn action() -> ApiError {
    ApiError::new(
        ErrorCode::InvalidField,
        "an action is too long",
        "an action has at most 16 KiB; the contract's module says what it takes",
    )
}

pub(super) fn module(error: &dyn Error) -> ApiError {
    ApiError::new(
        ErrorCode::ModuleRefused,
        chain_of(error),
        "a WebAssembly component of the contract world, without imports",
    )
}

pub(super) fn limits(error: &dyn Error) -> ApiError {
    ApiError::new(ErrorCode::InvalidField, chain_of(error), "leave a limit out for its default")
}

pub(super) fn params(error: &dyn Error) -> ApiError {
    ApiError::new(ErrorCode::InvalidField, chain_of(error), "parameters have at most 16 KiB")
}

pub(super) fn collateral(error: &dyn Error) -> ApiError {
    ApiError::new(ErrorCode::InvalidField, chain_of(error), "name a collateral of at least 1 msat")
}
