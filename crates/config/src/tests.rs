//! Rows of configurations and what becomes of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::keys::{self, Takes};
use crate::*;

const LEAST: &str = r#"
    rpc_url = "http://127.0.0.1:18443"
    data_dir = "/var/lib/strait"
    [chain]
    network = "regtest"
"#;

fn load_text(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    fs::write(&path, text).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let setting = |(key, value): &(&str, &str)| Setting {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "--set",
    };
    let flags: Vec<Setting> = flags.iter().map(setting).collect();
    let shown = |error: ConfigError| error.to_string().replace(&path.display().to_string(), "FILE");
    load(Some(&path), env, &flags).map_err(shown)
}

/// Lays lines over the least configuration and expects exactly these problems.
fn check_refused(lines: &str, expect: &[&str]) {
    let text = format!("{}\n{LEAST}", lines.split("---").next().unwrap_or_default());
    let text = format!("{text}\n{}", lines.split("---").nth(1).unwrap_or_default());
    let problems = load_text(&text, &[], &[]).unwrap_err();
    assert_eq!(problems.lines().collect::<Vec<_>>(), expect, "{lines}");
}

#[test]
fn the_least_configuration_is_three_keys() {
    let loaded = load_text(LEAST, &[], &[]).unwrap();
    let config = &loaded.config;
    assert_eq!(config.chain.network, Network::Regtest);
    assert_eq!(config.api.token_file, Path::new("/var/lib/strait/api.token"));
    assert_eq!(config.contracts.allow, ContractPolicy::Listed(Vec::new()));
    assert!(config.api.listen.ip().is_loopback());
    let empty = load_text("", &[], &[]).unwrap_err();
    for key in ["rpc_url", "data_dir", "chain.network"] {
        assert!(empty.contains(&format!("{key} (default): this must be set")), "{empty}");
    }
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file() {
    let check = |env: &[(&str, &str)], flags: &[(&str, &str)], delay: u32, source: &str| {
        let text = format!("{LEAST}\n[channel]\ndelay_blocks = 100\n");
        let loaded = load_text(&text, env, flags).unwrap();
        assert_eq!(loaded.config.channel.delay.to_u32(), delay);
        assert!(loaded.source("channel.delay_blocks").to_string().starts_with(source));
    };
    let env = [("STRAIT_CHANNEL__DELAY_BLOCKS", "200")];
    let flags = [("channel.delay_blocks", "300")];
    check(&[], &[], 100, "file ");
    check(&env, &[], 200, "env STRAIT_CHANNEL__DELAY_BLOCKS");
    check(&env, &flags, 300, "flag --set");
    assert_eq!(load_text(LEAST, &[], &[]).unwrap().source("log_level"), Source::Default);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    check_refused(
        "log_levle = \"info\"",
        &["log_levle = \"info\" (file FILE): there is no such key; log_level was meant"],
    );
    check_refused(
        "---[channel]\ndelay_block = 9",
        &[
            "channel.delay_block = 9 (file FILE): there is no such key; channel.delay_blocks was meant",
        ],
    );
    check_refused(
        "banana = 1",
        &["banana = 1 (file FILE): there is no such key; docs/settings.md lists them"],
    );
    check_refused("store = 1", &["store = 1 (file FILE): this is a section: write [store]"]);
    let error = load_text(LEAST, &[("STRAIT_LOG_LEVL", "info")], &[]).unwrap_err();
    assert!(error.contains("STRAIT_LOG_LEVEL was meant"), "{error}");
    let error = load_text(LEAST, &[], &[("api.lisen", "x")]).unwrap_err();
    assert!(error.contains("(flag --set): there is no such key; api.listen was meant"), "{error}");
}

#[test]
fn variables_of_others_are_ignored_and_told() {
    let env =
        [("STRAIT_PORT_9736_TCP_ADDR", "10.0.0.1"), ("STRAIT_API", "http://x:1"), ("HOME", "/")];
    let loaded = load_text(LEAST, &env, &[]).unwrap();
    assert_eq!(loaded.ignored_variables, ["STRAIT_PORT_9736_TCP_ADDR"]);
}

#[test]
fn bad_values_are_refused_with_key_value_source_and_what_is_right() {
    check_refused(
        "metrics_port = 65536",
        &["metrics_port = 65536 (file FILE): from 0 to 65535 is right"],
    );
    check_refused(
        "metrics_port = -1",
        &["metrics_port = -1 (file FILE): a whole number is right, not negative"],
    );
    check_refused("log_level = 3", &["log_level = 3 (file FILE): text is right"]);
    check_refused(
        "---[channel]\ndelay_blocks = 5\nconfirmations = 0",
        &[
            "channel.delay_blocks = 5 (file FILE): from 6 to 2016 is right",
            "channel.confirmations = 0 (file FILE): from 1 to 144 is right",
        ],
    );
    check_refused(
        "---[channel]\ncapacity_sat_min = 5000\ncapacity_sat_max = 4000",
        &["channel.capacity_sat_max = 4000 (file FILE): from 5000 to 2100000000000000 is right"],
    );
    check_refused(
        "---[locks]\nper_channel_max = 91\namount_sat_min = 0\nmargin_blocks = 2\nforward = 1\nfee_millionths = 2000000",
        &[
            "locks.forward = 1 (file FILE): true or false is right",
            "locks.per_channel_max = 91 (file FILE): from 0 to 90 is right",
            "locks.amount_sat_min = 0 (file FILE): from 1 to 100000000 is right",
            "locks.margin_blocks = 2 (file FILE): from 3 to 144 is right",
            "locks.fee_millionths = 2000000 (file FILE): from 0 to 1000000 is right",
        ],
    );
    check_refused(
        "---[locks]\namount_sat_min = 5000\nvalue_per_peer_sat_max = 4000",
        &[
            "locks.value_per_peer_sat_max = 4000 (file FILE): from 5000 to 2100000000000000 is right",
        ],
    );
    check_refused(
        "---[api]\nlisten = \"0.0.0.0:1\"",
        &[
            "api.listen = \"0.0.0.0:1\" (file FILE): this can be reached from other machines, and tokens would cross the network as they are: a loopback address is right, or api.tls_certificate_file and api.tls_key_file, or api.allow_remote_without_tls = true behind a proxy that has TLS",
        ],
    );
    check_refused(
        "---[contracts]\nallow = [\"abc\"]",
        &[
            "contracts.allow = \"abc\" (file FILE): \"added\", or module hashes of 64 hex digits, is right",
        ],
    );
    check_refused(
        "p2p_listen = \"127.0.0.1:9736\"",
        &[
            "p2p_listen = \"127.0.0.1:9736\" (file FILE): /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1, or the same with ip6, is right",
        ],
    );
    check_refused(
        "---[wallet]\nseed_file = \"seed\"",
        &[
            "wallet.seed_file = \"seed\" (file FILE): an absolute path is right, so that it means the same everywhere",
        ],
    );
    let error = load_text(LEAST, &[("STRAIT_METRICS_PORT", "many")], &[]).unwrap_err();
    assert_eq!(
        error,
        "metrics_port = \"many\" (env STRAIT_METRICS_PORT): a whole number is right, not negative"
    );
    let error = load_text(LEAST, &[], &[("chain.network", "main")]).unwrap_err();
    assert!(error.contains("regtest, signet, testnet4 or mainnet is right"), "{error}");
    let error = load_text(LEAST, &[], &[("rpc_url", "http://user:sesame@h:1")]).unwrap_err();
    assert!(error.contains("chain.cookie_file") && !error.contains("sesame"), "{error}");
    assert!(load_text("rpc_url = ", &[], &[]).unwrap_err().contains("is not TOML"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_once() {
    let flags = [("banana", "1"), ("metrics_port", "70000"), ("rpc_url", "ftp://h")];
    let error = load_text(LEAST, &[("STRAIT_STORE__SNAPSHOT_EVERY_EVENTS", "few")], &flags);
    let error = error.unwrap_err();
    let keys: Vec<&str> = error.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(keys, ["store.snapshot_every_events", "banana", "metrics_port", "rpc_url"]);
    check_refused(
        "p2p_listen = 3",
        &["p2p_listen = 3 (file FILE): text or a list of texts is right"],
    );
}

#[test]
fn texts_have_shapes() {
    let check = |shape: fn(&str) -> bool, text: &str, fits: bool| {
        assert_eq!(shape(text), fits, "{text}");
    };
    check(shape::is_plain_url, "http://127.0.0.1:8332", true);
    check(shape::is_plain_url, "http://[::1]:8332/", true);
    check(shape::is_plain_url, "http://bitcoind:8332/wallet", false);
    check(shape::is_plain_url, "https://127.0.0.1:8332", false);
    check(shape::is_plain_url, "http://127.0.0.1", false);
    check(shape::is_multiaddr, "/ip6/::/udp/9736/quic-v1", true);
    check(shape::is_multiaddr, "/ip4/127.0.0.1/tcp/0", true);
    check(shape::is_multiaddr, "/ip4/::/tcp/1", false);
    check(shape::is_multiaddr, "/ip4/127.0.0.1/udp/1", false);
    check(shape::is_log_level, "info,strait_net=debug", true);
    check(shape::is_log_level, "verbose", false);
    check(shape::is_log_level, "info,", false);
}

#[test]
fn a_variable_takes_lists_and_switches() {
    let env = [
        ("STRAIT_P2P_LISTEN", "/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2"),
        ("STRAIT_CHANNEL__ACCEPT_INBOUND", "false"),
        ("STRAIT_CONTRACTS__ALLOW", "added"),
    ];
    let config = load_text(LEAST, &env, &[]).unwrap().config;
    assert_eq!(config.p2p_listen.len(), 2);
    assert!(!config.channel.accept_inbound);
    assert_eq!(config.contracts.allow, ContractPolicy::Added);
}

#[test]
fn a_dump_loads_to_the_same_configuration_and_tells_sources() {
    let text = format!("{LEAST}\n[contracts]\nallow = \"added\"\n");
    let loaded = load_text(&text, &[("STRAIT_LOG_LEVEL", "warn")], &[]).unwrap();
    let dump = loaded.dump();
    assert!(dump.contains("log_level = \"warn\" # env STRAIT_LOG_LEVEL"), "{dump}");
    assert!(dump.contains("metrics_port = 9738 # default"), "{dump}");
    assert_eq!(load_text(&dump, &[], &[]).unwrap().config, loaded.config);
}

#[test]
fn numbers_become_gauges() {
    let gauges = load_text(LEAST, &[], &[]).unwrap().config.gauges();
    assert!(gauges.contains(&("channel.delay_blocks", 144.0)));
    assert!(gauges.contains(&("channel.accept_inbound", 1.0)));
    assert!(gauges.iter().all(|(key, _)| *key != "rpc_url"));
}

/// The fields of the file and the dump are two places that name every key; they must agree.
#[test]
fn every_key_is_named_in_every_place() {
    let known: Vec<&str> = keys::all().map(|key| key.path).collect();
    let once: BTreeSet<&str> = known.iter().copied().collect();
    assert_eq!(once.len(), known.len(), "{known:?}");
    let config = load_text(LEAST, &[], &[]).unwrap().config;
    assert_eq!(shown::effective_keys(&config), known);
    for section in Section::all() {
        assert!(section.keys.iter().all(|key| key.path.starts_with(section.prefix)), "{section:?}");
    }
    let top = keys::all().filter(|key| !key.path.contains('.')).count();
    assert_eq!(top, Section::all()[0].keys.len());
}

#[test]
fn a_key_tells_what_it_takes_and_what_holds_without_it() {
    let told = |path: &str| {
        let key = keys::find(path).unwrap();
        [key.takes(), key.default(), key.variable(), key.flag()]
    };
    assert_eq!(
        told("channel.delay_blocks"),
        [
            "blocks, 6 to 2016",
            "`144`",
            "STRAIT_CHANNEL__DELAY_BLOCKS",
            "--set channel.delay_blocks=…"
        ]
    );
    assert_eq!(
        told("locks.value_per_peer_sat_max")[0],
        "sat, `locks.amount_sat_min` to 2100000000000000"
    );
    assert_eq!(
        told("log_level")[1..],
        ["`\"info\"`", "STRAIT_LOG_LEVEL", "--log-level …"].map(String::from)
    );
    assert_eq!(told("wallet.seed_file")[1], "`seed` in `data_dir`");
    assert_eq!(told("data_dir")[1], "none, it must be set");
    assert_eq!(told("ship.folder")[1], "not set");
    let secret: Vec<&str> = keys::all().filter(|key| key.is_secret()).map(Key::path).collect();
    let expect = [
        "api.token_file",
        "api.tls_key_file",
        "chain.cookie_file",
        "wallet.seed_file",
        "wallet.seed_passphrase_file",
    ];
    assert_eq!(secret, expect);
}

/// The unit of a bare number stands in its name; what is told of it must not differ.
#[test]
fn units_are_those_of_the_names() {
    let units = [
        ("sat_per_kvb", "sat/kvB"),
        ("msat", "msat"),
        ("sat", "sat"),
        ("ms", "ms"),
        ("blocks", "blocks"),
        ("bytes", "bytes"),
        ("events", "events"),
        ("percent", "%"),
        ("permille", "‰"),
        ("millionths", "millionths"),
    ];
    for key in keys::all() {
        let Takes::Number(number) = key.takes else { continue };
        let name = format!("_{}_", key.path.rsplit('.').next().unwrap());
        let named = units.iter().find(|(suffix, _)| name.contains(&format!("_{suffix}_")));
        let unit_of_name = named.map_or(number.unit, |(_, unit)| unit);
        assert_eq!(number.unit, unit_of_name, "{}", key.path);
        assert!(number.least < number.most, "{}", key.path);
        for other in [number.not_below, number.not_above].into_iter().flatten() {
            assert!(keys::find(other).is_some(), "{} names {other}", key.path);
        }
    }
}

#[test]
fn the_example_configurations_are_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    let expect = [
        ("devnet.toml", Network::Regtest),
        ("mainnet.toml", Network::Mainnet),
        ("regtest.toml", Network::Regtest),
        ("signet.toml", Network::Signet),
    ];
    let found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let found: BTreeSet<String> = found.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(found, expect.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, network) in expect {
        let path = folder.join(name);
        let loaded = load(Some(&path), [], &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.config.chain.network, network, "{name}");
        // bitcoind and the devnet let nobody in without it.
        assert!(loaded.config.chain.cookie_file.is_some(), "{name}");
    }
}

#[test]
fn a_running_configuration_is_changed_with_the_checks_of_the_start() {
    let running = load_text(LEAST, &[], &[]).unwrap();
    let change = |key: &str, value: NewValue| {
        running.changed(&[Change { key: key.to_owned(), value }]).map_err(|e| e.to_string())
    };
    let changed = change("log_level", NewValue::Text("warn".into())).unwrap();
    assert_eq!(changed.config.log_level, "warn");
    assert_eq!(changed.source("log_level"), Source::Request);
    assert_eq!(running.config.changed_keys(&changed.config), ["log_level"]);
    // Text stands for what a flag would say.
    let texts = [("net.peers_max", "7"), ("locks.forward", "false"), ("p2p_listen", "")];
    for (key, text) in texts {
        let changed = change(key, NewValue::Text(text.into())).unwrap();
        assert_eq!(running.config.changed_keys(&changed.config), [key]);
    }
    let refused = [
        ("log_level", NewValue::Number(1), "text is right"),
        ("net.peers_max", NewValue::Number(-1), "not negative"),
        ("net.peers_max", NewValue::Number(0), "from 1 to 10000 is right"),
        ("net.peers_maxx", NewValue::Number(1), "net.peers_max was meant"),
        ("locks.forward", NewValue::List(vec![]), "true or false is right"),
    ];
    for (key, value, words) in refused {
        let problem = change(key, value).unwrap_err();
        assert!(problem.contains(words) && problem.contains("(request)"), "{problem}");
    }
}

#[test]
fn keys_are_taken_over_with_their_sources_and_what_does_not_go_together_is_refused() {
    let running = load_text(LEAST, &[], &[]).unwrap();
    let text = format!(
        "log_level = \"warn\"\n{LEAST}\n[channel]\ncapacity_sat_max = 10000\ncapacity_sat_min = 5000\n"
    );
    let next = load_text(&text, &[], &[]).unwrap();
    let mixed = running.with_keys_of(&next, &["log_level"]).unwrap();
    assert_eq!(running.config.changed_keys(&mixed.config), ["log_level"]);
    assert_eq!(mixed.source("log_level"), next.source("log_level"));
    let back = mixed.with_keys_of(&running, &["log_level"]).unwrap();
    assert_eq!(back.config, running.config);
    let problem = running.with_keys_of(&next, &["channel.capacity_sat_max"]).unwrap_err();
    assert!(problem.to_string().contains("from 20000"), "{problem}");
}
