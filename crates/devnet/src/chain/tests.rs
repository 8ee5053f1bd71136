//! The block tree: branches, bans, and coins that come back.

use bitcoin::ScriptBuf;

use super::*;
use crate::mining::{Selection, mine};

/// Mines empty blocks to a script that tells branches apart.
fn grow(chain: &mut Chain, count: u64, branch: u8) -> Vec<BlockHash> {
    let payout = ScriptBuf::from_bytes(vec![0x51, branch]);
    let start = u64::from(chain.height()) + u64::from(branch) * 1_000;
    let mined = (1..=count).map(|step| {
        let block = mine(chain, payout.clone(), Selection::default(), start + step, 1_700_000_000);
        chain.append(block)
    });
    mined.collect()
}

/// The coins that the active blocks leave, found the slow way.
fn coins_from_scratch(chain: &Chain) -> BTreeMap<OutPoint, Coin> {
    let mut coins = BTreeMap::new();
    for hash in chain.active.iter().skip(1) {
        let stored = chain.block(hash).unwrap();
        for transaction in &stored.block.txdata {
            for input in &transaction.input {
                coins.remove(&input.previous_output);
            }
            let origin = if transaction.is_coinbase() {
                CoinOrigin::Coinbase(stored.height)
            } else {
                CoinOrigin::Block(stored.height)
            };
            for (vout, output) in (0..).zip(&transaction.output) {
                if !output.script_pubkey.is_op_return() {
                    let outpoint = OutPoint { txid: transaction.compute_txid(), vout };
                    coins.insert(outpoint, Coin { output: output.clone(), origin });
                }
            }
        }
    }
    coins
}

#[test]
fn a_ruled_out_block_takes_its_descendants_along_and_comes_back() {
    let mut chain = Chain::new();
    let first = grow(&mut chain, 5, 1);
    let change = chain.rule_out(first[2]);
    assert_eq!((change.disconnected.len(), change.connected.len()), (3, 0));
    assert_eq!((chain.height(), chain.tip_hash()), (2, first[1]));
    assert_eq!(chain.coins, coins_from_scratch(&chain));
    let change = chain.reconsider(first[4]);
    assert_eq!((change.disconnected.len(), change.connected.len()), (0, 3));
    assert_eq!(chain.tip_hash(), first[4]);
    assert_eq!(chain.coins, coins_from_scratch(&chain));
}

#[test]
fn the_longer_branch_wins_and_a_tie_changes_nothing() {
    let mut chain = Chain::new();
    let first = grow(&mut chain, 3, 1);
    let _ = chain.rule_out(first[1]);
    let second = grow(&mut chain, 2, 2);
    let change = chain.reconsider(first[1]);
    assert!(change.disconnected.is_empty(), "a tie moved the chain");
    assert_eq!(chain.tip_hash(), second[1]);
    let _ = chain.rule_out(second[0]);
    let longer = grow(&mut chain, 1, 1);
    assert_eq!(chain.block(&longer[0]).unwrap().block.header.prev_blockhash, first[2]);
    let change = chain.reconsider(second[0]);
    assert!(change.connected.is_empty(), "the shorter branch won");
    assert_eq!(chain.coins, coins_from_scratch(&chain));
}

#[test]
fn the_median_time_is_that_of_the_last_eleven_blocks() {
    let mut chain = Chain::new();
    grow(&mut chain, 12, 1);
    // All were mined at one moment, so each had to be a second later than the median before it.
    let mut last: Vec<u32> = (2..=12)
        .map(|height| chain.block(&chain.hash_at(height).unwrap()).unwrap().block.header.time)
        .collect();
    last.sort_unstable();
    assert_eq!(chain.median_time(12), last[5]);
}
