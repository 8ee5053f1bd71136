//! What a monitoring system reads from a running node: the numbers move, and each name is explained.
//!
//! Goal: no metric is told without being set, none is explained without being told. Method: two nodes open a channel, pay
//! and run a contract; then the text of one is parsed as Prometheus does and held against
//! `docs/metrics-reference.md` and what the code says of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::json;
use strait_api_types::{
    ActRequest, ChannelPhase, ContractLimits, OpenContractRequest, PaymentRequest,
};
use strait_primitives::Timestamp;
use strait_telemetry::{LabelValues, Metrics, Presence};
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node, until};

const CAPACITY_SAT: u64 = 1_000_000;
/// What the opener puts into the contract.
const COLLATERAL_MSAT: u64 = 1_000_000;
/// A payment, and one call of the contract.
const PAID_SAT: u64 = 5_000 + 1;

/// A scrape: every series with its value, and every family with its type.
struct Scrape {
    series: BTreeMap<String, f64>,
    families: BTreeMap<String, String>,
}

impl Scrape {
    /// Parses the text, and fails where Prometheus would.
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut scrape = Self { series: BTreeMap::new(), families: BTreeMap::new() };
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(!words.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line} comes without help");
                scrape.families.insert(name.to_owned(), kind.to_owned());
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                check_labels(series);
                assert!(scrape.families.contains_key(scrape.family(series)), "{line}");
                let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                assert!(scrape.series.insert(series.to_owned(), value).is_none(), "twice: {line}");
            }
        }
        scrape
    }

    /// The family that a series belongs to.
    fn family<'a>(&self, series: &'a str) -> &'a str {
        let name = series.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        base.filter(|base| self.families.get(*base).is_some_and(|kind| kind == "histogram"))
            .unwrap_or(name)
    }

    /// The value of a series that must be there.
    fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("there is no {series}"))
    }
}

/// Labels are `name="value"` pairs, with names that Prometheus takes.
fn check_labels(series: &str) {
    let Some((_, labels)) = series.split_once('{') else { return };
    let labels = labels.strip_suffix("\"}").unwrap_or_else(|| panic!("{series}"));
    for label in labels.split("\",") {
        let (name, _value) = label.split_once("=\"").unwrap_or_else(|| panic!("{series}"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{series}");
    }
}

/// The names that the page explains, each with its type.
fn explained() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics-reference.md");
    let text = fs::read_to_string(page).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        let (kind, _) = rest.split_once(' ').unwrap();
        (name.to_owned(), kind.to_owned())
    })
    .collect()
}

/// Every series of a scrape has the labels that are said of its metric, with values that are said of them; and everything that is
/// said to be there always is there.
fn holds_to_what_is_said(scrape: &Scrape) {
    let metrics = Metrics::new("", Timestamp::from_unix_ms(0));
    for facts in metrics.facts() {
        let of_it = scrape.series.keys().filter(|series| scrape.family(series) == facts.name);
        let mut told: Vec<BTreeMap<&str, &str>> = of_it.map(|series| labels_of(series)).collect();
        for labels in &mut told {
            // The bounds of a histogram's buckets.
            labels.remove("le");
        }
        let names: BTreeSet<&str> = facts.labels.iter().map(|label| label.name).collect();
        for labels in &told {
            assert_eq!(labels.keys().copied().collect::<BTreeSet<_>>(), names, "{}", facts.name);
        }
        for label in &facts.labels {
            let LabelValues::Listed(values) = &label.values else { continue };
            let said: BTreeSet<&str> = values.iter().map(|(value, _)| *value).collect();
            let found: BTreeSet<&str> = told.iter().map(|labels| labels[label.name]).collect();
            assert!(found.is_subset(&said), "{}: {found:?}", facts.name);
            let is_whole = facts.presence != Presence::Always || found == said;
            assert!(is_whole, "{} lacks values of {}: {found:?}", facts.name, label.name);
        }
        if facts.presence == Presence::Always {
            assert!(!told.is_empty(), "{} is not told", facts.name);
        }
    }
}

/// The labels of a series.
fn labels_of(series: &str) -> BTreeMap<&str, &str> {
    let Some((_, labels)) = series.split_once('{') else { return BTreeMap::new() };
    let labels = labels.trim_end_matches("\"}").split("\",");
    labels.map(|label| label.split_once("=\"").unwrap()).collect()
}

/// Two nodes on a devnet; the first has three coins.
async fn pair(devnet: &TestDevnet, folder: &Path) -> (Node, Node) {
    let cookie = folder.join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    mine(devnet, 1);
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let (alice, bob) = tokio::join!(Node::start(&backend), Node::start(&backend));
    let params = json!([3, alice.address().await]);
    devnet.rpc("generatetoaddress", params).unwrap();
    mine(devnet, 101);
    alice.follows().await;
    alice.connect(&bob).await;
    (alice, bob)
}

fn mine(devnet: &TestDevnet, blocks: u64) {
    devnet.rpc("generatetodescriptor", json!([blocks, "raw(51)"])).unwrap();
}

/// Opens a contract that charges one satoshi for each call, and calls it once.
async fn call_a_contract(alice: &mut Node, bob: &Node, channel_id: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/metered/metered.wasm");
    let wasm = fs::read(file).unwrap();
    let module = alice.client().add_module(wasm.clone()).await.unwrap();
    bob.client().add_module(wasm).await.unwrap();
    let request = OpenContractRequest {
        channel_id: channel_id.to_owned(),
        module_hash: module.module_hash,
        params_hex: format!("00{COLLATERAL_MSAT:016x}01{:016x}{:016x}", 0, 1_000),
        collateral_opener_msat: COLLATERAL_MSAT,
        collateral_acceptor_msat: 0,
        limits: ContractLimits::default(),
    };
    let key = alice.key();
    let contract = alice.client().open_contract(&key, &request).await.unwrap().contract_id;
    let (key, act) = (alice.key(), ActRequest::single(format!("01{:08x}", 1)));
    assert_eq!(alice.client().act(&key, &contract, &act).await.unwrap().count, 1);
}

/// Opens a channel, pays, runs a contract and holds what the nodes tell against it.
async fn work(devnet: &TestDevnet, folder: &Path) {
    let (mut alice, bob) = pair(devnet, folder).await;
    let before = Scrape::parse(&alice.scrape());
    let channel = alice.open(&bob, CAPACITY_SAT).await.channel_id;
    mine(devnet, 3);
    for node in [&alice, &bob] {
        node.reaches(&channel, ChannelPhase::Open).await;
    }
    let (key, payment) = (alice.key(), PaymentRequest::single(channel.clone(), 5_000_000));
    alice.client().pay(&key, &payment).await.unwrap();
    let too_much = PaymentRequest::single(channel.clone(), 2 * CAPACITY_SAT * 1_000);
    let (key, payment) = (alice.key(), too_much);
    alice.client().pay(&key, &payment).await.unwrap_err();
    call_a_contract(&mut alice, &bob, &channel).await;
    let confirmed = alice.confirmed_sat().await;
    let after = until("the gauges are renewed", async || {
        let scrape = Scrape::parse(&alice.scrape());
        let wallet = scrape.value("strait_wallet_balance_sat{kind=\"confirmed\"}");
        let open = scrape.value("strait_channels{state=\"open\"}");
        let theirs = scrape.value("strait_channel_balance_sat{side=\"counterparty\"}");
        let renewed = as_count(wallet) == confirmed && open == 1.0 && as_count(theirs) == PAID_SAT;
        renewed.then_some(scrape)
    })
    .await;
    moved(&before, &after);
    holds(&after, &bob);
}

/// Every name of the list, and what an operator misses without, went up.
fn moved(before: &Scrape, after: &Scrape) {
    for series in [
        "strait_channels_created_total",
        "strait_messages_sent_total",
        "strait_messages_received_total",
        "strait_signatures_verified_total",
        "strait_signatures_made_total",
        "strait_events_appended_total",
        "strait_append_duration_seconds_count",
        "strait_payments_total{direction=\"sent\"}",
        "strait_payment_latency_seconds_count",
        "strait_contract_calls_total{result=\"answered\"}",
        "strait_command_duration_seconds_count{command=\"pay\"}",
        "strait_commands_refused_total{command=\"pay\"}",
        "strait_decision_duration_seconds_count",
        "strait_effect_duration_seconds_count",
        "strait_net_bytes_total{direction=\"sent\"}",
        "strait_net_frames_total{direction=\"received\"}",
        "strait_policy_decisions_total{decision=\"admitted\",policy=\"rate_limit\",site=\"peer\"}",
    ] {
        assert!(after.value(series) > before.value(series), "{series} did not move");
    }
    // The log's files are written over before they grow.
    let size = "strait_event_log_size_bytes";
    assert!(before.value(size) > 0.0 && after.value(size) >= before.value(size));
    // The node derived its state once, when it started.
    assert_eq!(after.value("strait_derivation_duration_seconds_count"), 1.0);
}

/// What the gauges tell is what is so, and the page explains exactly what is told.
fn holds(after: &Scrape, bob: &Node) {
    let sat = |side: &str| {
        as_count(after.value(&format!("strait_channel_balance_sat{{side=\"{side}\"}}")))
    };
    assert_eq!(sat("holder") + sat("counterparty"), CAPACITY_SAT);
    assert!(after.value("strait_fee_reserve_required_sat") > 0.0);
    // The one peer that it keeps was dialled once; nobody was turned away.
    for (policy, decision, count) in [
        ("retry", "admitted", 1.0),
        ("bulkhead", "admitted", 1.0),
        ("bulkhead", "refused", 0.0),
        ("rate_limit", "refused", 0.0),
    ] {
        let labels = format!("decision=\"{decision}\",policy=\"{policy}\",site=\"peer\"");
        let series = format!("strait_policy_decisions_total{{{labels}}}");
        assert_eq!(after.value(&series), count, "{series}");
    }
    let paid = "strait_api_requests_total{method=\"POST\",route=\"/v1/payments\",status=\"200\"}";
    assert_eq!(after.value(paid), 1.0);
    let mut explained = explained();
    // A zero would be a certificate that expired long ago, so that it is not there without TLS.
    explained.remove("strait_tls_certificate_expiry_timestamp_seconds");
    assert_eq!(explained, after.families, "left: docs/metrics-reference.md, right: the node");
    holds_to_what_is_said(after);
    let bob = Scrape::parse(&bob.scrape());
    assert_eq!(bob.value("strait_payments_total{direction=\"received\"}"), 1.0);
}

/// A gauge's value as the count that it is.
fn as_count(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap()
}

#[test]
fn what_happens_shows_in_metrics_that_the_page_explains() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, folder.path()));
}
