//! A data folder that is taken, damaged, or has lost its seed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use strait_store_sqlite::Reader;

use crate::nodes::{Backend, Node};
use crate::world::on_a_chain;

/// What is done to a database in which an event stands at a place.
type Damage = fn(&mut Vec<u8>, usize);

/// A page of the database (`docs/storage-format.md`).
const PAGE_BYTES: usize = 32_768;

#[test]
fn a_second_process_on_a_taken_folder_is_told_so_and_the_first_goes_on() {
    on_a_chain(async |backend| {
        let mut node = Node::start(&backend).await;
        let (code, said) = node.start_fails().await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("in use"), "{said}");
        assert_eq!(node.client().status().await.unwrap().node_id, node.id());
        node.address().await;
        node.stop().await;
        node.restart().await;
    });
}

/// A stopped node whose log holds the chain's tip, and where in its database the tip's hash stands.
async fn stopped(backend: &Backend) -> (Node, PathBuf, usize) {
    let mut node = Node::start(backend).await;
    node.follows().await;
    let tip = backend.rpc.call("getbestblockhash", json!([])).unwrap();
    node.stop().await;
    let mut hash = hex::decode(tip.as_str().unwrap()).unwrap();
    hash.reverse();
    let database = node.data_dir().join("strait.db");
    let bytes = fs::read(&database).unwrap();
    let at = bytes.windows(hash.len()).position(|window| window == hash);
    (node, database, at.expect("a stopped node's log is in its database"))
}

/// Goal: a log that is not what the node wrote is refused, with the cause, and not a byte of it is changed; what was
/// written before still starts afterwards. Method: damage by table.
#[test]
fn a_damaged_log_is_refused_with_its_cause_and_left_as_it_is() {
    let damages: [(&str, Damage); 5] = [
        ("a bit of an event has flipped", |bytes, at| bytes[at] ^= 1),
        ("the file ends in its middle", |bytes, _| bytes.truncate(bytes.len() / 2)),
        ("a page reads as zeros", |bytes, at| {
            bytes[at / PAGE_BYTES * PAGE_BYTES..][..PAGE_BYTES].fill(0)
        }),
        ("the file is empty", |bytes, _| bytes.clear()),
        ("the file is something else", |bytes, _| bytes.fill(b'?')),
    ];
    on_a_chain(async |backend| {
        let (mut node, database, at) = stopped(&backend).await;
        let sound = fs::read(&database).unwrap();
        for (damage, apply) in damages {
            let mut bytes = sound.clone();
            println!("{damage}");
            apply(&mut bytes, at);
            fs::write(&database, &bytes).unwrap();
            let (code, said) = node.start_fails().await;
            assert_eq!(code, Some(1), "{damage}: {said}");
            assert!(said.contains("log") || said.contains("event store"), "{damage}: {said}");
            // What failed, and at least one cause of it.
            assert!(said.matches(": ").count() >= 2, "{damage}: {said}");
            assert!(!said.contains("panicked"), "{damage}: {said}");
            assert_eq!(fs::read(&database).unwrap(), bytes, "{damage}: the file was changed");
        }
        fs::write(&database, &sound).unwrap();
        node.restart().await;
    });
}

#[test]
fn without_the_seed_that_made_its_log_a_node_does_not_start() {
    on_a_chain(async |backend| {
        let mut node = Node::start(&backend).await;
        node.follows().await;
        node.stop().await;
        let id = node.id().to_owned();
        let log = Reader::new(&node.data_dir());
        let head = log.head().unwrap();
        let seed = node.data_dir().join("seed");
        let hidden = node.data_dir().join("elsewhere");

        fs::rename(&seed, &hidden).unwrap();
        refused(&node, "missing").await;
        assert!(!seed.exists(), "no other seed is made for a log that has one");

        // The all-zero entropy's words, which are somebody else's seed.
        let words = format!("{}art\n", "abandon ".repeat(23));
        write_secret(&seed, words.as_bytes());
        refused(&node, "seed").await;

        write_secret(&seed, b"not a seed at all\n");
        refused(&node, "BIP-0039").await;

        fs::rename(&hidden, &seed).unwrap();
        fs::set_permissions(&seed, Permissions::from_mode(0o644)).unwrap();
        refused(&node, "600").await;

        fs::set_permissions(&seed, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(log.head().unwrap(), head, "no refused start has written to the log");
        node.restart().await;
        assert_eq!(node.id(), id);
    });
}

async fn refused(node: &Node, word: &str) {
    let (code, said) = node.start_fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(word), "{word:?} is not in: {said}");
}

fn write_secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}
