//! Whoever waits for a peer keeps nobody from looking at the node.

use std::task::Poll;

use futures::{FutureExt, poll};
use strait_primitives::{MilliSats, RequestKey};

use super::*;
use crate::limits::CALLERS_MAX;
use crate::scripted::{Answers, CHANNEL, ScriptedNode};
use crate::{Pay, Payment};

/// A server's inside, in front of a node that answers no payments.
fn shared(answer_within: Duration) -> (Arc<Shared<ScriptedNode>>, Arc<ScriptedNode>) {
    let node = Arc::new(ScriptedNode::default());
    node.set_answers(Answers::HeldBack);
    let (stop, stopping) = watch::channel(false);
    // A dropped sender would count as a stop.
    core::mem::forget(stop);
    let token = Token::parse(&"t".repeat(32)).unwrap();
    let admission = Arc::default();
    let shared = Shared::new(Arc::clone(&node), token, answer_within, None, admission, stopping);
    (Arc::new(shared), node)
}

/// A payment under the key with this number.
async fn pay(shared: &Shared<ScriptedNode>, number: usize) -> Result<(), ErrorCode> {
    let mut key = [0; RequestKey::LEN];
    key[..8].copy_from_slice(&number.to_le_bytes());
    let key = RequestKey::from_bytes(key);
    let amount = MilliSats::from_const(1);
    let payments = vec![Payment { amount, reference: None }];
    let request = Pay { payer: None, channel: CHANNEL, payments, total: amount };
    let asked = Asked::new(key, &[b"pay 1"]);
    let paid =
        shared.ask_once(Room::Work, asked, |node| async move { node.pay(key, request).await });
    paid.await.map(drop).map_err(|error| error.code())
}

async fn look(shared: &Shared<ScriptedNode>) -> Result<(), ErrorCode> {
    let status = shared.ask(Room::Questions, |node| async move { node.status().await });
    status.await.map(drop).map_err(|error| error.code())
}

#[tokio::test]
async fn callers_who_wait_for_a_peer_keep_nobody_from_looking_at_the_node() {
    let (shared, _node) = shared(Duration::from_secs(600));
    let mut callers: Vec<_> = (0..CALLERS_MAX).map(|number| pay(&shared, number).boxed()).collect();
    for caller in &mut callers {
        assert_eq!(poll!(caller), Poll::Pending);
    }
    assert_eq!(pay(&shared, CALLERS_MAX).await, Err(ErrorCode::Busy));
    assert_eq!(look(&shared).await, Ok(()));
    drop(callers);
    let mut late = pay(&shared, CALLERS_MAX).boxed();
    assert_eq!(poll!(&mut late), Poll::Pending, "those who left made room");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_was_told_to_ask_again_holds_no_room_and_repeats_ask_the_node_once() {
    let (shared, node) = shared(Duration::from_secs(1));
    for _ in 0..2 * CALLERS_MAX {
        assert_eq!(pay(&shared, 1).await, Err(ErrorCode::StillRunning));
    }
    assert_eq!(shared.admission.work.under_way(), 0);
    assert_eq!(node.questions().len(), 1, "the repeats joined the first");
    node.set_answers(Answers::Given);
    assert_eq!(pay(&shared, 1).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn more_payments_may_wait_for_a_peer_than_callers() {
    let (shared, _node) = shared(Duration::from_millis(1));
    for number in 0..2 * WAITING_MAX {
        assert_eq!(pay(&shared, number).await, Err(ErrorCode::StillRunning), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopping_server_tells_those_who_wait_before_it_cuts_them_off() {
    let node = Arc::new(ScriptedNode::default());
    node.set_answers(Answers::HeldBack);
    let (stop, stopping) = watch::channel(false);
    let token = Token::parse(&"t".repeat(32)).unwrap();
    let (patience, admission) = (Duration::from_secs(600), Arc::default());
    let shared = Shared::new(node, token, patience, None, admission, stopping);
    let began = tokio::time::Instant::now();
    let mut waiting = pay(&shared, 1).boxed();
    assert_eq!(poll!(&mut waiting), Poll::Pending);
    stop.send_replace(true);
    assert_eq!(waiting.await, Err(ErrorCode::StillRunning));
    assert_eq!(began.elapsed(), LAST_ANSWERS_WITHIN);
}
