//! `strait pay`: one payment, or as many batches as the count needs.

use serde::Serialize;
use strait_api_types::{PAYMENTS_MAX, PaymentItem, PaymentRequest};
use strait_client::{Client, IdempotencyKey};

use super::money::{Intention, intend};
use super::output::Output;
use super::{CliError, PayArgs};

/// What was paid.
#[derive(Debug, Serialize)]
struct Paid {
    channel_id: String,
    /// The commitment that holds the last of them.
    commitment_number: u64,
    count: u64,
    total_msat: u64,
}

/// Pays batch after batch, each irrevocable before the next.
///
/// The key of batch `i` is the invocation's key with `-i` behind it, so asking again with the same key and count repeats
/// exactly the same requests, and pays only what was not paid yet.
pub(super) async fn pay(
    client: &Client,
    args: &PayArgs,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let batch_max = u64::try_from(PAYMENTS_MAX).expect("a small constant");
    let first = request(args, args.count.min(batch_max));
    let keys = match intend(&args.money, "/v1/payments", &first, output)? {
        Intention::Send(key) if args.count <= batch_max => BatchKeys::One(key),
        Intention::Send(key) => BatchKeys::Numbered(key),
        Intention::Shown => return Ok(()),
    };
    let channel_id = args.channel_id.clone();
    let mut paid = Paid { channel_id, commitment_number: 0, count: 0, total_msat: 0 };
    let mut left = args.count;
    let mut index = 0_u64;
    while left > 0 {
        let count = left.min(batch_max);
        let key = keys.key(index)?;
        let answer = client.pay(&key, &request(args, count)).await.inspect_err(|_error| {
            if paid.count > 0 {
                output.say(&format!("{} payments were irrevocable before this", paid.count));
            }
        })?;
        paid.commitment_number = answer.commitment_number;
        paid.count += u64::from(answer.count);
        paid.total_msat = paid.total_msat.saturating_add(answer.total_msat);
        left -= count;
        index += 1;
    }
    output.object(&paid)
}

fn request(args: &PayArgs, count: u64) -> PaymentRequest {
    let item = PaymentItem { amount_msat: args.amount_msat, reference: args.reference.clone() };
    if count == 1 {
        PaymentRequest {
            reference: item.reference,
            ..PaymentRequest::single(args.channel_id.clone(), item.amount_msat)
        }
    } else {
        let count = usize::try_from(count).expect("at most 4,096");
        PaymentRequest::batch(args.channel_id.clone(), vec![item; count])
    }
}

/// The keys of an invocation's batches.
enum BatchKeys {
    /// One batch does: the key itself.
    One(IdempotencyKey),
    /// The key with the batch's number behind it.
    Numbered(IdempotencyKey),
}

impl BatchKeys {
    fn key(&self, index: u64) -> Result<IdempotencyKey, CliError> {
        match self {
            Self::One(key) => Ok(key.clone()),
            Self::Numbered(key) => {
                IdempotencyKey::new(format!("{key}-{index}")).ok_or_else(|| CliError::Argument {
                    argument: "--idempotency-key",
                    value: key.to_string(),
                    right: "with several batches a key leaves room for their numbers: at most 240 characters",
                })
            }
        }
    }
}
