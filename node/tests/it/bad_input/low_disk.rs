//! A disk that is nearly full.

use strait_api_types::{CloseMode, ErrorCode, PaymentRequest};
use strait_client::ClientError;

use crate::nodes::until;
use crate::world::{mine, on_a_chain, with_channel};

/// More than any disk has, and the most that may be set.
const FLOOR_BYTES: &str = "1125899906842624";

/// Goal: a node whose disk is nearly full says so wherever it is asked, begins nothing new, and still ends what it has.
/// Method: the floor is set above what any disk has.
#[test]
fn a_node_on_a_disk_that_is_nearly_full_pays_nobody_and_still_closes() {
    on_a_chain(async |backend| {
        let (mut alice, bob, channel) = with_channel(&backend).await;
        let id = channel.channel_id;
        alice.stop().await;
        alice.restart_with_settings(&[("STRAIT_STORE__FREE_BYTES_MIN", FLOOR_BYTES)]).await;
        alice.connect(&bob).await;
        let (key, request) = (alice.key(), PaymentRequest::single(id.clone(), 1_000));
        let refused = alice.client().pay(&key, &request).await.unwrap_err();
        let ClientError::Refused { error: detail, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!(detail.code, ErrorCode::DiskLow);
        assert!(detail.message.contains("bytes left"), "{}", detail.message);
        assert!(detail.hint.contains("store.free_bytes_min"), "{}", detail.hint);
        alice.tells("strait_disk_low", 1).await;
        until("readiness has the reason", async || {
            let said = alice.readiness();
            (said.contains("degraded") && said.contains("nothing new is begun")).then_some(())
        })
        .await;
        assert!(alice.words().contains("low disk"), "{}", alice.output());

        let (key, mode) = (alice.key(), CloseMode::Cooperative);
        alice.client().close_channel(&key, &id, mode).await.unwrap();
        mine(&backend, 20);
        for node in [&alice, &bob] {
            until("the channel is over", async || {
                node.client().status().await.unwrap().channels.closed.eq(&1).then_some(())
            })
            .await;
        }
    });
}
