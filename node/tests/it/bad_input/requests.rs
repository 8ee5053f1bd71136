//! Requests that cannot be right: each is refused with its reason, and nothing has changed.

use strait_api_types::{ErrorCode, OpenChannelRequest, PaymentRequest};
use strait_client::{Client, ClientError};

use crate::nodes::Node;
use crate::world::{CAPACITY_SAT, batch, on_a_chain, still_pays, with_channel};

/// The x coordinate of secp256k1's generator: a good key, and nobody's node.
const GENERATOR: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
/// More than any node takes by default.
const TOO_LARGE_SAT: u64 = 2_100_000_000_000_000;

#[test]
fn requests_that_cannot_be_right_are_refused_with_their_reason_and_change_nothing() {
    on_a_chain(async |backend| {
        let (mut alice, bob, channel) = with_channel(&backend).await;
        wrong_tokens_open_nothing(&alice).await;
        amounts_that_do_not_fit_are_not_paid(&mut alice, &channel.channel_id).await;
        channels_that_cannot_be_are_not_opened(&mut alice, &bob).await;
        assert_eq!(alice.channel(&channel.channel_id).await, channel, "nothing has changed");
        assert_eq!(alice.client().channels().await.unwrap().channels.len(), 1);
        still_pays(&mut alice, &bob, &channel.channel_id).await;
    });
}

/// The code with which a request was refused, for good and by whoever asked.
fn refused<T: std::fmt::Debug>(what: &str, answer: Result<T, ClientError>) -> ErrorCode {
    match answer {
        Err(ClientError::Refused { status, error }) => {
            assert!((400..500).contains(&status), "{what}: {status} {error:?}");
            assert!(!error.message.is_empty(), "{what}: {error:?}");
            error.code
        }
        other => panic!("{what} was not refused: {other:?}"),
    }
}

async fn wrong_tokens_open_nothing(node: &Node) {
    for token in ["wrong", "", "Bearer"] {
        let stranger = Client::new(node.client().base_url(), token).unwrap();
        let code = refused("a wrong token", stranger.status().await);
        assert_eq!(code, ErrorCode::Unauthorized);
        let code = refused("a wrong token", stranger.new_address().await);
        assert_eq!(code, ErrorCode::Unauthorized);
    }
}

async fn amounts_that_do_not_fit_are_not_paid(node: &mut Node, channel_id: &str) {
    let capacity_msat = CAPACITY_SAT * 1_000;
    let one = |amount_msat| PaymentRequest::single(channel_id.to_owned(), amount_msat);
    let unknown = PaymentRequest::single("00".repeat(32), 1);
    let rows = [
        ("nothing", one(0), ErrorCode::InvalidField),
        ("all of the balance and more", one(capacity_msat), ErrorCode::InsufficientBalance),
        ("above the capacity", one(capacity_msat + 1), ErrorCode::InvalidField),
        ("more than there is", one(u64::MAX), ErrorCode::InvalidField),
        ("no payments", batch(channel_id, 0), ErrorCode::InvalidField),
        ("too many payments", batch(channel_id, 4_097), ErrorCode::InvalidField),
        ("over no channel", unknown, ErrorCode::ChannelNotFound),
    ];
    for (what, request, expect) in rows {
        let key = node.key();
        assert_eq!(refused(what, node.client().pay(&key, &request).await), expect, "{what}");
    }
}

async fn channels_that_cannot_be_are_not_opened(node: &mut Node, peer: &Node) {
    let nobody = format!("02{GENERATOR}");
    let rows = [
        ("no capacity", peer.id(), 0, ErrorCode::InvalidField),
        ("hardly any capacity", peer.id(), 1, ErrorCode::InvalidField),
        ("too large a capacity", peer.id(), TOO_LARGE_SAT, ErrorCode::InvalidField),
        ("more than can be said", peer.id(), u64::MAX, ErrorCode::InvalidField),
        ("with itself", node.id(), CAPACITY_SAT, ErrorCode::InvalidField),
        ("with nobody", "nobody", CAPACITY_SAT, ErrorCode::InvalidField),
    ]
    .map(|(what, id, capacity_sat, expect)| (what, id.to_owned(), capacity_sat, expect));
    for (what, node_id, capacity_sat, expect) in rows {
        let code = refused(what, open(node, node_id, capacity_sat).await);
        assert_eq!(code, expect, "{what}");
    }
    match open(node, nobody, CAPACITY_SAT).await {
        Err(ClientError::Refused { error, .. }) if error.code == ErrorCode::PeerUnreachable => {}
        other => panic!("a channel with a peer that is not connected: {other:?}"),
    }
}

async fn open(node: &mut Node, node_id: String, capacity_sat: u64) -> Result<(), ClientError> {
    let key = node.key();
    let request =
        OpenChannelRequest { node_id, address: None, capacity_sat, fee_rate_sat_per_kvb: None };
    node.client().open_channel(&key, &request).await.map(drop)
}
