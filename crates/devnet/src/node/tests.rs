//! The chain and the mempool together: what enters, what is mined, what a reorganisation does.
//!
//! The long tables of accepted and refused transactions stand in `chain-bitcoind/tests`, where a real bitcoind is
//! asked the same.

use bitcoin::absolute::LockTime;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Sequence, TxIn, TxOut, Txid, Witness};

use super::*;
use crate::mempool::package::PackageState;
use crate::reject::RejectKind;

/// A moment after the genesis block.
const NOW_S: u64 = 1_700_000_000;

/// A witness script that anyone satisfies.
fn open_script() -> ScriptBuf {
    Builder::new().push_int(1).into_script()
}

fn open_output(sat: u64) -> TxOut {
    let script_pubkey = ScriptBuf::new_p2wsh(&open_script().wscript_hash());
    TxOut { value: Amount::from_sat(sat), script_pubkey }
}

fn anchor() -> TxOut {
    let script_pubkey = ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73]);
    TxOut { value: Amount::ZERO, script_pubkey }
}

/// Spends outputs: `true` marks those whose script anyone satisfies, the others are anchors.
fn spend(version: i32, inputs: &[(OutPoint, bool)], output: Vec<TxOut>) -> Transaction {
    let input = inputs.iter().map(|(previous_output, is_open)| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: if *is_open {
            Witness::from_slice(&[open_script().as_bytes()])
        } else {
            Witness::new()
        },
    });
    Transaction {
        version: Version::non_standard(version),
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output,
    }
}

/// A node with this many coins that can be spent, each of 50 bitcoin.
fn node(coins: usize) -> (Node, Vec<OutPoint>) {
    let mut node = Node::new();
    let payout = open_output(0).script_pubkey;
    let hashes: Vec<BlockHash> =
        (0..coins + 100).map(|_| node.mine(payout.clone(), NOW_S)).collect();
    let outpoints = hashes.iter().take(coins).map(|hash| {
        let block = &node.chain().block(hash).unwrap().block;
        OutPoint { txid: block.txdata[0].compute_txid(), vout: 0 }
    });
    let outpoints = outpoints.collect();
    (node, outpoints)
}

const COIN_SAT: u64 = 50 * 100_000_000;

fn pay(version: i32, coin: OutPoint, fee_sat: u64) -> Transaction {
    spend(version, &[(coin, true)], vec![open_output(COIN_SAT - fee_sat)])
}

fn output_of(transaction: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: transaction.compute_txid(), vout }
}

fn waiting(node: &Node) -> Vec<Txid> {
    node.mempool().entries().map(|entry| entry.txid).collect()
}

fn sorted(transactions: &[&Transaction]) -> Vec<Txid> {
    let mut txids: Vec<Txid> = transactions.iter().map(|other| other.compute_txid()).collect();
    txids.sort_unstable();
    txids
}

#[test]
fn transactions_enter_or_are_refused_with_the_rule() {
    let (node, coins) = node(1);
    let coin = coins[0];
    let check = |transaction: Transaction, expect: Result<(), &str>| {
        let outcome = node.rehearse(&transaction, NOW_S).map(|_| ());
        assert_eq!(outcome.map_err(|reject| reject.to_string()), expect.map_err(str::to_owned));
        assert_eq!(waiting(&node), Vec::new(), "a rehearsal changed something");
    };
    check(pay(2, coin, 1_000), Ok(()));
    check(pay(2, coin, 0), Err("min relay fee not met, 0 < 10"));
    check(pay(4, coin, 1_000), Err("version"));
    check(spend(2, &[(coin, true)], vec![open_output(1), open_output(1)]), Err("dust"));
    check(
        spend(2, &[(coin, true)], vec![anchor(), open_output(1_000)]),
        Err("dust, tx with dust output must be 0-fee"),
    );
    check(
        spend(2, &[(coin, true)], vec![open_output(COIN_SAT + 1)]),
        Err("bad-txns-in-belowout, value in (50.00) < value out (50.00000001)"),
    );
    let missing = node.rehearse(&pay(2, OutPoint { vout: 9, ..coin }, 0), NOW_S).unwrap_err();
    assert_eq!(missing.kind, RejectKind::MissingInputs);
    let mut locked = pay(2, coin, 1_000);
    locked.input[0].sequence = Sequence::from_height(101);
    node.rehearse(&locked, NOW_S).unwrap();
    locked.input[0].sequence = Sequence::from_height(102);
    assert_eq!(node.rehearse(&locked, NOW_S).unwrap_err().reason, "non-BIP68-final");
    locked.lock_time = LockTime::from_consensus(102);
    assert_eq!(node.rehearse(&locked, NOW_S).unwrap_err().reason, "non-final");
}

#[test]
fn a_zero_fee_parent_with_dust_enters_and_is_mined_with_its_child_alone() {
    let (mut node, coins) = node(2);
    let parent = spend(3, &[(coins[0], true)], vec![anchor(), open_output(COIN_SAT)]);
    let child = spend(
        3,
        &[(output_of(&parent, 0), false), (coins[1], true)],
        vec![open_output(COIN_SAT - 1_000)],
    );
    assert_eq!(node.submit(&parent, NOW_S).unwrap_err().kind, RejectKind::Fee);
    let package = [parent.clone(), child.clone()];
    let outcome = node.submit_package(&package, NOW_S, FeeCap::None);
    assert_eq!(outcome.state, PackageState::Success);
    assert_eq!(waiting(&node), sorted(&[&parent, &child]));
    let hash = node.mine(open_output(0).script_pubkey, NOW_S);
    let block = &node.chain().block(&hash).unwrap().block;
    assert_eq!(block.txdata[1..], package);
    assert_eq!(waiting(&node), Vec::new());
}

#[test]
fn a_parent_whose_child_was_replaced_away_stays_out_of_blocks() {
    let (mut node, coins) = node(2);
    let parent = spend(3, &[(coins[0], true)], vec![anchor(), open_output(COIN_SAT)]);
    let child = spend(
        3,
        &[(output_of(&parent, 0), false), (coins[1], true)],
        vec![open_output(COIN_SAT - 1_000)],
    );
    let outcome = node.submit_package(&[parent.clone(), child], NOW_S, FeeCap::None);
    assert_eq!(outcome.state, PackageState::Success);
    node.submit(&pay(3, coins[1], 5_000), NOW_S).unwrap();
    assert!(node.mempool().contains(&parent.compute_txid()));
    node.mine(open_output(0).script_pubkey, NOW_S);
    assert_eq!(waiting(&node), sorted(&[&parent]));
}

#[test]
fn a_reorganisation_puts_transactions_back_and_drops_what_it_made_impossible() {
    let (mut node, coins) = node(2);
    let parent = pay(2, coins[0], 1_000);
    let child = spend(2, &[(output_of(&parent, 0), true)], vec![open_output(COIN_SAT - 9_000)]);
    let mut timed = pay(2, coins[1], 1_000);
    timed.lock_time = LockTime::from_consensus(node.chain().height() + 1);
    node.submit(&parent, NOW_S).unwrap();
    let payout = open_output(0).script_pubkey;
    let first = node.mine(payout.clone(), NOW_S);
    node.submit(&child, NOW_S).unwrap();
    node.submit(&timed, NOW_S).unwrap();
    node.rule_out(first, NOW_S);
    assert_eq!(waiting(&node), sorted(&[&parent, &child]), "the timed one cannot wait yet");
    let second = node.mine(payout.clone(), NOW_S);
    assert_eq!(node.chain().block(&second).unwrap().block.txdata.len(), 3);
    node.rule_out(second, NOW_S);
    node.reconsider(first, NOW_S);
    assert_eq!(node.chain().tip_hash(), first);
    assert_eq!(waiting(&node), sorted(&[&child]));
}

#[test]
fn a_double_spend_in_a_block_removes_the_loser_and_its_descendants() {
    let (mut node, coins) = node(1);
    let loser = pay(2, coins[0], 1_000);
    let child = spend(2, &[(output_of(&loser, 0), true)], vec![open_output(COIN_SAT - 9_000)]);
    node.submit(&loser, NOW_S).unwrap();
    node.submit(&child, NOW_S).unwrap();
    let payout = open_output(0).script_pubkey;
    // Without fee and never relayed: only a block can bring it.
    let winner = pay(2, coins[0], 0);
    node.mine_exactly(payout.clone(), vec![winner.clone()], NOW_S).unwrap();
    assert_eq!(waiting(&node), Vec::new());
    assert!(node.chain().block_of(&winner.compute_txid()).is_some());
    let again = node.mine_exactly(payout, vec![winner], NOW_S).unwrap_err();
    assert_eq!(again.kind, RejectKind::MissingInputs);
}

#[test]
fn the_subsidy_halves_and_the_miner_gets_the_fees() {
    let check = |height, sat| assert_eq!(mining::subsidy(height), Amount::from_sat(sat));
    check(149, 5_000_000_000);
    check(150, 2_500_000_000);
    check(300, 1_250_000_000);
    check(u32::MAX, 0);
    let (mut node, coins) = node(1);
    node.submit(&pay(2, coins[0], 12_345), NOW_S).unwrap();
    let hash = node.mine(open_output(0).script_pubkey, NOW_S);
    let block = &node.chain().block(&hash).unwrap().block;
    assert_eq!(block.txdata[0].output[0].value, Amount::from_sat(COIN_SAT + 12_345));
    assert_eq!(block.bip34_block_height(), Ok(u64::from(node.chain().height())));
    assert!(block.check_merkle_root() && block.check_witness_commitment());
}
