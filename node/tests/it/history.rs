//! A log that keeps as much history as its operator asks for.

use strait_api_types::{ErrorCode, PaymentRequest};
use strait_client::ClientError;

use crate::nodes::Backend;
use crate::world::{on_a_chain, with_channel};

/// The fewest events between two snapshots that can be set.
const SNAPSHOT_EVERY: u64 = 1_000;
/// Payments, one after the other: each is a round, and each round two events.
const PAYMENTS: u64 = 1_100;

/// Goal: events that snapshots cover go, whoever asks for them is told so, and nothing else is forgotten.
/// Method: a node that keeps no more history than its snapshots need pays until it has made two of them.
async fn work(backend: Backend) {
    let (mut alice, bob, channel) = with_channel(&backend).await;
    let channel = channel.channel_id;
    alice.stop().await;
    let snapshots = SNAPSHOT_EVERY.to_string();
    let settings = [
        ("STRAIT_STORE__HISTORY_BYTES_MAX", "0"),
        ("STRAIT_STORE__SNAPSHOT_EVERY_EVENTS", &snapshots),
    ];
    alice.restart_with_settings(&settings).await;
    alice.connect(&bob).await;
    let payment = PaymentRequest::single(channel.clone(), 1_000);
    let first_key = alice.key();
    let first = alice.client().pay(&first_key, &payment).await.unwrap();
    for _ in 1..PAYMENTS {
        let key = alice.key();
        alice.client().pay(&key, &payment).await.unwrap();
    }

    let Err(ClientError::Refused { error: gone, status }) = alice.client().events_page(1, 10).await
    else {
        panic!("the first event is still there")
    };
    assert_eq!((gone.code, status), (ErrorCode::EventsGone, 410));
    let oldest = alice.client().events_page(0, 10).await.unwrap();
    let seq = oldest.events.first().unwrap().seq;
    assert!(seq > SNAPSHOT_EVERY - 10, "the oldest event that is told is {seq}");

    alice.stop().await;
    alice.restart_with_settings(&settings).await;
    alice.connect(&bob).await;
    let again = alice.client().pay(&first_key, &payment).await.unwrap();
    assert_eq!(again, first, "the key is known, though its events are gone");
    let paid_msat = PAYMENTS * 1_000;
    assert_eq!(alice.channel(&channel).await.counterparty_balance_msat, paid_msat);
    let key = alice.key();
    alice.client().pay(&key, &payment).await.unwrap();
}

#[test]
fn what_snapshots_cover_is_gone_and_said_to_be_and_nothing_else_is_forgotten() {
    on_a_chain(work);
}
