//! What a demo says at its end: a table for people, one JSON object for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::chain::sum;
use super::error::DemoError;
use super::metering::USES;
use super::payments::{BATCH, BATCHES_IN_FLIGHT, LOOSE_IN_FLIGHT};
use super::progress::grouped;
use super::story::{Coins, Story};

/// The JSON object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Report {
    /// Payments that were made, all of them irrevocable.
    payments: u64,
    /// The rate of those made in batches.
    payments_per_second: f64,
    /// Of those that each waited for the one before.
    latency_ms: Latency,
    /// Actions of the contract that both sides ran.
    contract_calls: u64,
    /// The transaction that funded the channel.
    funding_txid: String,
    /// The transaction that closed it.
    closing_txid: String,
    /// Both wallets at the end.
    balances: Balances,
    /// Whether the wallets and the miners hold what the wallets held at the start.
    conserved: bool,
}

/// How long a payment takes from the request to its being irrevocable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Latency {
    /// Half of them took at most this.
    p50: f64,
    /// 99 of 100 took at most this.
    p99: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Balances {
    alice_sat: u64,
    bob_sat: u64,
}

impl Report {
    /// Works out the numbers.
    pub(super) fn new(story: &Story) -> Self {
        let Story { plan, paid, metered, after, .. } = story;
        let all = sum([1, plan.many(), plan.loose(), plan.singles])
            .expect("a plan makes at most 100,000,000");
        Self {
            payments: all,
            payments_per_second: rate(plan.many(), paid.many_took),
            latency_ms: Latency {
                p50: millis(percentile(&paid.singles_took, 50)),
                p99: millis(percentile(&paid.singles_took, 99)),
            },
            contract_calls: metered.calls,
            funding_txid: story.funding_txid.clone(),
            closing_txid: story.closing_txid.clone(),
            balances: Balances { alice_sat: after.alice_sat, bob_sat: after.bob_sat },
            conserved: audit(story).is_ok(),
        }
    }
}

/// Checks that nothing was lost or made: both wallets after, and what miners took, are both wallets before.
pub(super) fn audit(story: &Story) -> Result<(), DemoError> {
    let all = |coins: &Coins| sum([coins.alice_sat, coins.bob_sat]);
    let (start, end) = (all(&story.before), all(&story.after));
    let fees = sum(story.on_chain.iter().map(|transaction| transaction.fee_sat));
    let accounted = end.zip(fees).and_then(|(end, fees)| end.checked_add(fees));
    if start.is_some() && start == accounted {
        return Ok(());
    }
    Err(DemoError::NotConserved {
        start_sat: start.unwrap_or(u64::MAX),
        end_sat: end.unwrap_or(u64::MAX),
        fees_sat: fees.unwrap_or(u64::MAX),
    })
}

/// The table.
pub(super) fn table(story: &Story, report: &Report) -> String {
    let mut text = String::from("\n");
    activity_rows(story, report, &mut text);
    transaction_rows(story, &mut text);
    balance_rows(story, report, &mut text);
    text
}

fn activity_rows(story: &Story, report: &Report, text: &mut String) {
    let Story { plan, paid, metered, .. } = story;
    let mut row = |name: &str, count: u64, note: &str| {
        writeln!(text, "{name:<28}{:>16}   {note}", grouped(count)).expect("writing to a string");
    };
    let back = plan.back().map_or(0, |flow| flow.count);
    let note = format!("{} of them from bob to alice", grouped(back));
    row("payments, all irrevocable", report.payments, &note);
    let note = format!(
        "{}; {BATCH} to a request, {BATCHES_IN_FLIGHT} requests in flight each way",
        per_second(plan.many(), paid.many_took)
    );
    row("  in batches", plan.many(), &note);
    let note = format!(
        "{}; {LOOSE_IN_FLIGHT} requests in flight each way",
        per_second(plan.loose(), paid.loose_took)
    );
    row("  a request for each", plan.loose(), &note);
    let Latency { p50, p99 } = report.latency_ms;
    let note = format!(
        "{}; half of them within {p50:.2} ms, 99 of 100 within {p99:.2} ms",
        per_second(plan.singles, paid.singles_took.iter().sum())
    );
    row("  one at a time", plan.singles, &note);
    let spent = grouped(metered.spent_msat);
    let note = format!("{}; paid {spent} msat by the tariff", per_second(USES, metered.uses_took));
    row("contract calls", metered.calls, &note);
}

fn transaction_rows(story: &Story, text: &mut String) {
    text.push_str("\non the chain\n");
    for transaction in &story.on_chain {
        let role = match &transaction.txid {
            txid if *txid == story.funding_txid => "  funding",
            txid if *txid == story.closing_txid => "  closing",
            _ => "  other",
        };
        let (size, fee) = (grouped(transaction.size_vbytes), grouped(transaction.fee_sat));
        writeln!(text, "{role:<28}{size:>13} vB   {}, fee {fee} sat", transaction.txid)
            .expect("writing to a string");
    }
}

fn balance_rows(story: &Story, report: &Report, text: &mut String) {
    let Story { before, after, on_chain, .. } = story;
    let fees_sat = sum(on_chain.iter().map(|transaction| transaction.fee_sat)).unwrap_or(u64::MAX);
    writeln!(text, "\n{:<24}{:>20}{:>20}", "balances in sat", "before", "after")
        .expect("writing to a string");
    let rows = [
        ("  alice", before.alice_sat, after.alice_sat),
        ("  bob", before.bob_sat, after.bob_sat),
        ("  miners' fees", 0, fees_sat),
    ];
    let total = |side: fn(&(&str, u64, u64)) -> u64| sum(rows.iter().map(side)).unwrap_or(u64::MAX);
    let last = ("  together", total(|row| row.1), total(|row| row.2));
    for (name, before, after) in rows.into_iter().chain([last]) {
        writeln!(text, "{name:<24}{:>20}{:>20}", grouped(before), grouped(after))
            .expect("writing to a string");
    }
    let verdict = if report.conserved { "yes, to the satoshi" } else { "NO" };
    writeln!(text, "\nconserved: {verdict}").expect("writing to a string");
}

fn per_second(count: u64, took: Duration) -> String {
    format!("{:.0} a second", rate(count, took))
}

/// How many a second, to a tenth.
fn rate(count: u64, took: Duration) -> f64 {
    let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
    let took_s = took.as_secs_f64();
    if took_s > 0.0 { (count / took_s * 10.0).round() / 10.0 } else { 0.0 }
}

/// Milliseconds, to a thousandth.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// The smallest duration that so many of 100 do not exceed; zero if there is none.
fn percentile(took: &[Duration], of_100: usize) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    let rank = sorted.len().saturating_mul(of_100).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::chain::OnChain;
    use super::super::metering::Metered;
    use super::super::payments::Plan;
    use super::super::story::Paid;
    use super::*;

    fn story(alice_sat: u64, fee_sat: u64) -> Story {
        let transaction =
            |txid: &str, fee_sat| OnChain { txid: txid.into(), size_vbytes: 150, fee_sat };
        Story {
            plan: Plan::new(2_000, 9_900_000_000),
            paid: Paid {
                many_took: Duration::from_millis(500),
                loose_took: Duration::from_secs(1),
                singles_took: (1..=500).map(Duration::from_micros).collect(),
            },
            metered: Metered { calls: 4_002, uses_took: Duration::from_secs(1), spent_msat: 5 },
            before: Coins { alice_sat: 1_000, bob_sat: 500 },
            after: Coins { alice_sat, bob_sat: 700 },
            funding_txid: "aa".into(),
            closing_txid: "bb".into(),
            on_chain: vec![transaction("aa", fee_sat), transaction("bb", 40)],
        }
    }

    #[test]
    fn conserved_is_true_only_if_every_satoshi_is_accounted_for() {
        let check = |alice_sat, fee_sat, expect| {
            assert_eq!(Report::new(&story(alice_sat, fee_sat)).conserved, expect);
        };
        check(750, 10, true);
        check(751, 10, false);
        check(750, 9, false);
        check(u64::MAX, 10, false);
    }

    #[test]
    fn the_json_is_one_object_of_the_agreed_shape() {
        let json = serde_json::to_string(&Report::new(&story(750, 10))).unwrap();
        assert_eq!(
            json,
            "{\"payments\":2000,\"payments_per_second\":2250.0,\"latency_ms\":{\"p50\":0.25,\"p99\":0.495},\
             \"contract_calls\":4002,\"funding_txid\":\"aa\",\"closing_txid\":\"bb\",\
             \"balances\":{\"alice_sat\":750,\"bob_sat\":700},\"conserved\":true}"
        );
    }

    #[test]
    fn the_table_names_each_transaction_and_both_sums() {
        let story = story(750, 10);
        let text = table(&story, &Report::new(&story));
        for part in ["  funding ", "  closing ", "aa, fee 10 sat", "1,500", "conserved: yes"] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }

    #[test]
    fn a_percentile_is_one_of_the_measured_values() {
        let took: Vec<Duration> = [30, 10, 20].map(Duration::from_millis).to_vec();
        let check = |took: &[Duration], of_100, expect_ms| {
            assert_eq!(percentile(took, of_100), Duration::from_millis(expect_ms));
        };
        check(&took, 50, 20);
        check(&took, 99, 30);
        check(&took, 1, 10);
        check(&[], 50, 0);
    }
}
