//! Why a transaction or package is refused, in the words of Bitcoin Core, so that clients meet the same strings.

use bitcoin::{Amount, Denomination};
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

/// An amount as Bitcoin Core writes it in messages: in bitcoin, with two decimals at least and no idle zeros after.
pub(crate) fn show_money(amount: Amount) -> String {
    let shown = amount.display_in(Denomination::Bitcoin).to_string();
    let (whole, decimals) = shown.split_once('.').unwrap_or((&shown, ""));
    format!("{whole}.{:0<2}", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_decimals_or_as_many_as_it_needs() {
        let check = |sat, expect: &str| assert_eq!(show_money(Amount::from_sat(sat)), expect);
        check(0, "0.00");
        check(1, "0.00000001");
        check(10, "0.0000001");
        check(50 * 100_000_000, "50.00");
        check(150_000_000, "1.50");
        check(123_456_789, "1.23456789");
    }
}
