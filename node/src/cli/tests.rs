//! The command line in front of the real server and a scripted node, and its help.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use strait_api::scripted::{CHANNEL, CONTRACT, LOCK, MODULE, PREIMAGE, ScriptedNode};
use strait_api::{Listen, Options, Server, token};
use strait_api_types::EventKind;
use tempfile::TempDir;

use super::*;

/// A scripted node behind the real server, and the file with its token.
struct Node {
    scripted: Arc<ScriptedNode>,
    address: SocketAddr,
    token_file: PathBuf,
    folder: TempDir,
}

/// What a command did.
struct Done {
    exit: Exit,
    data: String,
    words: String,
}

impl Node {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("api.token");
        let token = token::load_or_create(&token_file).unwrap();
        let listen = Listen::loopback((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let scripted = Arc::new(ScriptedNode::default());
        let server =
            Server::bind(Options::new(listen, token), Arc::clone(&scripted)).await.unwrap();
        let address = server.local_addr();
        tokio::spawn(server.run(std::future::pending()));
        Self { scripted, address, token_file, folder }
    }

    /// Runs a client command against this node.
    async fn run(&self, line: &str) -> Done {
        let (api, token) = (format!("http://{}", self.address), self.token_file.display());
        run(&format!("--api {api} --token-file {token} {line}")).await
    }
}

async fn run(line: &str) -> Done {
    let cli = Cli::try_parse_from(["strait"].into_iter().chain(line.split(' '))).unwrap();
    let Command::Client(command) = &cli.command else {
        panic!("{line} asks no node");
    };
    let (mut data, mut words) = (Vec::new(), Vec::new());
    let result = run_client_command(&cli.globals, command, &mut data, &mut words).await;
    let exit = result.as_ref().map_or_else(CliError::exit, |()| Exit::Done);
    let mut words = String::from_utf8(words).unwrap();
    if let Err(error) = result {
        words.push_str(&format!("{error}\n{}\n", error.hint().unwrap_or_default()));
    }
    Done { exit, data: String::from_utf8(data).unwrap(), words }
}

#[tokio::test]
async fn every_client_command_reaches_the_node() {
    let node = Node::start().await;
    let wasm = node.folder.path().join("module.wasm");
    fs::write(&wasm, b"\0asm1234").unwrap();
    let peer = format!("02{}", "ab".repeat(32));
    let (hash, preimage) = ("aa".repeat(32), hex::encode(PREIMAGE.as_bytes()));
    let rows = [
        ("status".to_owned(), "chain.tip_height 101"),
        ("settings".to_owned(), "log_level info request default"),
        ("settings set log_level debug".to_owned(), "log_level debug request request"),
        ("peer list".to_owned(), "node_id connection"),
        (format!("peer connect {peer} /ip4/127.0.0.1/tcp/1"), "connection connected"),
        ("channel list".to_owned(), "open 1000"),
        (format!("channel show {CHANNEL}"), "spendable_msat"),
        (format!("channel open {peer} 5000 --fee-rate-sat-per-kvb 1000"), "negotiating"),
        (format!("channel close {CHANNEL}"), "closing"),
        (format!("channel close {CHANNEL} --force"), "force_closing"),
        (format!("pay {CHANNEL} 10 --count 3"), "total_msat 30"),
        (format!("lock offer {CHANNEL} 7000 {hash} 500 --hop {peer}:5000:400"), "state standing"),
        ("lock list".to_owned(), "role state"),
        ("lock list --state held --direction received".to_owned(), "payee held"),
        (format!("lock show {LOCK}"), "state held"),
        (format!("lock claim {LOCK} {preimage}"), "state claimed"),
        (format!("lock cancel {LOCK}"), "state cancelled"),
        (format!("contract add {}", wasm.display()), "size_bytes 8"),
        ("contract modules".to_owned(), "module_hash"),
        (format!("contract open {CHANNEL} {MODULE} --collateral-opener-msat 5"), "c0ffee"),
        (format!("contract act {CONTRACT} 00 01"), "count 2"),
        (format!("contract show {CONTRACT}"), "state_hex"),
        (format!("contract settle {CONTRACT}"), "holder_msat 4000"),
        ("contract list".to_owned(), "outcome_holder_msat"),
        ("recover".to_owned(), "quarantined restored connected 7 9 400000000 399000"),
        ("recover list".to_owned(), "close_brings_sat"),
        (format!("recover ask-peer {CHANNEL}"), "choice ask_peer"),
        (format!("recover approve {CHANNEL} --at-least-sat 5"), "approved_sat 5"),
        (format!("recover accept-loss {CHANNEL} --may-lose-sat 9"), "choice accept_loss"),
        ("wallet address".to_owned(), "bcrt1qscripted"),
        ("wallet balance".to_owned(), "reserve_sat 10000"),
        ("wallet send bcrt1q 500".to_owned(), "amount_sat 500"),
        ("wallet send bcrt1q all".to_owned(), "amount_sat 90000"),
    ];
    for (line, part) in rows {
        let done = node.run(&line).await;
        assert_eq!(done.exit, Exit::Done, "{line}: {}", done.words);
        let data = done.data.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(data.contains(part), "{line}: {data:?} lacks {part:?}");
        let json = node.run(&format!("--json {line}")).await;
        serde_json::from_str::<serde_json::Value>(&json.data).unwrap();
    }
}

#[tokio::test]
async fn a_payment_tells_its_key_first_and_the_key_pays_once() {
    let node = Node::start().await;
    let first = node.run(&format!("pay {CHANNEL} 700")).await;
    let key = first.words.split_whitespace().nth(2).unwrap().to_owned();
    let again = node.run(&format!("pay {CHANNEL} 700 --idempotency-key {key}")).await;
    assert_eq!((first.exit, &first.data), (Exit::Done, &again.data));
    assert_eq!(node.scripted.spendable().to_msat(), 999_300);
    let other = node.run(&format!("pay {CHANNEL} 1 --idempotency-key {key}")).await;
    assert_eq!(other.exit, Exit::Refused);
    assert!(other.words.contains("IDEMPOTENCY_KEY_REUSED"), "{}", other.words);
}

#[tokio::test]
async fn more_payments_than_a_batch_go_in_several_under_numbered_keys() {
    let node = Node::start().await;
    let line = format!("--json pay {CHANNEL} 1 --count 10000 --idempotency-key big");
    let done = node.run(&line).await;
    assert!(done.data.contains(r#""count": 10000"#), "{}", done.data);
    assert_eq!(node.run(&line).await.data, done.data);
    assert_eq!(node.scripted.spendable().to_msat(), 990_000);
}

#[tokio::test]
async fn a_new_preimage_needs_no_node_and_opens_its_hash() {
    let made = async || {
        let done = run("--json lock new-preimage").await;
        assert_eq!(done.exit, Exit::Done, "{}", done.words);
        let made: serde_json::Value = serde_json::from_str(&done.data).unwrap();
        let preimage = made["preimage"].as_str().unwrap().to_owned();
        assert!(!done.words.contains(&preimage), "{}", done.words);
        let hash = strait_payment::payment_hash_of(&preimage.parse().unwrap());
        assert_eq!(made["payment_hash"], hash.to_string());
        preimage
    };
    assert_ne!(made().await, made().await);
}

#[test]
fn a_hop_is_three_parts_and_a_preimage_on_the_line_is_not_shown() {
    let parse = |line: &str| Cli::try_parse_from(["strait"].into_iter().chain(line.split(' ')));
    for hop in ["x", "x:1", "x:1:2:3", "x:one:2", "x:1:-2"] {
        let refused = parse(&format!("lock offer c 1 h 2 --hop {hop}")).unwrap_err();
        assert!(refused.to_string().contains("NODE_ID:AMOUNT_MSAT:EXPIRY is right"), "{refused}");
    }
    let refused = parse("lock list --state lost").unwrap_err();
    assert!(refused.to_string().contains("one of proposed, standing, arrived, held"), "{refused}");
    let claim = parse("lock claim c-received-0 5ec4e7").unwrap();
    assert!(!format!("{claim:?}").contains("5ec4e7"), "{claim:?}");
}

#[tokio::test]
async fn a_dry_run_prints_the_request_and_sends_nothing() {
    let node = Node::start().await;
    let done = node.run(&format!("--json pay {CHANNEL} 700 --dry-run")).await;
    assert!(done.data.contains(r#""amount_msat": 700"#), "{}", done.data);
    assert!(done.words.contains("POST /v1/payments"), "{}", done.words);
    assert_eq!(node.scripted.questions(), Vec::<String>::new());
}

#[tokio::test]
async fn failures_have_their_exit_codes() {
    let node = Node::start().await;
    let check = |done: &Done, exit: Exit, part: &str| {
        assert_eq!(done.exit, exit, "{}", done.words);
        assert!(done.words.contains(part), "{}", done.words);
        assert_eq!(done.data, "");
    };
    let broke = node.run(&format!("pay {CHANNEL} 1000001")).await;
    check(&broke, Exit::Refused, "INSUFFICIENT_BALANCE");
    check(&node.run("channel show 12").await, Exit::Refused, "INVALID_FIELD");
    check(&node.run("wallet send bcrt1q much").await, Exit::Usage, "AMOUNT_SAT \"much\"");
    check(&node.run("contract add /nowhere.wasm").await, Exit::Failed, "/nowhere.wasm");
    let token = node.token_file.display();
    let gone = run(&format!("--api http://127.0.0.1:1 --token-file {token} status")).await;
    check(&gone, Exit::Unreachable, "is the node running");
    check(&run("--api http://127.0.0.1:1 status").await, Exit::Usage, "--token-file");
    fs::write(&node.token_file, "f".repeat(64)).unwrap();
    check(&node.run("status").await, Exit::Refused, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_configuration_tells_where_the_node_is() {
    let node = Node::start().await;
    let path = node.folder.path().join("node.toml");
    let text = format!(
        "rpc_url = \"http://127.0.0.1:1\"\ndata_dir = {:?}\n[chain]\nnetwork = \"regtest\"\n[api]\nlisten = \"{}\"\n",
        node.folder.path(),
        node.address
    );
    fs::write(&path, text).unwrap();
    let done = run(&format!("--config {} status", path.display())).await;
    assert_eq!(done.exit, Exit::Done, "{}", done.words);
}

#[tokio::test]
async fn events_are_one_a_line_to_the_end_of_the_log() {
    let node = Node::start().await;
    for height in 0..1_500 {
        node.scripted.happen(EventKind::BlockConnected { height, block_hash: "00".into() });
    }
    let done = node.run("events --from 2").await;
    assert_eq!(done.data.lines().count(), 1_499);
    let first = done.data.lines().next().unwrap();
    assert!(first.contains("seq=2") && first.contains("type=block_connected"), "{first}");
    let json = node.run("--json events --from 1500").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.data).unwrap()["height"], 1_499);
}

#[test]
fn config_check_and_dump_need_no_node() {
    let run = |line: &str| {
        let cli = Cli::try_parse_from(["strait"].into_iter().chain(line.split(' '))).unwrap();
        let Command::Config(command) = &cli.command else {
            panic!("{line} is no config command");
        };
        let (mut data, mut words) = (Vec::new(), Vec::new());
        let result = run_config_command(&cli.globals, command, [], &mut data, &mut words);
        (result, String::from_utf8(data).unwrap(), String::from_utf8(words).unwrap())
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/mainnet.toml");
    let (result, data, words) = run(&format!("config check --config {}", file.display()));
    assert!(result.is_ok() && data.is_empty() && words.contains("right"), "{result:?}");
    let flags = "--set channel.delay_blocks=300 --log-level debug";
    let (result, data, _) = run(&format!("config dump --config {} {flags}", file.display()));
    assert!(result.is_ok());
    assert!(data.contains("delay_blocks = 300 # flag --set"), "{data}");
    assert!(data.contains("log_level = \"debug\" # flag --log-level"), "{data}");
    let (result, ..) = run("config check --set channel.delay_blocks=1");
    let error = result.unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().contains("from 6 to 2016 is right"), "{error}");
    let json = |data: &str| serde_json::from_str::<serde_json::Value>(data).unwrap();
    let (result, data, _) = run(&format!("config check --json --config {}", file.display()));
    assert!(result.is_ok());
    assert_eq!(json(&data), serde_json::json!({ "right": true, "problems": [] }));
    let flags = "--config /nowhere.toml";
    let (result, data, _) = run(&format!("--json config check {flags}"));
    assert_eq!(result.unwrap_err().exit(), Exit::Usage);
    assert_eq!(json(&data)["right"], false);
    let line = format!("--json config check --config {}", file.display());
    let (result, data, _) = run(&format!("{line} --set channel.delay_blocks=1"));
    assert_eq!(result.unwrap_err().exit(), Exit::Usage);
    let problem = &json(&data)["problems"][0];
    assert_eq!(problem["key"], "channel.delay_blocks");
    assert_eq!(problem["right"], "from 6 to 2016 is right");
    let flags = "--set channel.delay_blocks=300";
    let (result, data, _) = run(&format!("--json config dump --config {} {flags}", file.display()));
    assert!(result.is_ok());
    let delay = serde_json::json!({ "value": 300, "source": "flag --set" });
    assert_eq!(json(&data)["channel.delay_blocks"], delay);
    assert!(json(&data)["metrics_port"]["source"].as_str().unwrap().starts_with("file "));
}

/// `STRAIT_GOLDEN=write cargo test -p strait` rewrites the file.
#[test]
fn the_help_is_checked_in() {
    fn collect(command: &mut clap::Command, name: &str, text: &mut String) {
        text.push_str(&format!("$ {name} --help\n{}\n", command.render_long_help()));
        let names: Vec<String> =
            command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for sub in names.iter().filter(|sub| *sub != "help") {
            let command = command.find_subcommand_mut(sub).unwrap();
            collect(command, &format!("{name} {sub}"), text);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut made = String::new();
    collect(&mut command, "strait", &mut made);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help.txt");
    if std::env::var("STRAIT_GOLDEN").is_ok_and(|value| value == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == made,
        "node/tests/golden/help.txt is not what the code makes: STRAIT_GOLDEN=write cargo test -p strait rewrites it"
    );
}
