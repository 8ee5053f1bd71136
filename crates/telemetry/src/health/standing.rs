//! The words of health: parts of the node, how each stands, and what is answered to a probe. `health` draws verdicts; nothing
//! here counts.

use core::fmt;

/// A part of the node that can be well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The event store.
    Store,
    /// The chain backend.
    Chain,
    /// The peer-to-peer network.
    Network,
    /// The on-chain wallet.
    Wallet,
    /// The contract machine.
    Contracts,
    /// The REST API.
    Api,
    /// The log in a second folder.
    Ship,
}

impl Component {
    /// Every part, in the order of start-up.
    pub const ALL: [Self; 7] = [
        Self::Store,
        Self::Chain,
        Self::Wallet,
        Self::Contracts,
        Self::Network,
        Self::Api,
        Self::Ship,
    ];

    /// Its name in answers and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Chain => "chain",
            Self::Network => "network",
            Self::Wallet => "wallet",
            Self::Contracts => "contracts",
            Self::Api => "api",
            Self::Ship => "ship",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How one operation of a part went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Success,
    /// It failed for a reason of its own; refusing bad input is a success.
    Failure,
}

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Up, and errors are below 5 %.
    Healthy,
    /// Up, and errors are between 5 and 10 %.
    Degraded,
    /// Up, and errors are above 10 %.
    Unhealthy,
    /// Not up yet.
    Starting,
    /// Up, and working off what it has missed.
    Behind,
    /// Will not work again in this process: only a restart helps.
    Halted,
}

impl Standing {
    /// Its name in answers and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::Behind => "behind",
            Self::Halted => "halted",
        }
    }
}

/// Why a part is named in a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The part.
    pub component: Component,
    /// How it stands.
    pub standing: Standing,
    /// Errors in the window.
    pub errors: u64,
    /// Outcomes in the window, errors included.
    pub outcomes: u64,
    /// The last failure, in words, if one was told since the part was last well.
    pub detail: Option<String>,
}

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes. The causes name parts that are not at their best.
    Pass {
        /// Parts that are degraded, or worse where the question does not mind.
        causes: Vec<Cause>,
    },
    /// No, because of these.
    Fail {
        /// Parts that make it fail; never empty.
        causes: Vec<Cause>,
    },
}

impl Verdict {
    /// True for a pass.
    #[must_use]
    pub const fn is_pass(&self) -> bool {
        matches!(self, Self::Pass { .. })
    }

    /// Why.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        match self {
            Self::Pass { causes } | Self::Fail { causes } => causes,
        }
    }
}
