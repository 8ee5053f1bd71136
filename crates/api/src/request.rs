//! Requests as domain types: each is made from its JSON form once, and cannot hold what the form could.

pub(crate) mod lock;
pub(crate) mod token;

use strait_api_types as api;
use strait_api_types::{
    ACTION_BYTES_MAX, ACTIONS_MAX, ContractLimits, PARAMS_BYTES_MAX, PAYMENTS_MAX,
    REFERENCE_BYTES_MAX,
};
use strait_primitives::{
    ChannelId, EventSeq, FeeRate, Fuel, MilliSats, ModuleHash, NodeId, Sats, TokenId,
};

use crate::ApiError;

/// Asks for a connection to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectPeer {
    /// The peer.
    pub node: NodeId,
    /// Where it listens: a libp2p multiaddr, not yet parsed.
    pub address: String,
}

/// Asks for a new channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenChannel {
    /// The peer.
    pub node: NodeId,
    /// Where it listens, if the caller says so: a libp2p multiaddr, not yet parsed.
    pub address: Option<String>,
    /// What this node puts in; never zero.
    pub capacity: Sats,
    /// Fee rate of the funding transaction, if the caller fixes it; never zero.
    pub fee_rate: Option<FeeRate>,
}

/// Asks for payments over one channel, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pay {
    /// The token whose budget pays, if one does.
    pub payer: Option<TokenId>,
    /// The channel.
    pub channel: ChannelId,
    /// From 1 to 4,096 payments, in order.
    pub payments: Vec<Payment>,
    /// Their sum.
    pub total: MilliSats,
}

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The amount; never zero.
    pub amount: MilliSats,
    /// The payer's reference, at most 64 bytes.
    pub reference: Option<String>,
}

/// Limits the caller names for a contract; `None` leaves one to the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContractTerms {
    /// Fuel of one call.
    pub fuel_per_call: Option<Fuel>,
    /// Memory of an instance, in bytes.
    pub memory_bytes: Option<u32>,
    /// Size of the state, in bytes.
    pub state_bytes: Option<u32>,
}

/// Asks for a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenContract {
    /// The token whose budget pays, if one does.
    pub payer: Option<TokenId>,
    /// The channel it shall live in.
    pub channel: ChannelId,
    /// Its module.
    pub module: ModuleHash,
    /// What the module's `init` gets, at most 64 KiB.
    pub params: Vec<u8>,
    /// What the channel's opener puts in, whoever opens the contract.
    pub collateral_opener: MilliSats,
    /// What the channel's acceptor puts in.
    pub collateral_acceptor: MilliSats,
    /// Limits.
    pub terms: ContractTerms,
}

/// How much to send on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendHowMuch {
    /// This much, never zero; the fee comes on top.
    Exact(Sats),
    /// Everything that may be spent, the fee taken from it.
    All,
}

/// Asks for a payment on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendCoins {
    /// Where to: an address, not yet parsed.
    pub address: String,
    /// How much.
    pub amount: SendHowMuch,
    /// Fee rate, if the caller fixes it; never zero.
    pub fee_rate: Option<FeeRate>,
}

/// Says how a channel whose state is not trusted is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recover {
    /// The peer closes by force.
    AskPeer,
    /// A close together that brings so much.
    ApproveClose {
        /// The least; zero is an approval of anything.
        at_least: Sats,
    },
    /// This node's commitment is published.
    AcceptLoss {
        /// What the caller says may be lost.
        may_lose: Sats,
    },
}

impl TryFrom<api::RecoverRequest> for Recover {
    type Error = ApiError;

    fn try_from(raw: api::RecoverRequest) -> Result<Self, ApiError> {
        Ok(match raw {
            api::RecoverRequest::AskPeer => Self::AskPeer,
            api::RecoverRequest::ApproveClose { at_least_sat: 0 } => {
                Self::ApproveClose { at_least: Sats::ZERO }
            }
            api::RecoverRequest::ApproveClose { at_least_sat } => {
                Self::ApproveClose { at_least: sats("at_least_sat", at_least_sat)? }
            }
            api::RecoverRequest::AcceptLoss { may_lose_sat } => {
                Self::AcceptLoss { may_lose: sats("may_lose_sat", may_lose_sat)? }
            }
        })
    }
}

impl TryFrom<api::ConnectPeerRequest> for ConnectPeer {
    type Error = ApiError;

    fn try_from(raw: api::ConnectPeerRequest) -> Result<Self, ApiError> {
        Ok(Self { node: node_id(&raw.node_id)?, address: address("address", raw.address)? })
    }
}

impl TryFrom<api::OpenChannelRequest> for OpenChannel {
    type Error = ApiError;

    fn try_from(raw: api::OpenChannelRequest) -> Result<Self, ApiError> {
        Ok(Self {
            node: node_id(&raw.node_id)?,
            address: raw.address.map(|text| address("address", text)).transpose()?,
            capacity: sats("capacity_sat", raw.capacity_sat)?,
            fee_rate: fee_rate(raw.fee_rate_sat_per_kvb)?,
        })
    }
}

impl TryFrom<api::PaymentRequest> for Pay {
    type Error = ApiError;

    fn try_from(raw: api::PaymentRequest) -> Result<Self, ApiError> {
        let channel = id::<ChannelId>("channel_id", &raw.channel_id)?;
        let items = match (raw.amount_msat, raw.payments) {
            (Some(amount_msat), None) => {
                vec![api::PaymentItem { amount_msat, reference: raw.reference }]
            }
            (None, Some(items)) if raw.reference.is_none() => items,
            (None, Some(_)) => {
                return Err(ApiError::invalid_field(
                    "reference",
                    "stands beside payments",
                    "give each payment of the batch its own reference",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid_field(
                    "amount_msat",
                    "stands beside payments",
                    "use amount_msat for one payment or payments for a batch, not both",
                ));
            }
            (None, None) => {
                return Err(ApiError::invalid_field(
                    "amount_msat",
                    "is missing",
                    "use amount_msat for one payment or payments for a batch",
                ));
            }
        };
        check_count("payments", items.len(), PAYMENTS_MAX)?;
        let payments = items.into_iter().map(Payment::try_from).collect::<Result<Vec<_>, _>>()?;
        let total = MilliSats::checked_sum(payments.iter().map(|payment| payment.amount))
            .ok_or_else(|| {
                ApiError::invalid_field(
                    "payments",
                    "sum to more than all the money there is",
                    "pay at most what the channel's spendable_msat says",
                )
            })?;
        Ok(Self { payer: None, channel, payments, total })
    }
}

impl TryFrom<api::PaymentItem> for Payment {
    type Error = ApiError;

    fn try_from(raw: api::PaymentItem) -> Result<Self, ApiError> {
        if let Some(reference) = &raw.reference
            && reference.len() > REFERENCE_BYTES_MAX
        {
            return Err(ApiError::invalid_field(
                "reference",
                &format!("has {} bytes", reference.len()),
                &format!("a reference has at most {REFERENCE_BYTES_MAX} bytes of UTF-8"),
            ));
        }
        let amount = msat("amount_msat", raw.amount_msat)?;
        if amount == MilliSats::ZERO {
            return Err(ApiError::invalid_field("amount_msat", "is 0", "pay at least 1 msat"));
        }
        Ok(Self { amount, reference: raw.reference })
    }
}

impl From<ContractLimits> for ContractTerms {
    fn from(raw: ContractLimits) -> Self {
        Self {
            fuel_per_call: raw.fuel_per_call.map(Fuel),
            memory_bytes: raw.memory_bytes,
            state_bytes: raw.state_bytes,
        }
    }
}

impl TryFrom<api::OpenContractRequest> for OpenContract {
    type Error = ApiError;

    fn try_from(raw: api::OpenContractRequest) -> Result<Self, ApiError> {
        Ok(Self {
            payer: None,
            channel: id::<ChannelId>("channel_id", &raw.channel_id)?,
            module: id::<ModuleHash>("module_hash", &raw.module_hash)?,
            params: bytes("params_hex", &raw.params_hex, PARAMS_BYTES_MAX)?,
            collateral_opener: msat("collateral_opener_msat", raw.collateral_opener_msat)?,
            collateral_acceptor: msat("collateral_acceptor_msat", raw.collateral_acceptor_msat)?,
            terms: raw.limits.into(),
        })
    }
}

/// Reads the actions of a request: from 1 to 1,024, each at most 64 KiB.
pub(crate) fn actions(raw: api::ActRequest) -> Result<Vec<Vec<u8>>, ApiError> {
    let texts = match (raw.action_hex, raw.actions_hex) {
        (Some(action), None) => vec![action],
        (None, Some(actions)) => actions,
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::invalid_field(
                "action_hex",
                "must stand alone",
                "use action_hex for one action or actions_hex for several, exactly one of them",
            ));
        }
    };
    check_count("actions_hex", texts.len(), ACTIONS_MAX)?;
    texts.iter().map(|text| bytes("actions_hex", text, ACTION_BYTES_MAX)).collect()
}

impl TryFrom<api::SendRequest> for SendCoins {
    type Error = ApiError;

    fn try_from(raw: api::SendRequest) -> Result<Self, ApiError> {
        let amount = match raw.amount_sat {
            api::SendAmount::Exact(sat) => SendHowMuch::Exact(sats("amount_sat", sat)?),
            api::SendAmount::All(api::SendAll::All) => SendHowMuch::All,
        };
        Ok(Self {
            address: address("address", raw.address)?,
            amount,
            fee_rate: fee_rate(raw.fee_rate_sat_per_kvb)?,
        })
    }
}

/// Parses an id of fixed length from hex.
pub(crate) fn id<T>(field: &'static str, text: &str) -> Result<T, ApiError>
where
    T: core::str::FromStr<Err = strait_primitives::ParseHexError>,
{
    text.parse().map_err(|error: strait_primitives::ParseHexError| {
        ApiError::invalid_field(
            field,
            &error.to_string(),
            "give the id as lower-case hex, complete",
        )
    })
}

/// Parses a place in the log.
pub(crate) fn event_seq(field: &'static str, text: &str) -> Result<EventSeq, ApiError> {
    text.parse().map(EventSeq::new).map_err(|_| {
        ApiError::invalid_field(
            field,
            "is not a place in the log",
            "give a whole number: the seq of the first event wanted",
        )
    })
}

fn node_id(text: &str) -> Result<NodeId, ApiError> {
    let node = id::<NodeId>("node_id", text)?;
    match node.as_bytes() {
        [2 | 3, ..] => Ok(node),
        _ => Err(ApiError::invalid_field(
            "node_id",
            "is not a compressed public key",
            "a node id is 66 hex digits that begin with 02 or 03; `strait status` of the peer shows it",
        )),
    }
}

/// Longest address taken: several times the longest multiaddr or Bitcoin address in use.
const ADDRESS_BYTES_MAX: usize = 512;

fn address(field: &'static str, text: String) -> Result<String, ApiError> {
    if text.is_empty() || text.len() > ADDRESS_BYTES_MAX {
        return Err(ApiError::invalid_field(
            field,
            &format!("has {} bytes", text.len()),
            &format!("an address has from 1 to {ADDRESS_BYTES_MAX} bytes"),
        ));
    }
    // It goes into logs, where other characters could hide or move what stands beside them.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::invalid_field(
            field,
            "has a character that no address has",
            "an address has letters, digits and marks of ASCII only",
        ));
    }
    Ok(text)
}

/// Reads an amount that must not be zero.
fn sats(field: &'static str, sat: u64) -> Result<Sats, ApiError> {
    if sat == 0 {
        return Err(ApiError::invalid_field(field, "is 0", "give at least 1 sat"));
    }
    Sats::new(sat).map_err(|error| {
        ApiError::invalid_field(field, &error.to_string(), "give an amount the wallet holds")
    })
}

/// Reads an amount that may be zero.
fn msat(field: &'static str, msat: u64) -> Result<MilliSats, ApiError> {
    MilliSats::new(msat).map_err(|error| {
        ApiError::invalid_field(field, &error.to_string(), "give an amount the channel holds")
    })
}

fn fee_rate(sat_per_kvb: Option<u64>) -> Result<Option<FeeRate>, ApiError> {
    match sat_per_kvb {
        Some(0) => Err(ApiError::invalid_field(
            "fee_rate_sat_per_kvb",
            "is 0",
            "give at least 1000 (1 sat/vB), or leave it out to have it estimated",
        )),
        other => Ok(other.map(FeeRate::from_sat_per_kvb)),
    }
}

fn bytes(field: &'static str, text: &str, limit: usize) -> Result<Vec<u8>, ApiError> {
    if text.len() > limit * 2 {
        return Err(ApiError::invalid_field(
            field,
            &format!("holds {} bytes", text.len() / 2),
            &format!("at most {limit} bytes fit"),
        ));
    }
    hex::decode(text).map_err(|error| {
        ApiError::invalid_field(field, &format!("is not hex: {error}"), "give bytes as hex digits")
    })
}

fn check_count(field: &'static str, count: usize, limit: usize) -> Result<(), ApiError> {
    if count == 0 || count > limit {
        return Err(ApiError::invalid_field(
            field,
            &format!("has {count} entries"),
            &format!("one request takes from 1 to {limit}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
