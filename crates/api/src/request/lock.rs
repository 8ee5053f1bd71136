//! Requests about locks as domain types.

use strait_api_types as api;
use strait_api_types::{LOCK_HOPS_MAX, LOCK_PAGE_DEFAULT, LOCK_PAGE_MAX, LockDirection, LockState};
use strait_payment::LockKey;
use strait_primitives::{
    BlockHeight, ChannelId, LockId, MilliSats, PaymentHash, Preimage, Side, TokenId,
};
use strait_wire::{Hop, Route};

use super::{id, msat, node_id};
use crate::ApiError;

const _: () = assert!(LOCK_HOPS_MAX == Route::MAX, "the interface says what the wire takes");

/// Asks for a lock over one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferLock {
    /// The token whose budget pays, if one does.
    pub payer: Option<TokenId>,
    /// The channel.
    pub channel: ChannelId,
    /// The amount; never zero.
    pub amount: MilliSats,
    /// Whoever shows its preimage takes it.
    pub payment_hash: PaymentHash,
    /// From this height on it may be taken back on chain.
    pub expiry: BlockHeight,
    /// Where the peer is asked to pass it on to.
    pub route: Route,
}

/// Asks for a page of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockQuery {
    /// Only those of this channel.
    pub channel: Option<ChannelId>,
    /// Only those offered by this side.
    pub offerer: Option<Side>,
    /// Only those in this state.
    pub state: Option<LockState>,
    /// Only those that come after this one.
    pub after: Option<LockKey>,
    /// At most so many.
    pub limit: usize,
}

/// The query of a page of locks as it comes.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLockQuery {
    channel_id: Option<String>,
    direction: Option<String>,
    state: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

impl TryFrom<api::OfferLockRequest> for OfferLock {
    type Error = ApiError;

    fn try_from(raw: api::OfferLockRequest) -> Result<Self, ApiError> {
        let hops = raw.route.iter().map(hop).collect::<Result<Vec<_>, _>>()?;
        let stops = hops.len();
        let route = Route::new(hops).ok_or_else(|| {
            ApiError::invalid_field(
                "route",
                &format!("has {stops} stops"),
                &format!("a route has at most {LOCK_HOPS_MAX} stops beyond the peer"),
            )
        })?;
        Ok(Self {
            payer: None,
            channel: id::<ChannelId>("channel_id", &raw.channel_id)?,
            amount: amount("amount_msat", raw.amount_msat)?,
            payment_hash: id::<PaymentHash>("payment_hash", &raw.payment_hash)?,
            expiry: BlockHeight::new(raw.expiry),
            route,
        })
    }
}

impl TryFrom<RawLockQuery> for LockQuery {
    type Error = ApiError;

    fn try_from(raw: RawLockQuery) -> Result<Self, ApiError> {
        let channel =
            raw.channel_id.map(|text| id::<ChannelId>("channel_id", &text)).transpose()?;
        let offerer = raw.direction.map(|word| offerer(&word)).transpose()?;
        let state = raw.state.map(|word| state(&word)).transpose()?;
        let after = raw.after.map(|text| lock_id("after", &text)).transpose()?;
        let limit = raw.limit.map_or(Ok(LOCK_PAGE_DEFAULT), |text| limit(&text))?;
        let limit = usize::try_from(limit).expect("a page's limit fits memory");
        Ok(Self { channel, offerer, state, after, limit })
    }
}

/// Reads what names a lock in a path: its channel, who offered it, and its number.
pub(crate) fn lock_key(channel: &str, direction: &str, number: &str) -> Result<LockKey, ApiError> {
    let channel = id::<ChannelId>("channel_id", channel)?;
    let offerer = offerer(direction)?;
    let number = number.parse().map_err(|_not_a_number| {
        ApiError::invalid_field("number", "is no whole number", "GET /v1/locks shows numbers")
    })?;
    Ok(LockKey { channel, offerer, id: LockId(number) })
}

/// Reads a preimage. What was given is never repeated.
pub(crate) fn preimage(raw: &api::ClaimLockRequest) -> Result<Preimage, ApiError> {
    id::<Preimage>("preimage", &raw.preimage.0)
}

fn hop(raw: &api::LockHop) -> Result<Hop, ApiError> {
    Ok(Hop {
        node: node_id(&raw.node_id)?,
        amount: amount("route.amount_msat", raw.amount_msat)?,
        expiry: BlockHeight::new(raw.expiry),
    })
}

fn amount(field: &'static str, raw: u64) -> Result<MilliSats, ApiError> {
    let amount = msat(field, raw)?;
    if amount == MilliSats::ZERO {
        return Err(ApiError::invalid_field(
            field,
            "is 0",
            "a lock holds at least what its channel allows: locks.amount_sat_min of its opener or acceptor, whichever is more",
        ));
    }
    Ok(amount)
}

fn offerer(word: &str) -> Result<Side, ApiError> {
    match LockDirection::from_word(word) {
        Some(LockDirection::Sent) => Ok(Side::Holder),
        Some(LockDirection::Received) => Ok(Side::Counterparty),
        Some(_) | None => Err(ApiError::invalid_field(
            "direction",
            &format!("is {word:?}"),
            "sent or received is right",
        )),
    }
}

fn state(word: &str) -> Result<LockState, ApiError> {
    LockState::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = LockState::ALL.iter().map(|state| state.as_str()).collect();
        let right = format!("one of {} is right", words.join(", "));
        ApiError::invalid_field("state", &format!("is {word:?}"), &right)
    })
}

fn lock_id(field: &'static str, text: &str) -> Result<LockKey, ApiError> {
    text.parse().map_err(|error: strait_payment::ParseLockKeyError| {
        ApiError::invalid_field(field, &error.to_string(), "give a lock_id as a page shows it")
    })
}

fn limit(text: &str) -> Result<u32, ApiError> {
    text.parse().ok().filter(|limit| (1..=LOCK_PAGE_MAX).contains(limit)).ok_or_else(|| {
        ApiError::invalid_field(
            "limit",
            "is not a number of locks",
            &format!("give a whole number from 1 to {LOCK_PAGE_MAX}"),
        )
    })
}
