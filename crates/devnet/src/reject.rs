//! Why a transaction or package is refused, in the words of Bitcoin Core, so that clients meet the same strings.

use thiserror::Error;

/// What kind of refusal, as far as anyone reacts to it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RejectKind {
    /// An input does not exist or is spent.
    MissingInputs,
    /// Too little fee alone; with a child that pays it may pass.
    Fee,
    /// Any other rule of consensus or policy.
    Rule,
}

/// Why a transaction is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}{}{details}", if details.is_empty() { "" } else { ", " })]
pub(crate) struct Reject {
    /// How callers may react.
    pub(crate) kind: RejectKind,
    /// Bitcoin Core's name of the rule.
    pub(crate) reason: &'static str,
    /// The particulars; may be empty.
    pub(crate) details: String,
}

impl Reject {
    /// A rule was broken.
    pub(crate) fn rule(reason: &'static str, details: impl Into<String>) -> Self {
        Self { kind: RejectKind::Rule, reason, details: details.into() }
    }

    /// The fee is too low for the transaction alone.
    pub(crate) fn fee(reason: &'static str, details: impl Into<String>) -> Self {
        Self { kind: RejectKind::Fee, reason, details: details.into() }
    }

    /// An input is missing.
    pub(crate) fn missing_inputs() -> Self {
        let kind = RejectKind::MissingInputs;
        Self { kind, reason: "bad-txns-inputs-missingorspent", details: String::new() }
    }
}
