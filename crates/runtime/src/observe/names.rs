//! Our types as the labels of metrics.

use strait_chain::ChainError;
use strait_channel::ForceReason;
use strait_engine::{Command, Effect};
use strait_telemetry::{ChainErrorKind, CommandName, EffectKind, ForceCloseReason, FundingSpender};
use strait_watcher::Standing;

/// How a request to the chain failed.
pub(super) const fn kind_of(error: &ChainError) -> ChainErrorKind {
    match error {
        ChainError::Unavailable { .. }
        | ChainError::WarmingUp { .. }
        | ChainError::BreakerOpen { .. } => ChainErrorKind::Unreachable,
        ChainError::Unauthorised { .. } => ChainErrorKind::Unauthorized,
        ChainError::Refused { .. } => ChainErrorKind::Refused,
        ChainError::WrongNetwork { .. }
        | ChainError::NoPackageRelay { .. }
        | ChainError::UnknownBlock { .. }
        | ChainError::Nonsense { .. }
        | ChainError::InvalidBlock { .. }
        | ChainError::ReorganisationTooDeep { .. }
        | ChainError::SubmissionSize { .. }
        | _ => ChainErrorKind::BadAnswer,
    }
}

/// Why a channel closes without its peer.
pub(super) const fn force_close_reason(reason: ForceReason) -> ForceCloseReason {
    match reason {
        ForceReason::Operator => ForceCloseReason::Operator,
        ForceReason::Violation => ForceCloseReason::Violation,
        ForceReason::Deadline => ForceCloseReason::Deadline,
        ForceReason::PeerLost => ForceCloseReason::PeerLost,
        ForceReason::Asked => ForceCloseReason::Asked,
    }
}

/// What spent a funding output.
pub(super) const fn spender(standing: Standing) -> FundingSpender {
    match standing {
        Standing::Cooperative => FundingSpender::Cooperative,
        Standing::HolderCurrent => FundingSpender::Holder,
        Standing::HolderRevoked => FundingSpender::HolderRevoked,
        Standing::CounterpartyCurrent | Standing::CounterpartyProposed => {
            FundingSpender::Counterparty
        }
        Standing::CounterpartyRevoked => FundingSpender::CounterpartyRevoked,
        Standing::Ahead { .. } | Standing::Unknown => FundingSpender::Unknown,
    }
}

/// What happens.
pub(super) const fn effect_kind(effect: &Effect) -> EffectKind {
    match effect {
        Effect::Send(..) => EffectKind::Send,
        Effect::Disconnect(_) => EffectKind::Disconnect,
        Effect::KeepConnected(..) => EffectKind::KeepConnected,
        Effect::Forget(_) => EffectKind::Forget,
        Effect::Broadcast(_) => EffectKind::Broadcast,
        Effect::LookFor(_) => EffectKind::LookFor,
        Effect::Reply(..) => EffectKind::Reply,
        Effect::Report(_) => EffectKind::Report,
    }
}

/// What is asked.
pub(crate) fn command_name(command: &Command) -> CommandName {
    match command {
        Command::Status => CommandName::Status,
        Command::Peers => CommandName::Peers,
        Command::ConnectPeer { .. } => CommandName::ConnectPeer,
        Command::Channels => CommandName::Channels,
        Command::Channel(_) => CommandName::Channel,
        Command::OpenChannel { .. } => CommandName::OpenChannel,
        Command::CloseChannel { .. } => CommandName::CloseChannel,
        Command::Recoveries => CommandName::Recoveries,
        Command::Recover { .. } => CommandName::Recover,
        Command::Pay { .. } => CommandName::Pay,
        Command::Modules => CommandName::Modules,
        Command::AddModule { .. } => CommandName::AddModule,
        Command::Contracts => CommandName::Contracts,
        Command::Contract(_) => CommandName::Contract,
        Command::OpenContract { .. } => CommandName::OpenContract,
        Command::Act { .. } => CommandName::Act,
        Command::Settle { .. } => CommandName::Settle,
        Command::OfferLock { .. } => CommandName::OfferLock,
        Command::ClaimLock { .. } => CommandName::ClaimLock,
        Command::CancelLock { .. } => CommandName::CancelLock,
        Command::Locks => CommandName::Locks,
        Command::Lock(_) => CommandName::Lock,
        Command::Wallet => CommandName::Wallet,
        Command::NewAddress => CommandName::NewAddress,
        Command::SendCoins { .. } => CommandName::SendCoins,
        Command::Tokens => CommandName::Tokens,
        Command::IssueToken(_) => CommandName::IssueToken,
        Command::RevokeToken(_) => CommandName::RevokeToken,
        Command::UnderToken { command, .. } => command_name(command),
    }
}
