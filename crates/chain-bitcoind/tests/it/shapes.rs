//! The answers of both servers have the same members and types, and bad questions the same errors.

use bitcoin::consensus::encode::serialize_hex;
use serde_json::{Value, json};
use strait_testkit::{Bitcoind, Rpc, TestDevnet};

use crate::stage::{
    Stage, anchor_script, coin_of, on_each_server, open_output, output, pay, spend,
};

/// Members the devnet leaves out, and `warnings`, which depend on the build of the bitcoind.
const NOT_OURS: [&str; 11] = [
    "chunkweight",
    "coinbase_tx",
    "desc",
    "fee",
    "in_active_chain",
    "limitclustercount",
    "limitclustersize",
    "maxdatacarriersize",
    "optimal",
    "permitbaremultisig",
    "warnings",
];

/// The type of a value and, within objects and arrays, of everything in it.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(text) if text.len() == 64 => json!("hash"),
        Value::String(_) => json!("string"),
        Value::Array(items) if items.iter().all(Value::is_string) => json!("list"),
        Value::Array(items) => Value::Array(items.first().map(shape).into_iter().collect()),
        Value::Object(members) => {
            let known = members.iter().filter(|(name, _)| !NOT_OURS.contains(&name.as_str()));
            let shown = known.map(|(name, member)| {
                let name = if name.len() == 64 { "<id>" } else { name };
                (name.to_owned(), shape(member))
            });
            Value::Object(shown.collect())
        }
    }
}

/// Asks everything that answers with an object or a list, in one fixed state of the chain.
fn shapes(rpc: &Rpc) -> Vec<(String, Value)> {
    let mut stage = Stage::new(rpc.clone(), 3);
    let (coin, purse) = (stage.coin(), stage.coin());
    let sat = coin.value.to_sat();
    let confirmed = pay(2, &stage.coin(), 1_000);
    stage.send(&confirmed).unwrap();
    stage.mine(1);
    let parent = spend(3, &[&coin], vec![open_output(sat), output(0, anchor_script())]);
    let child = spend(3, &[&coin_of(&parent, 1), &purse], vec![open_output(sat - 1_000)]);
    let package = [serialize_hex(&parent), serialize_hex(&child)];
    let tip = rpc.call("getbestblockhash", json!([])).unwrap();
    let (waiting, txid) = (child.compute_txid().to_string(), confirmed.compute_txid().to_string());
    let prevout = json!({ "txid": coin.outpoint.txid.to_string(), "vout": 0 });
    let questions = [
        ("submitpackage", json!([package])),
        ("testmempoolaccept", json!([[serialize_hex(&pay(2, &coin, 5_000))]])),
        ("getblockchaininfo", json!([])),
        ("getbestblockhash", json!([])),
        ("getblockcount", json!([])),
        ("getblockhash", json!({ "height": 1 })),
        ("getblockheader", json!([tip])),
        ("getblockheader", json!([tip, false])),
        ("getblock", json!([tip])),
        ("getblock", json!([tip, 0])),
        ("getblock", json!({ "blockhash": tip, "verbosity": 2 })),
        ("getrawmempool", json!([])),
        ("getrawmempool", json!([true])),
        ("getrawmempool", json!([false, true])),
        ("getmempoolentry", json!([waiting])),
        ("getmempoolinfo", json!([])),
        ("getrawtransaction", json!([waiting])),
        ("getrawtransaction", json!([waiting, true])),
        ("getrawtransaction", json!([txid, 1])),
        ("getrawtransaction", json!([txid, 1, tip])),
        ("decoderawtransaction", json!([serialize_hex(&child)])),
        ("gettxout", json!([txid, 0])),
        ("gettxout", json!([waiting, 0])),
        ("gettxout", json!([waiting, 0, false])),
        ("gettxspendingprevout", json!([[prevout]])),
        ("gettxspendingprevout", json!([[prevout], { "return_spending_tx": true }])),
        ("estimatesmartfee", json!([6])),
        ("generateblock", json!(["raw(51)", [serialize_hex(&parent)]])),
        ("generatetoaddress", json!([1, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"])),
        ("generatetodescriptor", json!([0, "raw(51)"])),
        ("invalidateblock", json!([tip])),
        ("reconsiderblock", json!([tip])),
        ("uptime", json!([])),
    ];
    let ask = |(method, params): (&str, Value)| {
        let name = format!("{method} {}", shape(&params));
        (name, rpc.call(method, params).map_or_else(|failure| json!(failure.code), |a| shape(&a)))
    };
    questions.into_iter().map(ask).collect()
}

#[test]
fn answers_have_the_members_and_types_that_bitcoind_gives_them() {
    let Some(bitcoind) = Bitcoind::start() else { return };
    let devnet = TestDevnet::start();
    let (expect, actual) = (shapes(&bitcoind.client()), shapes(&devnet.client()));
    let mut differences = Vec::new();
    for ((question, expect), (_, actual)) in expect.iter().zip(&actual) {
        if expect != actual {
            differences.push(format!("{question}\n  bitcoind {expect}\n  devnet   {actual}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn bad_questions_have_the_same_errors() {
    on_each_server(|server| {
        let rpc = server.client();
        let check = |method: &str, params: Value, code: i64, message: &str| {
            let failure = rpc.call(method, params.clone()).unwrap_err();
            let shown = format!("{} {method} {params}: {failure:?}", server.name());
            assert_eq!(failure.code, code, "{shown}");
            assert!(failure.message.contains(message), "{shown}");
        };
        let nobody = "00".repeat(32);
        check("getnothing", json!([]), -32_601, "Method not found");
        check("getblockhash", json!([5]), -8, "Block height out of range");
        check("getblockhash", json!([-1]), -8, "Block height out of range");
        check("getblockhash", json!(["x"]), -3, "not of expected type number");
        check("getblockhash", json!([]), -1, "getblockhash");
        check("getblockhash", json!([1, 2]), -1, "getblockhash");
        check("getblockhash", json!({ "depth": 1 }), -8, "Unknown named parameter depth");
        check("getblock", json!([nobody]), -5, "Block not found");
        check("getblockheader", json!([nobody]), -5, "Block not found");
        check("getblock", json!(["ab"]), -8, "blockhash must be of length 64 (not 2, for 'ab')");
        check("getblock", json!(["zz".repeat(32)]), -8, "must be hexadecimal string");
        check("getblock", json!([5]), -3, "not of expected type string");
        check("getmempoolentry", json!([nobody]), -5, "Transaction not in mempool");
        check("getrawtransaction", json!(["11".repeat(32)]), -5, "No such mempool or blockchain");
        check("sendrawtransaction", json!(["00"]), -22, "TX decode failed");
        check("sendrawtransaction", json!(["no hex"]), -22, "TX decode failed");
        check("testmempoolaccept", json!([[]]), -8, "between 1 and 25");
        check("testmempoolaccept", json!([["00"]]), -22, "TX decode failed");
        check("submitpackage", json!([[]]), -8, "between 1 and 25");
        check("submitpackage", json!(["00"]), -3, "not of expected type array");
        check("gettxspendingprevout", json!([[]]), -8, "outputs are missing");
        check("estimatesmartfee", json!([0]), -8, "Invalid conf_target");
        check("generatetoaddress", json!([1, "nowhere"]), -5, "Invalid address");
        check("generatetodescriptor", json!([1, "raw(zz)"]), -5, "Raw script is not hex");
        check("invalidateblock", json!([nobody]), -5, "Block not found");
        check("reconsiderblock", json!([nobody]), -5, "Block not found");
    });
}
