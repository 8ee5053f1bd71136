//! The client against the real server in front of a scripted node.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use strait_api::scripted::{CHANNEL, CONTRACT, LOCK, MODULE, PREIMAGE, ScriptedNode};
use strait_api::token::Token;
use strait_api::{Listen, Options, Server};
use strait_api_types::{
    ActRequest, ChannelPhase, ClaimLockRequest, CloseMode, ConnectPeerRequest, ErrorCode,
    EventKind, LockState, OfferLockRequest, OpenChannelRequest, OpenContractRequest, PaymentItem,
    PaymentRequest, PreimageHex, SendAll, SendAmount, SendRequest,
};
use strait_client::{Client, ClientError, IdempotencyKey, LockFilter};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(node: &Arc<ScriptedNode>, port: u16) -> Self {
        let listen = Listen::loopback((Ipv4Addr::LOCALHOST, port).into()).unwrap();
        let options = Options::new(listen, Token::parse(TOKEN).unwrap());
        let server = Server::bind(options, Arc::clone(node)).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move {
            stopped.await.unwrap();
        }));
        Self { address, stop, task }
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address), TOKEN).unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, ErrorCode) {
    let Err(ClientError::Refused { status, error }) = answer else {
        panic!("not refused: {answer:?}");
    };
    (status, error.code)
}

#[tokio::test]
async fn every_endpoint_is_reached() {
    let node = Arc::new(ScriptedNode::default());
    let server = Running::start(&node, 0).await;
    let client = server.client();
    let (channel, contract) = (CHANNEL.to_string(), CONTRACT.to_string());
    let peer = format!("02{}", "ab".repeat(32));

    assert_eq!(client.status().await.unwrap().chain.tip_height, 101);
    assert!(client.peers().await.unwrap().peers.is_empty());
    let address = "/ip4/127.0.0.1/tcp/1".to_owned();
    let connect = ConnectPeerRequest { node_id: peer.clone(), address };
    assert_eq!(client.connect_peer(&connect).await.unwrap().node_id, peer);
    assert_eq!(client.channels().await.unwrap().channels.len(), 1);
    assert_eq!(client.channel(&channel).await.unwrap().phase, ChannelPhase::Open);
    let open = OpenChannelRequest {
        node_id: peer,
        address: None,
        capacity_sat: 5,
        fee_rate_sat_per_kvb: Some(1_000),
    };
    let opened = client.open_channel(&key("o"), &open).await.unwrap();
    assert_eq!(opened.phase, ChannelPhase::Negotiating);
    let closed = client.close_channel(&key("c"), &channel, CloseMode::Force).await.unwrap();
    assert_eq!(closed.phase, ChannelPhase::ForceClosing);
    let items = vec![PaymentItem { amount_msat: 2, reference: Some("r".into()) }; 3];
    let batch = PaymentRequest::batch(channel.clone(), items);
    assert_eq!(client.pay(&key("p"), &batch).await.unwrap().total_msat, 6);
    assert_eq!(client.modules().await.unwrap().modules.len(), 1);
    assert_eq!(client.add_module(b"\0asm".to_vec()).await.unwrap().size_bytes, 4);
    assert_eq!(client.contracts().await.unwrap().contracts.len(), 1);
    assert_eq!(client.contract(&contract).await.unwrap().state_hex, "c0ffee");
    let open = OpenContractRequest {
        channel_id: channel,
        module_hash: MODULE.to_string(),
        params_hex: "01".into(),
        collateral_opener_msat: 5,
        collateral_acceptor_msat: 0,
        limits: strait_api_types::ContractLimits::default(),
    };
    client.open_contract(&key("oc"), &open).await.unwrap();
    let act = ActRequest::batch(vec!["00".into(), "01".into()]);
    assert_eq!(client.act(&key("a"), &contract, &act).await.unwrap().count, 2);
    assert_eq!(client.settle(&key("s"), &contract).await.unwrap().holder_msat, Some(4_000));
    assert_eq!(client.wallet().await.unwrap().reserve_sat, 10_000);
    assert_eq!(client.new_address().await.unwrap().address, "bcrt1qscripted");
    let send = SendRequest {
        address: "bcrt1q".into(),
        amount_sat: SendAmount::All(SendAll::All),
        fee_rate_sat_per_kvb: None,
    };
    assert_eq!(client.send_coins(&key("w"), &send).await.unwrap().amount_sat, 90_000);
    assert!(client.events_page(1, 10).await.unwrap().events.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn every_endpoint_about_locks_is_reached() {
    let node = Arc::new(ScriptedNode::default());
    let server = Running::start(&node, 0).await;
    let client = server.client();
    let (lock, filter) = (LOCK.to_string(), LockFilter::default());
    assert_eq!(client.locks(&filter).await.unwrap().locks.len(), 1);
    let filter = LockFilter { state: Some(LockState::Held), after: Some(lock.clone()), ..filter };
    assert_eq!(client.locks(&filter).await.unwrap().locks.len(), 0);
    assert_eq!(client.lock(&lock).await.unwrap().lock_id, lock);
    let offer = OfferLockRequest {
        channel_id: CHANNEL.to_string(),
        amount_msat: 7,
        payment_hash: "aa".repeat(32),
        expiry: 500,
        route: Vec::new(),
    };
    assert_eq!(client.offer_lock(&key("l"), &offer).await.unwrap().state, LockState::Standing);
    let preimage = PREIMAGE.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let claim = ClaimLockRequest { preimage: PreimageHex(preimage) };
    let claimed = client.claim_lock(&key("c"), &lock, &claim).await.unwrap();
    assert_eq!((claimed.state, claimed.preimage), (LockState::Claimed, Some(claim.preimage)));
    let cancelled = client.cancel_lock(&key("b"), &lock).await.unwrap();
    assert_eq!(cancelled.state, LockState::Cancelled);
    assert_eq!(refusal(client.lock("nothing").await), (400, ErrorCode::InvalidField));
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_carries_the_nodes_words_and_an_absent_node_is_told_apart() {
    let node = Arc::new(ScriptedNode::default());
    let server = Running::start(&node, 0).await;
    let client = server.client();
    let broke = PaymentRequest::single(CHANNEL.to_string(), 1_000_001);
    let refused = refusal(client.pay(&key("k"), &broke).await);
    assert_eq!(refused, (409, ErrorCode::InsufficientBalance));
    let refused = refusal(client.channel("../status?").await);
    assert_eq!(refused, (400, ErrorCode::InvalidField));
    let stranger = Client::new(client.base_url(), &"x".repeat(32)).unwrap();
    assert_eq!(refusal(stranger.status().await), (401, ErrorCode::Unauthorized));
    server.stop().await;
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn one_client_serves_many_tasks() {
    let node = Arc::new(ScriptedNode::default());
    let server = Running::start(&node, 0).await;
    let client = server.client();
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move {
                let pay = PaymentRequest::single(CHANNEL.to_string(), 10);
                client.pay(&key(&format!("k{index}")), &pay).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(node.spendable().to_msat(), 998_000);
    server.stop().await;
}

#[tokio::test]
async fn the_event_stream_goes_on_after_the_node_restarts() {
    let node = Arc::new(ScriptedNode::default());
    let server = Running::start(&node, 0).await;
    let port = server.address.port();
    let mut events = server.client().follow_events(1);
    node.happen(EventKind::WalletChanged);
    assert_eq!(events.next().await.unwrap().seq, 1);
    server.stop().await;
    node.happen(EventKind::ChannelOpen { channel_id: "c".into() });
    let restarted = Running::start(&node, port).await;
    let event = events.next().await.unwrap();
    assert_eq!((event.seq, events.next_from()), (2, 3));
    assert_eq!(event.kind, EventKind::ChannelOpen { channel_id: "c".into() });
    restarted.stop().await;
}

#[tokio::test]
async fn the_first_connection_of_a_stream_fails_at_once() {
    let client = Client::new("http://127.0.0.1:1", TOKEN).unwrap();
    let error = client.follow_events(1).next().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[test]
fn only_plain_http_urls_of_a_host_are_taken() {
    let check = |url: &str, fits: bool| assert_eq!(Client::new(url, TOKEN).is_ok(), fits, "{url}");
    check("http://127.0.0.1:9737", true);
    check("http://[::1]:9737/", true);
    check("http://node.internal", true);
    check("https://127.0.0.1:9737", false);
    check("127.0.0.1:9737", false);
    check("http://user:word@host", false);
    check("http://host/path", false);
    check("", false);
}
