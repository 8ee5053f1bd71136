//! A disk that is full.

use std::fs;
use std::path::Path;

use crate::world::{batch, on_a_chain, still_pays, with_channel};

/// What a file may still grow by when the disk begins to be small.
const ROOM_KIB: u64 = 300;
/// Batches until the disk must have been full.
const BATCHES_MAX: usize = 200;
/// Payments in each, of one millisatoshi.
const BATCH: usize = 500;

/// Goal: a node whose disk is full says so, ends, and has all that it promised when there is room again.
/// Method: no file of the process may grow beyond a limit; payments go on until one is not answered. Every payment is of
/// one millisatoshi, so that the payer's and the receiver's balances count them.
#[test]
fn a_full_disk_ends_the_node_with_a_clear_error_and_loses_nothing() {
    on_a_chain(async |backend| {
        let (mut alice, bob, channel) = with_channel(&backend).await;
        let id = channel.channel_id.as_str();
        alice.stop().await;
        alice.restart_with_room(largest_kib(&alice.data_dir()) + ROOM_KIB).await;
        alice.connect(&bob).await;
        let mut paid = 0;
        let mut failed = None;
        for _ in 0..BATCHES_MAX {
            let key = alice.key();
            let request = batch(id, BATCH);
            match alice.client().pay(&key, &request).await {
                Ok(_) => paid += 1,
                Err(_) => {
                    // What became of it nobody can say yet.
                    failed = Some((key, request));
                    break;
                }
            }
        }
        let (key, request) = failed.expect("no disk is that large");
        let status = alice.ends().await;
        let said = alice.output();
        assert_eq!(status.code(), Some(1), "{status}: {said}");
        assert!(said.contains("log") || said.contains("disk"), "{said}");
        assert!(!said.contains("panicked"), "{said}");

        alice.restart().await;
        alice.connect(&bob).await;
        // Everything that was answered is there, and what was not is done once under its key.
        let again = alice.client().pay(&key, &request).await.unwrap();
        assert_eq!(again, alice.client().pay(&key, &request).await.unwrap());
        let expect = u64::try_from((paid + 1) * BATCH).unwrap();
        still_pays(&mut alice, &bob, id).await;
        let (ours, theirs) = (alice.channel(id).await, bob.channel(id).await);
        assert_eq!(theirs.holder_balance_msat, expect + 1_000);
        assert_eq!(ours.counterparty_balance_msat, expect + 1_000);
        assert_eq!(ours.commitment_number, theirs.commitment_number);
    });
}

/// The size of the largest file in a folder, rounded up.
fn largest_kib(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    sizes.max().unwrap().div_ceil(1_024)
}
