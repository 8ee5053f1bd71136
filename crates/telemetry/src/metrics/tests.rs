//! What a scraper reads: names, help, types and values.

mod page;

use std::collections::BTreeSet;
use std::time::Duration;

use strait_primitives::{BlockHeight, EventSeq, Sats, Side, Timestamp};

use super::{
    CallResult, ChainErrorKind, ChannelPhase, CloseStep, CommandName, DeadlineKind, Direction,
    EffectKind, ErrorKind, ForceCloseReason, FundingSpender, LockPhase, LockReturn, Metrics,
    NetTotals, OpeningStep, Queue, WalletBalance,
};
use crate::health::{Component, Health};

fn metrics() -> Metrics {
    Metrics::new("1.2.3", Timestamp::from_unix_ms(1_700_000_000_500))
}

/// Applies a change and expects a line of the text.
fn check(change: impl Fn(&Metrics), line: &str) {
    let metrics = metrics();
    change(&metrics);
    let text = metrics.render();
    assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
}

#[test]
fn every_change_shows_in_its_line() {
    check(|_| {}, "strait_build_info{version=\"1.2.3\"} 1");
    check(|_| {}, "strait_start_time_seconds 1700000000.5");
    check(|m| m.channel_created(), "strait_channels_created_total 1");
    check(|m| m.messages_sent(3), "strait_messages_sent_total 3");
    check(|m| m.messages_received(4), "strait_messages_received_total 4");
    check(|m| m.signatures_verified(5), "strait_signatures_verified_total 5");
    check(|m| m.signatures_made(6), "strait_signatures_made_total 6");
    check(|m| m.set_channels(ChannelPhase::Open, 2), "strait_channels{state=\"open\"} 2");
    let balance = Sats::from_const(50_000);
    check(
        |m| m.set_channel_balance(Side::Holder, balance),
        "strait_channel_balance_sat{side=\"holder\"} 50000",
    );
    check(
        |m| m.set_wallet_balance(WalletBalance::Reserved, balance),
        "strait_wallet_balance_sat{kind=\"reserved\"} 50000",
    );
    let second = Duration::from_secs(1);
    check(|m| m.derived(3, second), "strait_derivation_duration_seconds_sum 1");
    check(|m| m.derived(3, second), "strait_events_derived_total 3");
    check(|m| m.decided(second), "strait_decision_duration_seconds_sum 1");
    check(|m| m.effects_done(second), "strait_effect_duration_seconds_sum 1");
    check(|m| m.set_event_log_size(4_096), "strait_event_log_size_bytes 4096");
    check(|m| m.set_disk_free(8_192), "strait_disk_free_bytes 8192");
    check(|m| m.set_disk_low(1), "strait_disk_low 1");
    check(|m| m.set_ship_same_disk(1), "strait_ship_same_disk 1");
    check(|m| m.batch_appended(10, second), "strait_events_appended_total 10");
    check(|m| m.batch_appended(10, second), "strait_append_duration_seconds_count 1");
    check(|m| m.batch_appended(10, second), "strait_append_batch_events_sum 10");
    check(|m| m.payments(Direction::Sent, 7), "strait_payments_total{direction=\"sent\"} 7");
    check(|m| m.payment_took(second), "strait_payment_latency_seconds_sum 1");
    check(|m| m.round_finished(64), "strait_round_operations_bucket{le=\"64\"} 1");
    check(|m| m.set_peers_connected(8), "strait_peers_connected 8");
    check(|m| m.set_chain_height(BlockHeight::new(9)), "strait_chain_height 9");
    check(
        |m| m.chain_error(ChainErrorKind::Unreachable),
        "strait_chain_errors_total{kind=\"unreachable\"} 1",
    );
    check(
        |m| m.contract_called(CallResult::Trapped, second),
        "strait_contract_calls_total{result=\"trapped\"} 1",
    );
    check(
        |m| m.contract_called(CallResult::Trapped, second),
        "strait_contract_call_duration_seconds_sum{result=\"trapped\"} 1",
    );
    check(|m| m.error(ErrorKind::Store), "strait_errors_total{kind=\"store\"} 1");
    check(
        |m| m.set_setting("reconnect_ms_max", 60_000.0),
        "strait_setting{key=\"reconnect_ms_max\"} 60000",
    );
    check(
        |m| m.set_setting_words([("log_level", "info")]),
        "strait_setting_info{key=\"log_level\",value=\"info\"} 1",
    );
}

#[test]
fn ends_of_channels_requests_and_queues_show_in_their_lines() {
    check(|m| m.channel_settled(), "strait_channels_settled_total 1");
    check(
        |m| m.force_closed(ForceCloseReason::PeerLost),
        "strait_force_closes_total{reason=\"peer_lost\"} 1",
    );
    check(
        |m| m.funding_spent(FundingSpender::CounterpartyRevoked),
        "strait_channel_funding_spent_total{by=\"counterparty_revoked\"} 1",
    );
    check(|m| m.penalty_taken(), "strait_penalty_outputs_total 1");
    check(|m| m.set_claims_pending(2), "strait_claims_pending 2");
    check(|m| m.set_fee_reserve(Sats::from_const(9)), "strait_fee_reserve_required_sat 9");
    check(|m| m.set_reserve_available(Sats::from_const(8)), "strait_fee_reserve_available_sat 8");
    check(|m| m.set_reserve_coins(3), "strait_fee_reserve_coins 3");
    check(|m| m.set_reserve_coins_required(4), "strait_fee_reserve_coins_required 4");
    let second = Duration::from_secs(1);
    check(
        |m| m.command_answered(CommandName::OpenChannel, second),
        "strait_command_duration_seconds_count{command=\"open_channel\"} 1",
    );
    check(
        |m| m.command_refused(CommandName::Pay),
        "strait_commands_refused_total{command=\"pay\"} 1",
    );
    check(|m| m.command_asked(), "strait_commands_waiting 1");
    check(
        |m| {
            m.command_asked();
            m.command_left();
        },
        "strait_commands_waiting 0",
    );
    check(|m| m.set_queue_length(Queue::Inbox, 4), "strait_queue_length{queue=\"inbox\"} 4");
    check(
        |m| {
            m.queue_entered(Queue::Outbox);
            m.queue_entered(Queue::Outbox);
            m.queue_left(Queue::Outbox);
        },
        "strait_queue_length{queue=\"outbox\"} 1",
    );
    check(
        |m| m.api_answered("/v1/status", "GET", 200),
        "strait_api_requests_total{method=\"GET\",route=\"/v1/status\",status=\"200\"} 1",
    );
}

#[test]
fn what_takes_several_steps_shows_in_its_lines() {
    check(
        |m| m.set_openings(OpeningStep::Confirming, 2),
        "strait_openings{phase=\"confirming\"} 2",
    );
    check(|m| m.set_closes(CloseStep::Unsettled, 3), "strait_closes{phase=\"unsettled\"} 3");
    check(|_| {}, "strait_deadline_blocks{kind=\"penalty\"} inf");
    check(
        |m| m.set_deadline(DeadlineKind::HeldLock, Some(-3)),
        "strait_deadline_blocks{kind=\"held_lock\"} -3",
    );
    check(|m| m.effect(EffectKind::Reply), "strait_effects_total{kind=\"reply\"} 1");
}

#[test]
fn health_shows_in_its_lines() {
    let now = Timestamp::from_unix_ms(1_700_000_000_000);
    let health = Health::new();
    check(|m| m.set_health(&health, now), "strait_component_health{component=\"chain\"} 2");
    check(|m| m.set_health(&health, now), "strait_ready 0");
    Component::ALL.iter().for_each(|component| health.started(*component));
    check(|m| m.set_health(&health, now), "strait_component_health{component=\"chain\"} 0");
    check(|m| m.set_health(&health, now), "strait_ready 1");
    health.concerns(Component::Store, Some("little room".into()));
    check(|m| m.set_health(&health, now), "strait_component_health{component=\"store\"} 1");
    check(|m| m.set_log_head(EventSeq::new(7)), "strait_log_head 7");
    check(Metrics::fenced, "strait_fenced 1");
}

#[test]
fn locks_show_in_their_lines() {
    check(|m| m.set_locks(LockPhase::Held, 3), "strait_locks{state=\"held\"} 3");
    let value = Sats::from_const(70);
    check(
        |m| m.set_locks_value(Direction::Sent, value),
        "strait_locks_value_sat{direction=\"sent\"} 70",
    );
    check(|m| m.lock_offered(Direction::Sent), "strait_locks_offered_total{direction=\"sent\"} 1");
    check(
        |m| m.lock_claimed(Direction::Received),
        "strait_locks_claimed_total{direction=\"received\"} 1",
    );
    check(
        |m| m.lock_cancelled(Direction::Sent),
        "strait_locks_cancelled_total{direction=\"sent\"} 1",
    );
    check(|m| m.lock_forwarded(), "strait_locks_forwarded_total 1");
    check(
        |m| m.lock_returned(LockReturn::NoRoute),
        "strait_locks_returned_total{reason=\"no_route\"} 1",
    );
    check(|m| m.lock_expired(), "strait_locks_expired_total 1");
}

#[test]
fn totals_of_the_network_are_taken_over_and_never_fall() {
    let totals = NetTotals { bytes_sent: 10, throttled: 2, ..NetTotals::default() };
    let later = NetTotals { bytes_sent: 25, throttled: 2, ..NetTotals::default() };
    let told = |m: &Metrics| {
        m.set_network(&totals, 7);
        m.set_network(&later, 5);
        m.set_network(&totals, 3);
    };
    check(told, "strait_net_bytes_total{direction=\"sent\"} 25");
    check(told, "strait_net_throttled_total 2");
    check(told, "strait_net_queued_bytes 3");
}

#[test]
fn every_series_is_there_from_the_start_except_settings_and_requests() {
    let text = metrics().render();
    let strait = text.lines().filter(|line| line.starts_with("strait_"));
    let families: BTreeSet<&str> =
        strait.filter_map(|line| line.split(['{', ' ']).next()).collect();
    for label in ["direction=\"received\"", "state=\"closing\"", "kind=\"bad_answer\"", "side="] {
        assert!(text.contains(label), "{label}");
    }
    for absent in ["strait_setting", "strait_setting_info", "strait_api_requests_total"] {
        assert!(!families.contains(absent), "{absent} has no series before it is told");
    }
    // Each of the 9 histograms has three names.
    assert_eq!(families.len(), 77 + 9 * 2, "{families:?}");
}

#[test]
fn the_text_has_help_and_type_before_each_family_and_ends_with_a_newline() {
    let text = metrics().render();
    assert!(text.ends_with('\n'));
    let mut described = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(_)) => {
                assert!(described.insert(name), "{name} is described twice");
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                assert!(described.contains(name), "{name} has no help");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            }
            (Some(series), Some(value), None, None) => {
                let name = series.split('{').next().unwrap();
                let base = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| name.strip_suffix(suffix))
                    .unwrap_or(name);
                assert!(described.contains(base), "{name} has no help");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
            _ => assert!(line.starts_with('#'), "{line}"),
        }
    }
}
