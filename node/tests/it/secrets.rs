//! No secret reaches what a node writes or tells beside its data: log files, standard error, metrics, health, settings,
//! spans.
//!
//! Goal: whoever reads logs or a dashboard cannot spend, impersonate or undo. Method: two nodes at `trace`, every request
//! traced, open a channel, pay, hold, claim and give back locks, are asked with wrong tokens, send coins, back up and close.
//! Then everything they wrote is searched for each secret that their seeds and files hold, in every spelling that a
//! careless line would have. That the search can fail is shown in the same run: a line with a secret, planted in what the
//! nodes wrote, is found by the same search, for each secret in each spelling.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
use strait_api_types::{
    ChangeSettingsRequest, ChannelPhase, CloseMode, LockState, PaymentRequest, SendAmount,
    SendRequest, SettingValue,
};
use strait_client::Client;
use strait_primitives::CommitmentNumber;
use strait_signer::{Seed, SeedWords};
use strait_store::replay;
use strait_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

use crate::locks::{Secret, TestDevnetRef, has, height, lock_of, mine, on_devnet, row};
use crate::nodes::{Node, until};

/// What a payment's reference says: for the two sides, and for nobody who reads logs.
const REFERENCE: &str = "order-17-of-a-customer";

/// Something that must not be told.
struct Hidden {
    /// What it is.
    what: String,
    /// How a line might have it.
    spellings: Vec<String>,
}

impl Hidden {
    /// Bytes, in every spelling.
    fn bytes(what: &str, bytes: &[u8]) -> Self {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        let mut spellings = vec![
            hex::encode(bytes),
            hex::encode_upper(bytes),
            // As hashes and transaction ids are shown.
            hex::encode(&reversed),
            // As `{:?}`, `{:x?}` and `{:X?}` show a slice.
            within(&format!("{bytes:?}")),
            within(&format!("{bytes:x?}")),
            within(&format!("{bytes:X?}")),
            bech32_words(bytes),
        ];
        spellings.extend(in_base64(bytes, &STANDARD_NO_PAD));
        spellings.extend(in_base64(bytes, &URL_SAFE_NO_PAD));
        Self { what: what.to_owned(), spellings }
    }

    /// Text: as it is, and its bytes.
    fn text(what: &str, text: &str) -> Self {
        let mut hidden = Self::bytes(what, text.as_bytes());
        hidden.spellings.push(text.to_owned());
        hidden
    }

    /// The line of a text that has it.
    fn found_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        let place = self.spellings.iter().find_map(|spelling| text.find(spelling))?;
        let start = text[..place].rfind('\n').map_or(0, |end| end + 1);
        text[start..].lines().next()
    }
}

/// A list without its brackets, as it stands within a longer one.
fn within(list: &str) -> String {
    list.trim_matches(['[', ']']).to_owned()
}

/// Bytes in Base64, as they are and at each place in something longer: the characters that they alone decide.
fn in_base64(bytes: &[u8], engine: &impl base64::Engine) -> Vec<String> {
    let at = |offset: usize| {
        let longer = [&vec![0; offset], bytes].concat();
        let (first, end) = ((offset * 8).div_ceil(6), longer.len() * 8 / 6);
        engine.encode(longer)[first..end].to_owned()
    };
    vec![at(0), at(1), at(2)]
}

/// Bytes as the characters of an address or of an age key.
fn bech32_words(bytes: &[u8]) -> String {
    const ALPHABET: [char; 32] = [
        'q', 'p', 'z', 'r', 'y', '9', 'x', '8', 'g', 'f', '2', 't', 'v', 'd', 'w', '0', 's', '3',
        'j', 'n', '5', '4', 'k', 'h', 'c', 'e', '6', 'm', 'u', 'a', '7', 'l',
    ];
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let word = |bits: &[u8]| bits.iter().fold(0, |word, bit| word << 1 | usize::from(*bit));
    bits.chunks_exact(5).map(|bits| ALPHABET[word(bits)]).collect()
}

/// Every secret that a text has, each with the line.
fn leaks(hidden: &[Hidden], told: &str) -> Vec<(String, String)> {
    let found = |hidden: &Hidden| Some((hidden.what.clone(), hidden.found_in(told)?.to_owned()));
    hidden.iter().filter_map(found).collect()
}

/// Plants a line of a log with each secret, in each spelling in turn, and expects that it is found; then one line amid all that
/// was told.
fn planted_lines_are_found(hidden: &[Hidden], told: &str) {
    let line = told.lines().find(|line| line.contains(" TRACE ")).unwrap();
    for one in hidden {
        for spelling in &one.spellings {
            let planted = format!("{line} sent={spelling}\n{line}");
            let found = one.found_in(&planted);
            let is_found = found.is_some_and(|line| line.contains(spelling));
            assert!(is_found, "{} goes unseen as {spelling}", one.what);
        }
    }
    // And once in all of it, as the search itself is asked.
    let middle = told.char_indices().nth(told.chars().count() / 2).unwrap().0;
    let middle = middle + told[middle..].find('\n').unwrap() + 1;
    let secret = hidden.iter().find(|hidden| hidden.what == "revocation secret").unwrap();
    let planted = format!("{line} sent={}\n", secret.spellings[0]);
    let with_it = [&told[..middle], &planted, &told[middle..]].concat();
    let found = leaks(hidden, &with_it);
    assert_eq!(found, [("revocation secret".to_owned(), planted.trim_end().to_owned())]);
}

/// Everything that a stopped node keeps to itself.
fn hidden_of(node: &Node) -> Vec<Hidden> {
    let data = node.data_dir();
    let words = fs::read_to_string(data.join("seed")).unwrap();
    let token = fs::read_to_string(data.join("api.token")).unwrap();
    let mut hidden = vec![Hidden::text("words", words.trim()), Hidden::text("token", token.trim())];
    let each: Vec<&str> = words.split_whitespace().collect();
    hidden.extend(each.windows(3).map(|three| Hidden::text("three words", &three.join(" "))));
    let parsed = SeedWords::parse(words.trim()).unwrap();
    let stretched = bip39::Mnemonic::parse(words.trim()).unwrap().to_seed("");
    hidden.push(Hidden::bytes("stretched words", &stretched));
    let seed = Seed::new(&parsed, bitcoin::Network::Regtest);
    hidden.push(Hidden::bytes("node key", seed.node_key().expose_secret_bytes().as_slice()));
    let master = Xpriv::new_master(bitcoin::Network::Regtest, &stretched).unwrap();
    hidden.push(Hidden::text("master key", &master.to_string()));
    let channels = wallet_keys(&master, &mut hidden);
    hidden.extend(channel_secrets(&data, &channels));
    hidden
}

/// The wallet's keys; gives what the keys of channels come from.
fn wallet_keys(master: &Xpriv, hidden: &mut Vec<Hidden>) -> Xpriv {
    let context = bitcoin::secp256k1::Secp256k1::new();
    let derive = |path: &[u32], hardened: usize| {
        let step = |(place, index): (usize, &u32)| {
            if place < hardened {
                ChildNumber::from_hardened_idx(*index).unwrap()
            } else {
                ChildNumber::from_normal_idx(*index).unwrap()
            }
        };
        let path: DerivationPath = path.iter().enumerate().map(step).collect::<Vec<_>>().into();
        master.derive_priv(&context, &path).unwrap()
    };
    let account = derive(&[86, 1, 0], 3);
    hidden.push(Hidden::text("wallet account", &account.to_string()));
    for keychain in 0..2 {
        for index in 0..5 {
            let key = derive(&[86, 1, 0, keychain, index], 3).private_key;
            hidden.push(Hidden::bytes("wallet key", &key.secret_bytes()));
        }
    }
    derive(&[7_276, 1, 1], 3)
}

/// The keys of every channel in the log, and the revocation secrets that the peer has shown.
fn channel_secrets(data: &Path, root: &Xpriv) -> Vec<Hidden> {
    let store = SqliteStore::open(data, Options::default()).unwrap();
    let state = replay(&store).unwrap().state;
    assert!(!state.channels.is_empty(), "channels have secrets");
    let mut hidden = vec![Hidden::bytes("root of channels", &root.private_key.secret_bytes())];
    for channel in state.channels.values() {
        for purpose in ["funding", "penalty", "delayed", "lock", "commitments"] {
            let mut engine = HmacEngine::<sha256::Hash>::new(&root.private_key.secret_bytes());
            for part in
                [&b"strait/channel/1/"[..], purpose.as_bytes(), b"/", channel.salt.as_bytes()]
            {
                engine.input(part);
            }
            let key = Hmac::<sha256::Hash>::from_engine(engine).to_byte_array();
            hidden.push(Hidden::bytes(purpose, &key));
        }
        let Some(live) = channel.live() else { continue };
        let mut number = Some(CommitmentNumber::FIRST);
        while let Some(next) = number.filter(|number| Some(*number) <= live.rounds.secrets.last()) {
            let secret = live.rounds.secrets.secret(next).unwrap();
            hidden.push(Hidden::bytes("revocation secret", secret.as_bytes()));
            number = next.next();
        }
    }
    assert!(hidden.iter().any(|hidden| hidden.what == "revocation secret"));
    hidden
}

/// What a node wrote and told.
fn told_by(node: &Node, asked: &str) -> String {
    let logs = fs::read_dir(node.data_dir().join("logs")).unwrap();
    let files = logs.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    [node.words(), asked.to_owned()].into_iter().chain(files).collect::<Vec<_>>().join("\n")
}

/// Everything it tells who asks.
async fn answers_of(node: &Node) -> String {
    let settings = node.client().settings().await.unwrap();
    let pages = ["live", "ready", "startup"].map(|page| node.health(page));
    format!(
        "{}\n{}\n{}",
        node.scrape(),
        pages.join("\n"),
        serde_json::to_string(&settings).unwrap()
    )
}

async fn speak_of_everything(node: &Node) {
    let level = [("log_level", "trace"), ("telemetry.trace_sample_permille", "1000")];
    let changes = level.map(|(key, value)| (key.to_owned(), SettingValue::Text(value.to_owned())));
    let request = ChangeSettingsRequest(changes.into());
    node.client().change_settings(&request).await.unwrap();
}

/// Opens a second channel at `trace`, and does in it whatever needs a secret.
async fn live(devnet: &TestDevnetRef, alice: &mut Node, bob: &mut Node) -> Vec<Hidden> {
    let channel = alice.open(bob, 5_000_000).await.channel_id;
    mine(devnet, 3);
    for node in [&*alice, &*bob] {
        node.reaches(&channel, ChannelPhase::Open).await;
    }
    for amount in [1_000, 2_000_000, 3_000] {
        let mut payment = PaymentRequest::single(channel.clone(), amount);
        payment.reference = Some(REFERENCE.to_owned());
        let key = alice.key();
        alice.client().pay(&key, &payment).await.unwrap();
    }
    let (claimed, returned) = (Secret::new(), Secret::new());
    for secret in [&claimed, &returned] {
        let (key, tip) = (alice.key(), height(alice).await);
        let request = lock_of(&channel, 5_000_000, secret, tip + 100, Vec::new());
        alice.client().offer_lock(&key, &request).await.unwrap();
    }
    let lock = has(bob.client(), &claimed.hash, LockState::Held).await.lock_id;
    let (wrong, key) = (bob.key(), bob.key());
    bob.client().claim_lock(&wrong, &lock, &returned.claim).await.unwrap_err();
    bob.client().claim_lock(&key, &lock, &claimed.claim).await.unwrap();
    let lock = has(bob.client(), &returned.hash, LockState::Held).await.lock_id;
    let key = bob.key();
    bob.client().cancel_lock(&key, &lock).await.unwrap();
    edges(alice).await;
    let key = alice.key();
    alice.client().close_channel(&key, &channel, CloseMode::Cooperative).await.unwrap();
    mine(devnet, 1);
    [claimed, returned].map(|secret| Hidden::text("preimage", &secret.claim.preimage.0)).into()
}

/// Requests with secrets in their heads, coins, a backup.
async fn edges(alice: &mut Node) {
    let stranger = Client::new(alice.client().base_url(), "a token of nobody").unwrap();
    stranger.status().await.unwrap_err();
    let (key, address) = (alice.key(), alice.address().await);
    let amount_sat = SendAmount::Exact(20_000);
    let request = SendRequest { address, amount_sat, fee_rate_sat_per_kvb: None };
    alice.client().send_coins(&key, &request).await.unwrap();
    let copy = alice.data_dir().join("../copy.db");
    let mut backup = Command::new(env!("CARGO_BIN_EXE_strait"));
    backup.arg("backup").arg("--config").arg(alice.config()).arg(&copy);
    assert!(backup.output().unwrap().status.success());
}

async fn work(devnet: TestDevnetRef, folder: TempDir) {
    let (mut nodes, _) = row::<2>(&devnet, folder.path()).await;
    let [alice, bob] = nodes.get_disjoint_mut([0, 1]).unwrap();
    for node in [&*alice, &*bob] {
        speak_of_everything(node).await;
    }
    let mut hidden = live(&devnet, alice, bob).await;
    hidden.push(Hidden::text("the chain's password", devnet.password()));
    hidden.push(Hidden::text("what a reference says", REFERENCE));
    hidden.push(Hidden::text("a stranger's token", "a token of nobody"));
    let mut told = String::new();
    for node in [alice, bob] {
        let asked = answers_of(node).await;
        until("traces are in the log", async || node.words().contains(":send{").then_some(()))
            .await;
        node.stop().await;
        told.push_str(&told_by(node, &asked));
        hidden.extend(hidden_of(node));
    }
    assert!(told.contains(" TRACE ") && told.contains(" DEBUG "), "the nodes spoke of everything");
    for Hidden { what, spellings } in &hidden {
        assert!(spellings.iter().all(|spelling| spelling.len() >= 8), "{what} is found by chance");
    }
    let found = leaks(&hidden, &told);
    assert!(found.is_empty(), "{} secrets, told: {found:#?}", hidden.len());
    planted_lines_are_found(&hidden, &told);
}

#[test]
fn no_secret_is_logged_or_told_by_nodes_that_tell_all_they_do() {
    on_devnet(work);
}

#[test]
fn the_search_finds_a_secret_in_every_spelling() {
    let secret = Hidden::bytes("a key", &[0xab, 1, 2, 250, 77, 3, 9, 200]);
    let rows = [
        "key=ab0102fa4d0309c8",
        "key=0xAB0102FA4D0309C8",
        "txid=c809034dfa0201ab",
        "key: [171, 1, 2, 250, 77, 3, 9, 200]",
        "key: [0, 171, 1, 2, 250, 77, 3, 9, 200, 17]",
        "key: [ab, 1, 2, fa, 4d, 3, 9, c8]",
        "key: [AB, 1, 2, FA, 4D, 3, 9, C8]",
        "key=qwEC+k0DCcg=",
        "key=qwEC-k0DCcg",
        // One byte, and two, before it.
        "body=AKsBAvpNAwnI",
        "body=AACrAQL6TQMJyA==",
        "address=bc1p4vqs97jdqvyusqqqq",
    ];
    for row in rows {
        let text = format!("INFO one line\nTRACE {row} and more\n");
        assert!(secret.found_in(&text).is_some(), "{row}");
    }
    assert!(secret.found_in("key=(hidden)").is_none());
    assert!(Hidden::text("words", "zoo zoo zoo").found_in("seed zoo zoo zoo zoo").is_some());
}
