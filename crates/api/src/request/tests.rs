//! Rows of requests and what becomes of them.

use strait_api_types::{ActRequest, PaymentItem, PaymentRequest, SendAll, SendAmount, SendRequest};

use super::*;

const CHANNEL: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn item(amount_msat: u64) -> PaymentItem {
    PaymentItem { amount_msat, reference: None }
}

/// `Ok` holds the number of payments and their sum, `Err` a part of the message.
fn check_payment(raw: PaymentRequest, expect: Result<(usize, u64), &str>) {
    match (Pay::try_from(raw), expect) {
        (Ok(pay), Ok((count, total_msat))) => {
            assert_eq!((pay.payments.len(), pay.total.to_msat()), (count, total_msat));
        }
        (Err(error), Err(part)) => assert!(error.message().contains(part), "{error}"),
        (found, expect) => panic!("{found:?} where {expect:?} was expected"),
    }
}

#[test]
fn a_payment_is_one_amount_or_a_batch_and_never_zero() {
    let channel = || CHANNEL.to_owned();
    check_payment(PaymentRequest::single(channel(), 5), Ok((1, 5)));
    check_payment(PaymentRequest::batch(channel(), vec![item(5), item(6)]), Ok((2, 11)));
    check_payment(PaymentRequest::batch(channel(), vec![item(1); 4_096]), Ok((4_096, 4_096)));
    check_payment(PaymentRequest::batch(channel(), vec![item(1); 4_097]), Err("4097 entries"));
    check_payment(PaymentRequest::batch(channel(), Vec::new()), Err("0 entries"));
    check_payment(PaymentRequest::single(channel(), 0), Err("amount_msat: is 0"));
    check_payment(PaymentRequest::single(channel(), u64::MAX), Err("above all the money"));
    check_payment(
        PaymentRequest::batch(channel(), vec![item(MilliSats::MAX.to_msat()); 2]),
        Err("more than all the money"),
    );
    check_payment(PaymentRequest::single("12".into(), 5), Err("channel_id: 2 characters"));
    check_payment(
        PaymentRequest { payments: Some(vec![item(1)]), ..PaymentRequest::single(channel(), 5) },
        Err("stands beside payments"),
    );
    check_payment(
        PaymentRequest {
            reference: Some("order".into()),
            ..PaymentRequest::batch(channel(), vec![item(1)])
        },
        Err("reference: stands beside payments"),
    );
    check_payment(
        PaymentRequest { reference: Some("r".repeat(65)), ..PaymentRequest::single(channel(), 5) },
        Err("has 65 bytes"),
    );
    let neither = PaymentRequest { amount_msat: None, ..PaymentRequest::single(channel(), 5) };
    check_payment(neither, Err("is missing"));
}

#[test]
fn actions_come_alone_or_in_a_list_and_are_hex() {
    let check = |raw: ActRequest, expect: Result<usize, &str>| match (actions(raw), expect) {
        (Ok(actions), Ok(count)) => assert_eq!(actions.len(), count),
        (Err(error), Err(part)) => assert!(error.message().contains(part), "{error}"),
        (found, expect) => panic!("{found:?} where {expect:?} was expected"),
    };
    check(ActRequest::single("c0de".into()), Ok(1));
    check(ActRequest::batch(vec!["c0".into(), String::new()]), Ok(2));
    check(ActRequest::batch(Vec::new()), Err("0 entries"));
    check(ActRequest::batch(vec![String::new(); 1_025]), Err("1025 entries"));
    check(ActRequest::single("xyz".into()), Err("not hex"));
    check(ActRequest::single("00".repeat(ACTION_BYTES_MAX + 1)), Err("holds 65537 bytes"));
    let both = ActRequest { action_hex: Some("00".into()), actions_hex: Some(Vec::new()) };
    check(both, Err("must stand alone"));
    check(ActRequest { action_hex: None, actions_hex: None }, Err("must stand alone"));
}

#[test]
fn a_node_id_is_a_compressed_key() {
    let check = |text: &str, expect: bool| assert_eq!(node_id(text).is_ok(), expect, "{text}");
    check(&format!("02{}", "ab".repeat(32)), true);
    check(&format!("03{}", "ab".repeat(32)), true);
    check(&format!("04{}", "ab".repeat(32)), false);
    check(&"02".repeat(32), false);
}

#[test]
fn a_send_is_an_amount_or_all() {
    let check = |json: &str, expect: Option<SendHowMuch>| {
        let found = serde_json::from_str::<SendRequest>(json)
            .ok()
            .and_then(|raw| SendCoins::try_from(raw).ok())
            .map(|send| send.amount);
        assert_eq!(found, expect, "{json}");
    };
    check(r#"{"address":"a","amount_sat":7}"#, Some(SendHowMuch::Exact(Sats::from_const(7))));
    check(r#"{"address":"a","amount_sat":"all"}"#, Some(SendHowMuch::All));
    check(r#"{"address":"a","amount_sat":0}"#, None);
    check(r#"{"address":"","amount_sat":7}"#, None);
    check(r#"{"address":"a","amount_sat":7,"fee_rate_sat_per_kvb":0}"#, None);
    check(r#"{"address":"a","amount_sat":-7}"#, None);
    let all = SendRequest {
        address: "a".into(),
        amount_sat: SendAmount::All(SendAll::All),
        fee_rate_sat_per_kvb: None,
    };
    assert!(serde_json::to_string(&all).unwrap().contains(r#""amount_sat":"all""#));
}
