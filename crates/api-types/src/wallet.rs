//! `/v1/wallet`: the coins on the chain.

use serde::{Deserialize, Serialize};

/// The wallet's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WalletResponse {
    /// Coins in blocks.
    pub confirmed_sat: u64,
    /// Coins not yet in a block.
    pub unconfirmed_sat: u64,
    /// Coins of young coinbase transactions, not yet spendable.
    pub immature_sat: u64,
    /// What may be spent now: the confirmed coins less the reserve.
    pub spendable_sat: u64,
    /// Coins held for an opening or a closing that is under way.
    pub held_sat: u64,
    /// What is set aside to pay the fees of closing all channels at once, each with the locks that stand in it and room
    /// for ten more.
    pub reserve_sat: u64,
    /// What there is for that: confirmed coins that bring more than they cost at the reserve's fee rate. With less than
    /// the reserve, no channel is opened and no lock taken on.
    pub reserve_available_sat: u64,
    /// Confirmed coins that are each large enough to pay for closing one channel.
    pub reserve_coins: u32,
    /// How many of these there should be. With fewer, split a large coin: send parts of it to addresses of this wallet.
    pub reserve_coins_wanted: u32,
    /// What such a coin holds at least.
    pub reserve_coin_sat_min: u64,
    /// Height of the last block the wallet has read.
    pub tip_height: u32,
}

/// A fresh address of the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressResponse {
    /// The address.
    pub address: String,
}

/// Asks for a payment on the chain. Answered when the transaction is durable and handed to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendRequest {
    /// Where to.
    pub address: String,
    /// How much: a number of satoshis, or `"all"` for everything that may be spent, the fee taken from it.
    pub amount_sat: SendAmount,
    /// Fee rate in satoshis per 1,000 virtual bytes; estimated if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_rate_sat_per_kvb: Option<u64>,
}

/// How much to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SendAmount {
    /// This many satoshis.
    Exact(u64),
    /// Everything that may be spent.
    All(SendAll),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SendAll {
    /// Everything that may be spent.
    All,
}

/// The transaction that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendResponse {
    /// Its id.
    pub txid: String,
    /// What the address receives.
    pub amount_sat: u64,
    /// What the transaction costs.
    pub fee_sat: u64,
}
