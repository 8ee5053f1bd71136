//! `POST /v1/payments`: one payment or a batch, answered when irrevocable.

use serde::{Deserialize, Serialize};

/// One payment (`amount_msat`) or a batch (`payments`) over one channel; a batch is paid as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PaymentRequest {
    /// The channel to pay over, in hex.
    pub channel_id: String,
    /// The amount of a single payment; excludes `payments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_msat: Option<u64>,
    /// The payer's reference of a single payment, at most 64 bytes; both sides see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A batch of at most 4,096 payments; excludes `amount_msat` and `reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payments: Option<Vec<PaymentItem>>,
}

/// One payment of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PaymentItem {
    /// The amount.
    pub amount_msat: u64,
    /// The payer's reference, at most 64 bytes of UTF-8; both sides see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl PaymentRequest {
    /// Asks for one payment without a reference.
    #[must_use]
    pub const fn single(channel_id: String, amount_msat: u64) -> Self {
        Self { channel_id, amount_msat: Some(amount_msat), reference: None, payments: None }
    }

    /// Asks for a batch.
    #[must_use]
    pub const fn batch(channel_id: String, payments: Vec<PaymentItem>) -> Self {
        Self { channel_id, amount_msat: None, reference: None, payments: Some(payments) }
    }
}

/// The payments are irrevocable: the payer's previous commitment is revoked and the log holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PaymentResponse {
    /// The channel, in hex.
    pub channel_id: String,
    /// The commitment that holds the payments.
    pub commitment_number: u64,
    /// Index of the first of them among all operations of that commitment's round.
    pub first_index: u32,
    /// How many payments.
    pub count: u32,
    /// Their sum.
    pub total_msat: u64,
}
