//! The proof of the devnet: tables of transactions, each with the answer that Bitcoin Core gives, asked of both.
//!
//! Ids differ from run to run and are shown as `<id>`; sizes and fees are part of the answer. The text that Core adds
//! in brackets to a failed script is cut off, because the devnet's interpreter does not tell it.

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::opcodes::all::{OP_CLTV, OP_CSV, OP_DROP, OP_DUP, OP_PUSHNUM_1, OP_RETURN};
use bitcoin::script::Builder;
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Txid, Witness};
use serde_json::{Value, json};

use crate::expected;
use crate::stage::{
    Coin, Stage, anchor_script, coin_of, on_each_server, open_output, open_script, open_witness,
    output, pay, spend, wsh,
};

/// The answer with ids hidden and the interpreter's words cut off.
pub(crate) fn normal(text: &str) -> String {
    let mut shown = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_hexdigit() {
            digits.push(character);
            continue;
        }
        shown.push_str(if digits.len() == 64 { "<id>" } else { &digits });
        digits.clear();
        shown.push(character);
    }
    let shown = shown.trim_end();
    let script = "script-verify-flag-failed";
    match shown.find(script) {
        Some(start) => shown[..start + script.len()].to_owned(),
        None => shown.to_owned(),
    }
}

/// What `testmempoolaccept` says of each transaction.
fn rehearsed(stage: &Stage, transactions: &[Transaction]) -> String {
    let hex: Vec<String> = transactions.iter().map(serialize_hex).collect();
    let answer = match stage.rpc.call("testmempoolaccept", json!([hex, 0])) {
        Ok(answer) => answer,
        Err(failure) => return normal(&format!("{} {}", failure.code, failure.message)),
    };
    let show = |result: &Value| {
        let member = |name: &str| result[name].as_str().map(str::to_owned);
        if let Some(error) = member("package-error") {
            return format!("package: {error}");
        }
        match result["allowed"].as_bool() {
            Some(true) => "allowed".to_owned(),
            Some(false) => {
                let reason = member("reject-reason").unwrap();
                member("reject-details").unwrap_or(reason)
            }
            None => "-".to_owned(),
        }
    };
    let shown: Vec<String> = answer.as_array().unwrap().iter().map(show).collect();
    normal(&shown.join(" | "))
}

/// What `sendrawtransaction` says.
pub(crate) fn sent(stage: &Stage, transaction: &Transaction) -> String {
    match stage.send(transaction) {
        Ok(txid) => {
            assert_eq!(txid, json!(transaction.compute_txid().to_string()));
            "sent".to_owned()
        }
        Err(failure) => normal(&format!("{} {}", failure.code, failure.message)),
    }
}

/// What `submitpackage` says: the package, each transaction, and how many were replaced.
pub(crate) fn submitted(stage: &Stage, transactions: &[&Transaction]) -> String {
    let hex: Vec<String> = transactions.iter().copied().map(serialize_hex).collect();
    let answer = match stage.rpc.call("submitpackage", json!([hex, 0])) {
        Ok(answer) => answer,
        Err(failure) => return normal(&format!("{} {}", failure.code, failure.message)),
    };
    let mut shown = vec![answer["package_msg"].as_str().unwrap().to_owned()];
    for transaction in transactions {
        let result = &answer["tx-results"][transaction.compute_wtxid().to_string()];
        assert_eq!(result["txid"], json!(transaction.compute_txid().to_string()));
        shown.push(match result["error"].as_str() {
            Some(error) => error.to_owned(),
            None => match result["fees"]["effective-includes"].as_array() {
                Some(includes) => format!("{} vB with {}", result["vsize"], includes.len()),
                None => format!("{} vB before", result["vsize"]),
            },
        });
    }
    shown.push(format!("replaced {}", answer["replaced-transactions"].as_array().unwrap().len()));
    normal(&shown.join(" | "))
}

/// Compares a table of answers at once, so that one run shows every difference.
fn compare(server: &str, actual: &[(&str, String)], expect: &[(&str, &str)]) {
    let print = |rows: Vec<(&str, &str)>| {
        rows.into_iter().map(|(name, text)| format!("{name}: {text}\n")).collect::<String>()
    };
    let actual = print(actual.iter().map(|(name, text)| (*name, text.as_str())).collect());
    let expect = print(expect.to_vec());
    assert!(actual == expect, "{server} says\n{actual}\nexpected\n{expect}");
}

fn with_sequence(mut transaction: Transaction, sequence: u32) -> Transaction {
    transaction.input[0].sequence = Sequence::from_consensus(sequence);
    transaction
}

fn with_lock(mut transaction: Transaction, lock: u32) -> Transaction {
    transaction.lock_time = LockTime::from_consensus(lock);
    transaction
}

fn with_outputs(version: i32, coin: &Coin, outputs: Vec<TxOut>) -> Transaction {
    spend(version, &[coin], outputs)
}

fn data_output(bytes: usize) -> TxOut {
    let script = ScriptBuf::from(vec![OP_RETURN.to_u8()]);
    let mut script = script.into_bytes();
    for chunk in vec![0_u8; bytes].chunks(75) {
        script.push(u8::try_from(chunk.len()).unwrap());
        script.extend_from_slice(chunk);
    }
    output(0, ScriptBuf::from(script))
}

#[test]
fn values_and_fees_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 2);
        let coin = stage.coin();
        let sat = coin.value.to_sat();
        let young = Coin {
            outpoint: tip_coinbase(&stage),
            value: Amount::from_sat(coinbase_value(&stage)),
            ..coin.clone()
        };
        let missing = OutPoint { txid: Txid::from_byte_array([1; 32]), vout: 0 };
        let missing = Coin { outpoint: missing, ..coin.clone() };
        let into = |outputs| with_outputs(2, &coin, outputs);
        let rest = || open_output(sat / 2);
        let rows = [
            ("plain", pay(2, &coin, 1_000)),
            ("least fee", pay(2, &coin, 10)),
            ("below least fee", pay(2, &coin, 9)),
            ("no fee", pay(2, &coin, 0)),
            ("more out than in", into(vec![open_output(sat + 1)])),
            ("missing input", pay(2, &missing, 1_000)),
            ("immature coinbase", pay(2, &young, 1_000)),
            ("too much money", into(vec![open_output(2_100_000_000_000_001)])),
            ("too much money in all", into(vec![open_output(2_000_000_000_000_000); 2])),
            ("dust with fee", into(vec![open_output(329), rest()])),
            ("no dust", into(vec![open_output(330), rest()])),
            ("anchor", into(vec![output(240, anchor_script()), rest()])),
            ("dust anchor", into(vec![output(239, anchor_script()), rest()])),
            ("two dusts", into(vec![open_output(0), open_output(0), open_output(sat)])),
            ("one dust, no fee", with_outputs(3, &coin, vec![open_output(0), open_output(sat)])),
        ];
        let actual = rows.map(|(name, transaction)| (name, rehearsed(&stage, &[transaction])));
        compare(server.name(), &actual, expected::VALUES);
    });
}

#[test]
fn forms_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 1);
        let coin = stage.coin();
        let sat = coin.value.to_sat();
        let into = |outputs| with_outputs(2, &coin, outputs);
        let bare = Builder::new().push_opcode(OP_PUSHNUM_1).into_script();
        let script_sig = Builder::new().push_opcode(OP_DUP).into_script();
        let mut with_script_sig = pay(2, &coin, 1_000);
        with_script_sig.input[0].script_sig = script_sig;
        let with_witness = |witness: Witness| {
            let mut transaction = pay(2, &coin, 1_000);
            transaction.input[0].witness = witness;
            transaction
        };
        let wrong = Witness::from_slice(&[[0x52_u8]]);
        let large = Witness::from_slice(&[vec![1_u8; 81], open_script().into_bytes()]);
        let many = || vec![open_output(sat / 1_000); 240];
        let rows = [
            ("version 0", pay(0, &coin, 1_000)),
            ("version 1", pay(1, &coin, 1_000)),
            ("version 3", pay(3, &coin, 1_000)),
            ("version 4", pay(4, &coin, 1_000)),
            ("no outputs", into(Vec::new())),
            ("same input twice", spend(2, &[&coin, &coin], vec![open_output(1_000)])),
            ("bare script", into(vec![output(sat - 1_000, bare)])),
            ("tiny", into(vec![output(sat, data_output(0).script_pubkey)])),
            ("data", into(vec![data_output(80), open_output(sat - 1_000)])),
            ("much data", into(vec![data_output(90_000), open_output(sat / 2)])),
            ("too much data", into(vec![data_output(49_500), data_output(49_500)])),
            ("heavy", into(vec![data_output(99_999)])),
            ("script sig not push", with_script_sig),
            ("wrong witness script", with_witness(wrong)),
            ("no witness", with_witness(Witness::new())),
            ("large witness item", with_witness(large)),
            ("large version 3", with_outputs(3, &coin, many())),
            ("large version 2", into(many())),
        ];
        let actual = rows.map(|(name, transaction)| (name, rehearsed(&stage, &[transaction])));
        compare(server.name(), &actual, expected::FORMS);
    });
}

fn tip_coinbase(stage: &Stage) -> OutPoint {
    let hash = stage.rpc.call("getbestblockhash", json!([])).unwrap();
    let block = stage.rpc.call("getblock", json!([hash, 1])).unwrap();
    OutPoint { txid: block["tx"][0].as_str().unwrap().parse().unwrap(), vout: 0 }
}

fn coinbase_value(stage: &Stage) -> u64 {
    (50 * 100_000_000) >> (stage.height() / 150)
}

#[test]
fn time_locks_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 10);
        let now = 1_900_000_000_u32;
        let lock_script = |number: i64, opcode| {
            let builder = Builder::new().push_int(number).push_opcode(opcode);
            builder.push_opcode(OP_DROP).push_opcode(OP_PUSHNUM_1).into_script()
        };
        let height_lock = lock_script(i64::from(stage.height()) + 10, OP_CLTV);
        let delay_lock = lock_script(3, OP_CSV);
        let witness_of = |script: &ScriptBuf| Witness::from_slice(&[script.as_bytes()]);
        let high = stage.coin_with(wsh(&height_lock), witness_of(&height_lock));
        let delayed = stage.coin_with(wsh(&delay_lock), witness_of(&delay_lock));
        let plain = stage.coin_with(wsh(&open_script()), open_witness());
        // From here on every block is 600 seconds later than the one before.
        for step in 0..12 {
            stage.rpc.call("setmocktime", json!([now + step * 600])).unwrap();
            stage.mine(1);
        }
        let fresh = stage.coin_with(wsh(&open_script()), open_witness());
        let tip = stage.height();
        let median = stage.median_time();
        let age = tip + 1 - plain.height;
        let csv_age = tip + 1 - fresh.height;
        let lock = u32::try_from(i64::from(high.height)).unwrap() - 1 + 10;
        let time_bit = 1 << 22;
        let rows = [
            ("height lock at tip", with_lock(pay(2, &plain, 1_000), tip)),
            ("height lock above tip", with_lock(pay(2, &plain, 1_000), tip + 1)),
            (
                "height lock above tip, all final",
                with_sequence(with_lock(pay(2, &plain, 1_000), tip + 1), u32::MAX),
            ),
            ("time lock before median", with_lock(pay(2, &plain, 1_000), median - 1)),
            ("time lock at median", with_lock(pay(2, &plain, 1_000), median)),
            ("delay as old as the coin", with_sequence(pay(2, &plain, 1_000), age)),
            ("delay older than the coin", with_sequence(pay(2, &plain, 1_000), age + 1)),
            ("delay in version 1", with_sequence(pay(1, &plain, 1_000), age + 1)),
            ("delay of a fresh coin", with_sequence(pay(3, &fresh, 1_000), csv_age)),
            ("longer delay of a fresh coin", with_sequence(pay(3, &fresh, 1_000), csv_age + 1)),
            ("short time delay", with_sequence(pay(2, &plain, 1_000), time_bit | 1)),
            ("time delay of a fresh coin", with_sequence(pay(2, &fresh, 1_000), time_bit | 1)),
            (
                "longer time delay of a fresh coin",
                with_sequence(pay(2, &fresh, 1_000), time_bit | 2),
            ),
            ("no time delay of a fresh coin", with_sequence(pay(2, &fresh, 1_000), time_bit)),
            ("script height too low", with_lock(pay(2, &high, 1_000), lock - 1)),
            ("script height reached", with_lock(pay(2, &high, 1_000), lock)),
            ("script delay missing", pay(2, &delayed, 1_000)),
            ("script delay too short", with_sequence(pay(2, &delayed, 1_000), 2)),
            ("script delay reached", with_sequence(pay(2, &delayed, 1_000), 3)),
        ];
        let actual = rows.map(|(name, transaction)| (name, rehearsed(&stage, &[transaction])));
        compare(server.name(), &actual, expected::TIME_LOCKS);
    });
}

/// Signs a taproot key path spend of the first input.
fn sign_taproot(mut transaction: Transaction, keys: &Keypair, spent: &TxOut) -> Transaction {
    let secp = Secp256k1::new();
    let tweaked = keys.tap_tweak(&secp, None).to_keypair();
    let sighash = SighashCache::new(&transaction)
        .taproot_key_spend_signature_hash(0, &Prevouts::All(&[spent]), TapSighashType::Default)
        .unwrap();
    let message = Message::from_digest(sighash.to_byte_array());
    let signature = secp.sign_schnorr_no_aux_rand(&message, &tweaked);
    transaction.input[0].witness = Witness::from_slice(&[&signature.serialize()[..]]);
    transaction
}

#[test]
fn witnesses_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 6);
        let secp = Secp256k1::new();
        let secret = SecretKey::from_slice(&[7; 32]).unwrap();
        let keys = Keypair::from_secret_key(&secp, &secret);
        let script = ScriptBuf::new_p2tr(&secp, keys.x_only_public_key().0, None);
        let coin = stage.coin_with(script.clone(), Witness::new());
        let anchor = stage.coin_with(anchor_script(), Witness::new());
        let stuffed = Coin { witness: Witness::from_slice(&[[1_u8]]), ..anchor.clone() };
        let future = ScriptBuf::from_bytes(vec![0x52, 0x02, 0x01, 0x02]);
        let future = stage.coin_with(future, Witness::new());
        let nested_script = wsh(&open_script());
        let nested = ScriptBuf::new_p2sh(&nested_script.script_hash());
        let nested = stage.coin_with(nested, open_witness());
        let mut from_nested = pay(2, &nested, 1_000);
        let push = bitcoin::script::PushBytesBuf::try_from(nested_script.into_bytes()).unwrap();
        from_nested.input[0].script_sig = Builder::new().push_slice(push).into_script();
        let spent = TxOut { value: coin.value, script_pubkey: script };
        let signed = sign_taproot(pay(2, &coin, 1_000), &keys, &spent);
        let mut changed = signed.clone();
        changed.output[0].value = Amount::from_sat(99_000_000);
        let mut annexed = signed.clone();
        annexed.input[0].witness.push([0x50, 1]);
        let rows = [
            ("key path", signed),
            ("key path, other transaction", changed),
            ("key path with annex", annexed),
            ("anchor", pay(2, &anchor, 1_000)),
            ("anchor with witness", pay(2, &stuffed, 1_000)),
            ("future witness version", pay(2, &future, 1_000)),
            ("nested script", from_nested),
            ("nested script without script sig", pay(2, &nested, 1_000)),
        ];
        let actual = rows.map(|(name, transaction)| (name, rehearsed(&stage, &[transaction])));
        compare(server.name(), &actual, expected::WITNESSES);
    });
}

#[test]
fn replacement_and_version_3_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 8);
        let coin = stage.coin();
        let sat = coin.value.to_sat();
        let first = pay(2, &coin, 1_000);
        let same = {
            let mut other = first.clone();
            other.input[0].witness = Witness::from_slice(&[vec![], open_script().into_bytes()]);
            other
        };
        let confirmed = pay(2, &stage.coin(), 500);
        let parent = with_outputs(
            3,
            &stage.coin(),
            vec![open_output(sat / 4), open_output(sat / 4), open_output(sat / 2 - 1_000)],
        );
        let child = pay(3, &coin_of(&parent, 0), 1_000);
        let sibling = |fee| pay(3, &coin_of(&parent, 1), fee);
        let grandchild = pay(3, &coin_of(&sibling(2_000), 0), 1_000);
        let large = with_outputs(3, &coin_of(&parent, 0), vec![open_output(1_000_000); 24]);
        let old = pay(2, &stage.coin(), 1_000);
        let young = pay(3, &coin_of(&old, 0), 1_000);
        let both =
            spend(3, &[&coin_of(&parent, 0), &coin_of(&parent, 1)], vec![open_output(sat / 4)]);
        let self_conflict = spend(2, &[&coin, &coin_of(&first, 0)], vec![open_output(sat)]);
        let mut actual = Vec::new();
        let mut row = |name, answer| actual.push((name, answer));
        row("first", sent(&stage, &first));
        row("first again", sent(&stage, &first));
        row("first again, rehearsed", rehearsed(&stage, std::slice::from_ref(&first)));
        row("other witness, rehearsed", rehearsed(&stage, &[same]));
        row("conflict, less fee", sent(&stage, &pay(2, &coin, 999)));
        row("conflict, same fee", rehearsed(&stage, &[with_lock(pay(2, &coin, 1_000), 1)]));
        row("conflict, little more", sent(&stage, &pay(2, &coin, 1_009)));
        row("spends what it replaces", sent(&stage, &self_conflict));
        row("conflict, enough more", sent(&stage, &pay(2, &coin, 1_010)));
        row("to be confirmed", sent(&stage, &confirmed));
        stage.mine(1);
        row("confirmed", sent(&stage, &confirmed));
        row("confirmed, rehearsed", rehearsed(&stage, &[confirmed]));
        row("loser", sent(&stage, &first));
        row("parent", sent(&stage, &parent));
        row("version 2 child", sent(&stage, &pay(2, &coin_of(&parent, 0), 1_000)));
        row("large child", sent(&stage, &large));
        row("child", sent(&stage, &child));
        row("poor sibling", sent(&stage, &sibling(1_000)));
        row("rich sibling", sent(&stage, &sibling(2_000)));
        row("evicted child", sent(&stage, &child));
        row("grandchild", sent(&stage, &grandchild));
        row("child of both outputs", sent(&stage, &both));
        row("old", sent(&stage, &old));
        row("version 3 child of version 2", sent(&stage, &young));
        compare(server.name(), &actual, expected::REPLACEMENT);
    });
}

#[test]
fn packages_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 16);
        let sat = stage.coin().value.to_sat();
        let anchored = |version, coin: &Coin| {
            with_outputs(version, coin, vec![open_output(sat), output(0, anchor_script())])
        };
        let bump = |parent: &Transaction, purse: &Coin, fee: u64| {
            spend(3, &[&coin_of(parent, 1), purse], vec![open_output(sat - fee)])
        };
        let (coin, purse) = (stage.coin(), stage.coin());
        let parent = anchored(3, &coin);
        let child = bump(&parent, &purse, 1_000);
        let forgetful = spend(3, &[&coin_of(&parent, 0)], vec![open_output(sat - 1_000)]);
        let version_2 = {
            let mut child = child.clone();
            child.version = bitcoin::transaction::Version::TWO;
            child
        };
        let large = spend(3, &[&coin_of(&parent, 1), &purse], vec![open_output(100_000_000); 24]);
        let mut spoilt = child.clone();
        spoilt.input[1].witness = Witness::from_slice(&[[0x52_u8]]);
        let mut actual = Vec::new();
        let mut row = |name, answer| actual.push((name, answer));
        row("parent alone", sent(&stage, &parent));
        row("parent alone as package", submitted(&stage, &[&parent]));
        row("child alone", sent(&stage, &child));
        row("rehearsed together", rehearsed(&stage, &[parent.clone(), child.clone()]));
        row("wrong order", submitted(&stage, &[&child, &parent]));
        row("twice the parent", submitted(&stage, &[&parent, &parent]));
        row("unrelated", submitted(&stage, &[&parent, &pay(3, &purse, 1_000)]));
        row("child pays nothing", submitted(&stage, &[&parent, &bump(&parent, &purse, 0)]));
        row("child leaves the anchor", submitted(&stage, &[&parent, &forgetful]));
        row("version 2 child", submitted(&stage, &[&parent, &version_2]));
        row("large child", submitted(&stage, &[&parent, &large]));
        row("child with a bad script", submitted(&stage, &[&parent, &spoilt]));
        row("good", submitted(&stage, &[&parent, &child]));
        row("again", submitted(&stage, &[&parent, &child]));
        row("better child", submitted(&stage, &[&parent, &bump(&parent, &purse, 1_500)]));
        row("child back", submitted(&stage, &[&parent, &child]));
        // Another parent of the same coin: the other side's commitment.
        let rival = spend(
            3,
            &[&coin],
            vec![open_output(sat - 1_000_000), output(0, anchor_script()), open_output(1_000_000)],
        );
        let other_purse = stage.coin();
        row("rival, poor", submitted(&stage, &[&rival, &bump(&rival, &other_purse, 1_500)]));
        row("rival, rich", submitted(&stage, &[&rival, &bump(&rival, &other_purse, 9_000)]));
        row("loser", submitted(&stage, &[&parent, &child]));
        stage.mine(1);
        row("confirmed", submitted(&stage, &[&rival, &bump(&rival, &other_purse, 9_000)]));
        let hash = stage.rpc.call("getbestblockhash", json!([])).unwrap();
        stage.rpc.call("invalidateblock", json!([hash])).unwrap();
        row(
            "after a reorganisation",
            submitted(&stage, &[&rival, &bump(&rival, &other_purse, 9_000)]),
        );
        stage.mine_to(&anchor_script(), 1);
        row("confirmed again", submitted(&stage, &[&rival, &bump(&rival, &other_purse, 9_000)]));
        compare(server.name(), &actual, expected::PACKAGES);
    });
}

#[test]
fn packages_of_version_2_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 5);
        let mut actual = Vec::new();
        let mut row = |name, answer| actual.push((name, answer));
        let (coin, second) = (stage.coin(), stage.coin());
        let sat = coin.value.to_sat();
        let parent = pay(2, &coin, 0);
        let other = pay(2, &second, 0);
        let child = pay(2, &coin_of(&parent, 0), 1_000);
        let of_both = spend(
            2,
            &[&coin_of(&parent, 0), &coin_of(&other, 0)],
            vec![open_output(2 * sat - 2_000)],
        );
        row("version 2, two parents", submitted(&stage, &[&parent, &other, &of_both]));
        row("version 2, conflict", submitted(&stage, &[&parent, &child]));
        let (coin, purse) = (stage.coin(), stage.coin());
        let dust = spend(2, &[&coin], vec![open_output(sat), open_output(100)]);
        let dust_poor =
            Transaction { output: vec![open_output(sat - 100), open_output(100)], ..dust };
        let taker = spend(2, &[&coin_of(&dust_poor, 1), &purse], vec![open_output(sat - 1_000)]);
        row("version 2, dust taken", submitted(&stage, &[&dust_poor, &taker]));
        compare(server.name(), &actual, expected::PACKAGES_2);
    });
}

#[test]
fn what_is_mined_is_the_same() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 8);
        let sat = stage.coin().value.to_sat();
        let anchored =
            |coin: &Coin| spend(3, &[coin], vec![open_output(sat), output(0, anchor_script())]);
        let bump = |parent: &Transaction, purse: &Coin| {
            spend(3, &[&coin_of(parent, 1), purse], vec![open_output(sat - 1_000)])
        };
        let (parent, purse) = (anchored(&stage.coin()), stage.coin());
        let child = bump(&parent, &purse);
        let (orphaned, other_purse) = (anchored(&stage.coin()), stage.coin());
        let replaced = bump(&orphaned, &other_purse);
        let replacement = pay(3, &other_purse, 9_000);
        let cheap = pay(2, &stage.coin(), 10);
        let cheap_child = pay(2, &coin_of(&cheap, 0), 10_000);
        submitted(&stage, &[&parent, &child]);
        submitted(&stage, &[&orphaned, &replaced]);
        let rows = [("replacement", &replacement), ("cheap", &cheap), ("its child", &cheap_child)];
        let mut actual: Vec<_> = rows.map(|(name, other)| (name, sent(&stage, other))).into();
        stage.mine(1);
        for (name, transaction) in [
            ("parent mined", &parent),
            ("child mined", &child),
            ("orphaned parent mined", &orphaned),
            ("replaced child mined", &replaced),
            ("replacement mined", &replacement),
            ("cheap mined", &cheap),
            ("its child mined", &cheap_child),
        ] {
            let txid = transaction.compute_txid().to_string();
            let answer = stage.rpc.call("getrawtransaction", json!([txid, 1]));
            let depth = answer.map(|answer| answer["confirmations"].as_u64().unwrap_or(0));
            actual
                .push((name, depth.map_or_else(|_| "gone".to_owned(), |depth| depth.to_string())));
        }
        compare(server.name(), &actual, expected::MINED);
    });
}

#[test]
fn blocks_of_chosen_transactions_are_judged_alike() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 2);
        let (coin, second) = (stage.coin(), stage.coin());
        let sat = coin.value.to_sat();
        let missing = OutPoint { txid: Txid::from_byte_array([1; 32]), vout: 0 };
        let missing = Coin { outpoint: missing, ..coin.clone() };
        let mut bad_script = pay(2, &coin, 0);
        bad_script.input[0].witness = Witness::new();
        let tip = stage.height();
        let young = Coin { outpoint: tip_coinbase(&stage), ..coin.clone() };
        let free = pay(2, &coin, 0);
        let free_child = pay(4, &coin_of(&free, 0), 0);
        let rows = [
            ("missing input", vec![pay(2, &missing, 0)]),
            ("no script", vec![bad_script]),
            ("non-final", vec![with_lock(pay(2, &coin, 0), tip + 1)]),
            ("too young", vec![with_sequence(pay(2, &coin, 0), 500)]),
            ("immature", vec![spend(2, &[&young], vec![open_output(1)])]),
            ("too much", vec![with_outputs(2, &coin, vec![open_output(sat + 1)])]),
            ("double spend", vec![pay(2, &second, 0), pay(2, &second, 1)]),
            ("child before parent", vec![free_child.clone(), free.clone()]),
            ("no fee and no standard", vec![free, free_child]),
        ];
        let payout = format!("raw({})", wsh(&open_script()).to_hex_string());
        let actual = rows.map(|(name, transactions)| {
            let hex: Vec<String> = transactions.iter().map(serialize_hex).collect();
            let answer = stage.rpc.call("generateblock", json!([payout, hex]));
            (
                name,
                match answer {
                    Ok(_) => "mined".to_owned(),
                    Err(failure) => normal(&format!("{} {}", failure.code, failure.message)),
                },
            )
        });
        compare(server.name(), &actual, expected::BLOCKS);
    });
}
