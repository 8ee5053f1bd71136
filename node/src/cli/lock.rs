//! `strait lock`: amounts that wait for a preimage.

use std::io;

use serde::Serialize;
use strait_api_types::{ClaimLockRequest, LockList, OfferLockRequest, PreimageHex};
use strait_client::{Client, LockFilter};
use strait_payment::payment_hash_of;
use strait_primitives::Preimage;

use super::money::{Intention, intend};
use super::output::Output;
use super::{CliError, LockCommand};

/// A fresh secret and what it opens.
#[derive(Serialize)]
struct NewPreimage {
    preimage: String,
    payment_hash: String,
}

/// Makes a preimage of the system's entropy. It is printed here and nowhere else, and kept by nobody but who reads it.
pub(super) fn new_preimage(output: &mut Output<'_>) -> Result<(), CliError> {
    let mut random = [0; Preimage::LEN];
    getrandom::fill(&mut random).map_err(|source| CliError::Entropy { source })?;
    let preimage = Preimage::from_bytes(random);
    output.say("keep the preimage secret until you claim: who shows it takes the lock");
    output.object(&NewPreimage {
        preimage: hex::encode(preimage.as_bytes()),
        payment_hash: payment_hash_of(&preimage).to_string(),
    })
}

pub(super) async fn run(
    client: &Client,
    command: &LockCommand,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    const COLUMNS: [&str; 6] =
        ["lock_id", "role", "state", "amount_msat", "expiry", "payment_hash"];
    match command {
        LockCommand::NewPreimage => new_preimage(output),
        LockCommand::Offer { channel_id, amount_msat, payment_hash, expiry, hops, money } => {
            let request = OfferLockRequest {
                channel_id: channel_id.clone(),
                amount_msat: *amount_msat,
                payment_hash: payment_hash.clone(),
                expiry: *expiry,
                route: hops.clone(),
            };
            match intend(money, "/v1/locks", &request, output)? {
                Intention::Send(key) => output.object(&client.offer_lock(&key, &request).await?),
                Intention::Shown => Ok(()),
            }
        }
        LockCommand::List { channel, direction, state } => {
            let filter = LockFilter {
                channel_id: channel.clone(),
                direction: *direction,
                state: *state,
                ..LockFilter::default()
            };
            output.list(&all(client, filter).await?, "locks", &COLUMNS)
        }
        LockCommand::Show { lock_id } => output.object(&client.lock(lock_id).await?),
        LockCommand::Claim { lock_id, preimage, money } => {
            let preimage = preimage.clone().map_or_else(from_stdin, Ok)?;
            let request = ClaimLockRequest { preimage };
            match intend(money, &format!("{}/claim", place_of(lock_id)), &request, output)? {
                Intention::Send(key) => {
                    output.object(&client.claim_lock(&key, lock_id, &request).await?)
                }
                Intention::Shown => Ok(()),
            }
        }
        LockCommand::Cancel { lock_id, money } => {
            let path = format!("{}/cancel", place_of(lock_id));
            match intend(money, &path, &serde_json::Map::new(), output)? {
                Intention::Send(key) => output.object(&client.cancel_lock(&key, lock_id).await?),
                Intention::Shown => Ok(()),
            }
        }
    }
}

/// Every page in one. Bounded by what the node holds: each page begins after the last one.
async fn all(client: &Client, mut filter: LockFilter) -> Result<LockList, CliError> {
    const PAGE: u32 = strait_api_types::LOCK_PAGE_MAX;
    filter.limit = Some(PAGE);
    let mut locks = Vec::new();
    loop {
        let page = client.locks(&filter).await?;
        locks.extend(page.locks);
        if page.next_after.is_none() || page.next_after == filter.after {
            return Ok(LockList { locks, next_after: None });
        }
        filter.after = page.next_after;
    }
}

/// Where a lock is, as a dry run tells it.
fn place_of(lock_id: &str) -> String {
    format!("/v1/locks/{}", lock_id.replacen('-', "/", 2))
}

fn from_stdin() -> Result<PreimageHex, CliError> {
    let mut line = String::new();
    let path = "/dev/stdin".into();
    io::stdin().read_line(&mut line).map_err(|source| CliError::Read { path, source })?;
    Ok(PreimageHex(line.trim().to_owned()))
}
