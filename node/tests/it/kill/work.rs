//! What callers ask of the nodes, and what the answers must add up to.

use strait_api_types::{ActRequest, PaymentItem, PaymentRequest};
use strait_client::Client;

use super::dice::Dice;
use super::harness::{Side, until_answered};

/// What one call of the contract costs its customer.
pub(super) const CALL_MSAT: u64 = 1_000;
/// The smallest and the largest payment.
const PAYMENT_MSAT: (u64, u64) = (1, 50_000);
/// Payments of a batch, at most.
const BATCH_MAX: u64 = 64;

/// Something a caller wants once, under one key.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Whose caller it is.
    pub(super) payer: Side,
    key: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Payments as a whole: one, or a batch.
    Pay { channel_id: String, amounts_msat: Vec<u64> },
    /// Calls that the customer pays for.
    Use { contract_id: String, calls: u32 },
}

/// Where an order was carried out: the same whenever it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    commitment_number: u64,
    first_index: Option<u32>,
    count: u32,
}

impl Order {
    /// A payment, or by the dice a batch of them.
    pub(super) fn pay(payer: Side, key: String, channel_id: &str, dice: &mut Dice) -> Self {
        let count = dice.either(1, BATCH_MAX);
        let count = dice.between(1, count);
        let amounts = (0..count).map(|_| dice.between(PAYMENT_MSAT.0, PAYMENT_MSAT.1));
        let what = What::Pay { channel_id: channel_id.to_owned(), amounts_msat: amounts.collect() };
        Self { payer, key, what }
    }

    /// Calls of the contract, which Alice pays for.
    pub(super) fn calls(key: String, contract_id: &str, dice: &mut Dice) -> Self {
        let calls = u32::try_from(dice.between(1, 3)).unwrap();
        Self {
            payer: Side::Alice,
            key,
            what: What::Use { contract_id: contract_id.to_owned(), calls },
        }
    }

    /// What it moves within the channel, from the payer to the other.
    pub(super) fn paid_msat(&self) -> u64 {
        match &self.what {
            What::Pay { amounts_msat, .. } => amounts_msat.iter().sum(),
            What::Use { .. } => 0,
        }
    }

    /// What it moves within the contract, from Alice to Bob.
    pub(super) fn metered_msat(&self) -> u64 {
        match &self.what {
            What::Pay { .. } => 0,
            What::Use { calls, .. } => u64::from(*calls) * CALL_MSAT,
        }
    }

    /// Asks until there is an answer, with the same key each time.
    pub(super) async fn carry_out(&self, client: &Client) -> Receipt {
        let answered = match &self.what {
            What::Pay { channel_id, amounts_msat } => {
                let request = payment_request(channel_id, amounts_msat);
                let request = &request;
                let ask = |key| async move { client.pay(&key, request).await };
                let paid = until_answered(&self.key, ask).await;
                paid.map(|paid| {
                    assert_eq!(paid.total_msat, self.paid_msat(), "{self:?}");
                    Receipt {
                        commitment_number: paid.commitment_number,
                        first_index: Some(paid.first_index),
                        count: paid.count,
                    }
                })
            }
            What::Use { contract_id, calls } => {
                let request = ActRequest::single(use_hex(*calls));
                let request = &request;
                let ask = |key| async move { client.act(&key, contract_id, request).await };
                let acted = until_answered(&self.key, ask).await;
                acted.map(|acted| Receipt {
                    commitment_number: acted.commitment_number,
                    first_index: None,
                    count: acted.count,
                })
            }
        };
        answered.unwrap_or_else(|error| panic!("{self:?} was refused: {error:?}"))
    }
}

fn payment_request(channel_id: &str, amounts_msat: &[u64]) -> PaymentRequest {
    if let [amount_msat] = amounts_msat {
        return PaymentRequest::single(channel_id.to_owned(), *amount_msat);
    }
    let item = |amount_msat: &u64| PaymentItem { amount_msat: *amount_msat, reference: None };
    PaymentRequest::batch(channel_id.to_owned(), amounts_msat.iter().map(item).collect())
}

fn use_hex(calls: u32) -> String {
    const USE: u8 = 1;
    let mut bytes = vec![USE];
    bytes.extend(calls.to_be_bytes());
    hex::encode(bytes)
}

/// Terms of the contract: Alice, who opens it, pays for calls up to `cap_msat`, each at one price.
pub(super) fn terms_hex(cap_msat: u64) -> String {
    const CUSTOMER_IS_OPENER: u8 = 0;
    const STEPS: u8 = 1;
    let mut bytes = vec![CUSTOMER_IS_OPENER];
    bytes.extend(cap_msat.to_be_bytes());
    bytes.push(STEPS);
    bytes.extend(0_u64.to_be_bytes());
    bytes.extend(CALL_MSAT.to_be_bytes());
    hex::encode(bytes)
}
