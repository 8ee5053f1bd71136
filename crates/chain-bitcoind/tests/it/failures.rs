//! What the adapter says when the server is absent, strange or unwilling.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bitcoin::Network;
use strait_chain::{ChainError, ChainSource, Download, FeeAnswer, Policies};
use strait_chain_bitcoind::{Auth, BitcoindSource, Options};
use strait_primitives::{BlockDelta, Timestamp};
use strait_resilience::{BreakerSettings, BreakerState, Decision};

use crate::stage::{on_each_server, open_output, patient};

/// A server that gives the same answer to each of so many connections.
struct Parrot {
    url: String,
    thread: JoinHandle<()>,
}

impl Parrot {
    fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 1_024];
                while !request.ends_with(b"}") {
                    let count = stream.read(&mut buffer).unwrap();
                    request.extend_from_slice(&buffer[..count]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, thread }
    }
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn source(url: &str) -> BitcoindSource {
    let auth = Auth::UserPassword { user: "someone".into(), password: "s3cret".into() };
    let policies = patient(Duration::from_secs(5));
    let options =
        Options { rpc_url: url.into(), auth: Some(auth), network: Network::Regtest, policies };
    BitcoindSource::new(&options).unwrap()
}

#[test]
fn every_strange_answer_is_an_error_that_names_it() {
    let check = |answer: String, expect: fn(&ChainError) -> bool| {
        let parrot = Parrot::start(vec![answer]);
        let error = source(&parrot.url).tip().unwrap_err();
        assert!(expect(&error), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        parrot.thread.join().unwrap();
    };
    check(http("401 Unauthorized", ""), |error| matches!(error, ChainError::Unauthorised { .. }));
    check(http("403 Forbidden", ""), |error| matches!(error, ChainError::Unauthorised { .. }));
    check(http("503 Service Unavailable", "Work queue depth exceeded"), |error| {
        matches!(error, ChainError::Unavailable { .. }) && error.is_transient()
    });
    check(
        http(
            "500 Internal Server Error",
            r#"{"result":null,"error":{"code":-28,"message":"Loading block index"},"id":1}"#,
        ),
        |error| matches!(error, ChainError::WarmingUp { .. }) && error.is_transient(),
    );
    let is_nonsense = |error: &ChainError| matches!(error, ChainError::Nonsense { .. });
    check(http("200 OK", "<html>hello</html>"), is_nonsense);
    check(http("200 OK", r#"{"result":{"blocks":-1},"error":null}"#), is_nonsense);
    check(http("200 OK", r#"{"result":"no","error":null}"#), is_nonsense);
    check(http("200 OK", r#"{"error":"text"}"#), is_nonsense);
    check(http("302 Found", ""), is_nonsense);
    check(http("200 OK", r#"{"result":null,"error":{"code":-1,"message":"no"}}"#), |error| {
        matches!(error, ChainError::Refused { code: -1, .. })
    });
    check("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".into(), |error| {
        matches!(error, ChainError::Nonsense { .. } | ChainError::Unavailable { .. })
    });
    check("SSH-2.0-OpenSSH_9.2\r\n".into(), |error| {
        matches!(error, ChainError::Unavailable { .. })
    });
}

#[test]
fn a_server_on_another_network_or_without_packages_fails_the_self_test() {
    let genesis = |network| bitcoin::constants::genesis_block(network).block_hash();
    let result = |result: &str| http("200 OK", &format!(r#"{{"result":{result},"error":null}}"#));
    let hash = |network| result(&format!("\"{}\"", genesis(network)));

    let parrot = Parrot::start(vec![hash(Network::Bitcoin)]);
    let error = source(&parrot.url).self_test().unwrap_err();
    let expect = ChainError::WrongNetwork {
        network: Network::Regtest,
        expected: genesis(Network::Regtest),
        actual: genesis(Network::Bitcoin),
    };
    assert_eq!(error, expect);

    let old = r#"{"version":270100}"#;
    let parrot = Parrot::start(vec![hash(Network::Regtest), result(old)]);
    let error = source(&parrot.url).self_test().unwrap_err();
    assert_eq!(error, ChainError::NoPackageRelay { version: 270_100 });

    let unknown = r#"{"result":null,"error":{"code":-32601,"message":"Method not found"}}"#;
    let parrot = Parrot::start(vec![
        hash(Network::Regtest),
        result(r#"{"version":290000}"#),
        http("404 Not Found", unknown),
    ]);
    let error = source(&parrot.url).self_test().unwrap_err();
    assert_eq!(error, ChainError::NoPackageRelay { version: 290_000 });
}

#[test]
fn a_server_in_its_initial_download_says_so_except_on_regtest_where_it_means_nothing() {
    let check = |network, answer: &str, expect: Result<Download, ()>| {
        let body = format!(r#"{{"result":{{{answer}}},"error":null}}"#);
        let peers = r#"{"result":{"version":310000,"connections":8},"error":null}"#;
        let parrot = Parrot::start(vec![http("200 OK", &body), http("200 OK", peers)]);
        let rpc_url = parrot.url.replace("http://", "http://u:p@");
        let policies = patient(Duration::from_secs(5));
        let options = Options { rpc_url, auth: None, network, policies };
        let found = BitcoindSource::new(&options).unwrap().download();
        assert_eq!(found.map_err(|_| ()), expect, "{network}: {answer}");
    };
    let tip = |mined_ms| Ok(Download::Over { mined: Some(Timestamp::from_unix_ms(mined_ms)) });
    for network in [Network::Bitcoin, Network::Testnet4, Network::Signet] {
        let running = r#""initialblockdownload":true,"time":1700000000"#;
        check(network, running, Ok(Download::Running));
        let over = r#""initialblockdownload":false,"time":1700000000"#;
        check(network, over, tip(1_700_000_000_000));
        let absurd = r#""initialblockdownload":false,"time":18446744073709551615"#;
        check(network, absurd, tip(u64::MAX));
        check(network, r#""initialblockdownload":false"#, Err(()));
        check(network, "", Err(()));
    }
    check(Network::Regtest, r#""initialblockdownload":true"#, Ok(Download::Over { mined: None }));
}

#[test]
fn a_server_without_peers_agrees_with_nobody() {
    let check = |connections: &str, expect| {
        let progress = r#""initialblockdownload":false,"time":1700000000"#.to_owned();
        let answers = [progress, connections.to_owned()];
        let answers = answers.map(|fields| {
            let body = format!(r#"{{"result":{{{fields}}},"error":null}}"#);
            http("200 OK", &body)
        });
        let parrot = Parrot::start(answers.to_vec());
        let rpc_url = parrot.url.replace("http://", "http://u:p@");
        let policies = patient(Duration::from_secs(5));
        let options = Options { rpc_url, auth: None, network: Network::Bitcoin, policies };
        assert_eq!(BitcoindSource::new(&options).unwrap().download().unwrap(), expect);
    };
    check(r#""version":310000,"connections":0"#, Download::Alone);
    let over = Download::Over { mined: Some(Timestamp::from_unix_ms(1_700_000_000_000)) };
    check(r#""version":310000,"connections":8"#, over);
    check(r#""version":310000"#, over);
}

#[test]
fn what_block_space_costs_is_an_estimate_or_the_least_that_is_taken() {
    let result = |result: &str| http("200 OK", &format!(r#"{{"result":{result},"error":null}}"#));
    let rate = strait_primitives::FeeRate::from_sat_per_kvb;
    let check = |estimate: &str, least: &str, expect: FeeAnswer| {
        let mempool = format!(r#"{{"mempoolminfee":{least}}}"#);
        let parrot = Parrot::start(vec![result(estimate), result(&mempool)]);
        let found = source(&parrot.url).estimate_fee(BlockDelta::new(6)).unwrap();
        assert_eq!(found, expect, "{estimate} {least}");
    };
    let none = r#"{"errors":["Insufficient data or no feerate found"],"blocks":6}"#;
    check(none, "0.00001000", FeeAnswer::Unknown { least: rate(1_000) });
    check(none, "0.00000100", FeeAnswer::Unknown { least: rate(1_000) });
    check(none, "0.00020000", FeeAnswer::Unknown { least: rate(20_000) });
    let some = r#"{"feerate":0.00012000,"blocks":6}"#;
    check(some, "0.00001000", FeeAnswer::Estimate(rate(12_000)));
    check(some, "0.00020000", FeeAnswer::Estimate(rate(20_000)));
}

#[test]
fn nobody_listening_is_transient() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = source(&url).tip().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    // The listener accepts connections into its backlog and reads nothing.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let rpc_url = format!("http://u:p@{}", listener.local_addr().unwrap());
    let (network, policies) = (Network::Regtest, patient(Duration::from_millis(200)));
    let options = Options { rpc_url, auth: None, network, policies };
    let error = BitcoindSource::new(&options).unwrap().tip().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let timed_out = options.policies.timeout.tally().counts().of(Decision::TimedOut);
    assert_eq!(timed_out, 1);
}

/// Nobody listens where it asks.
fn away() -> (BitcoindSource, Arc<Policies>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let rpc_url = format!("http://u:p@{}", listener.local_addr().unwrap());
    let policies = patient(Duration::from_secs(5));
    let options =
        Options { rpc_url, auth: None, network: Network::Regtest, policies: Arc::clone(&policies) };
    (BitcoindSource::new(&options).unwrap(), policies)
}

#[test]
fn a_server_that_stays_away_is_left_alone_and_the_error_says_why() {
    let (mut source, policies) = away();
    for _ in 0..10 {
        assert!(matches!(source.tip().unwrap_err(), ChainError::Unavailable { .. }));
    }
    assert_eq!(policies.breaker.state(), BreakerState::Open);
    let error = source.tip().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("the circuit breaker is open"), "{error}");
    assert!(error.to_string().contains("does not answer"), "and what was wrong before: {error}");
    assert_eq!(policies.breaker.tally().counts().of(Decision::Refused), 1);
    // An operator who knows better says so.
    policies.breaker.tune(BreakerSettings { failure_percent: 0, ..policies.breaker.settings() });
    assert!(matches!(source.tip().unwrap_err(), ChainError::Unavailable { .. }));
}

#[test]
fn an_open_breaker_never_keeps_a_transaction_from_the_chain() {
    let (mut source, policies) = away();
    while policies.breaker.state() == BreakerState::Closed {
        source.tip().unwrap_err();
    }
    let transaction = |value| bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn::default()],
        output: vec![open_output(value)],
    };
    for submission in [&[transaction(1)][..], &[transaction(1), transaction(2)]] {
        let error = source.submit(submission).unwrap_err();
        assert!(matches!(error, ChainError::Unavailable { .. }), "it was tried: {error:?}");
    }
    assert!(matches!(source.tip().unwrap_err(), ChainError::BreakerOpen { .. }));
}

#[test]
fn a_server_that_refuses_is_there_all_the_same() {
    let refusal = http("500 Internal Server Error", r#"{"error":{"code":-1,"message":"no"}}"#);
    let parrot = Parrot::start(vec![refusal; 12]);
    let mut source = source(&parrot.url);
    for _ in 0..12 {
        let error = source.tip().unwrap_err();
        assert!(matches!(error, ChainError::Refused { .. }), "{error:?}");
    }
}

#[test]
fn results_of_a_package_that_make_no_sense_are_an_error() {
    let transaction = |value| bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn::default()],
        output: vec![open_output(value)],
    };
    let package = [transaction(1), transaction(2)];
    let check = |results: &str| {
        let body = format!(
            r#"{{"result":{{"package_msg":"success","tx-results":{results}}},"error":null}}"#
        );
        let parrot = Parrot::start(vec![http("200 OK", &body)]);
        let error = source(&parrot.url).submit(&package).unwrap_err();
        assert!(matches!(error, ChainError::Nonsense { .. }), "{results}: {error:?}");
    };
    let [first, second] = &package;
    let (first_id, second_id) = (first.compute_txid(), second.compute_txid());
    check("{}");
    check("[]");
    check(r#"{"nonsense":{}}"#);
    // Neither transaction has a witness, so both ids of each are the same.
    check(&format!(r#"{{"{first_id}":{{"txid":"{first_id}"}}}}"#));
    check(&format!(
        r#"{{"{first_id}":{{"txid":"{second_id}","fees":{{"base":0.1}}}},"{second_id}":{{"txid":"{second_id}","fees":{{"base":0.1}}}}}}"#
    ));
}

#[test]
fn wrong_credentials_are_refused_and_right_ones_in_the_url_are_taken() {
    on_each_server(|server| {
        let mut options = server.options();
        let wrong = Auth::UserPassword { user: "strait".into(), password: "wrong".into() };
        let Some(right) = options.auth.replace(wrong) else { panic!("servers have credentials") };
        let mut source = BitcoindSource::new(&options).unwrap();
        assert!(matches!(source.self_test(), Err(ChainError::Unauthorised { .. })));
        options.auth = None;
        let (user, password) = match right {
            Auth::UserPassword { user, password } => (user, password),
            Auth::CookieFile(path) => {
                let cookie = std::fs::read_to_string(path).unwrap();
                let (user, password) = cookie.split_once(':').unwrap();
                (user.into(), password.into())
            }
        };
        let password = password.replace('@', "%40").replace(':', "%3A");
        let place = options.rpc_url.strip_prefix("http://").unwrap().to_owned();
        options.rpc_url = format!("http://{user}:{password}@{place}");
        BitcoindSource::new(&options).unwrap().self_test().unwrap();
    });
}

#[test]
fn a_missing_cookie_is_refused_credentials() {
    let auth = Some(Auth::CookieFile("/nonexistent/.cookie".into()));
    let (network, policies) = (Network::Regtest, patient(Duration::from_secs(1)));
    let options = Options { rpc_url: "http://127.0.0.1:1".into(), auth, network, policies };
    let error = BitcoindSource::new(&options).unwrap().tip().unwrap_err();
    assert!(matches!(error, ChainError::Unauthorised { .. }), "{error:?}");
}
