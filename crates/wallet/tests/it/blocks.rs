//! Blocks that come and go.

use bitcoin::{Amount, OutPoint};
use strait_primitives::{BlockDelta, BlockHeight};
use strait_wallet::{BLOCKS_KEPT, ConnectError, DisconnectError};

use crate::world::{World, foreign_script, output, spend};

/// Height of a number.
fn at(height: u32) -> BlockHeight {
    BlockHeight::new(height)
}

#[test]
fn a_coin_is_pending_while_a_reorganisation_has_its_block_and_confirmed_after() {
    for depth in [1, 6] {
        let mut world = World::with_coins(&[50_000]);
        for _ in 1..depth {
            world.mine(vec![]);
        }
        assert_eq!(world.sums(), [50_000, 0, 0, 0]);

        let old = world.rewind(depth);
        assert_eq!(world.sums(), [0, 50_000, 0, 0], "depth {depth}");
        world.check_law();

        world.mine(vec![]);
        world.mine(old[0].txdata.clone());
        for _ in 0..depth {
            world.mine(vec![]);
        }
        assert_eq!(world.sums(), [50_000, 0, 0, 0], "depth {depth}");
        assert_eq!(world.wallet.confirmed_coins()[0].confirmed_at, Some(at(2)));
        world.check_law();
    }
}

#[test]
fn a_coin_whose_payment_is_double_spent_on_the_new_branch_is_gone() {
    for depth in [1, 6] {
        let mut world = World::with_coins(&[50_000]);
        for _ in 1..depth {
            world.mine(vec![]);
        }
        let old = world.rewind(depth);
        let source = old[0].txdata[0].input[0].previous_output;
        world.mine(vec![spend([source], [output(49_000, foreign_script())])]);
        for _ in 0..depth {
            world.mine(vec![]);
        }
        assert_eq!(world.sums(), [0; 4], "depth {depth}");
        world.check_law();
    }
}

#[test]
fn our_spend_survives_a_reorganisation_as_pending_and_can_be_broadcast_again() {
    let mut world = World::with_coins(&[50_000]);
    let coin = world.wallet.confirmed_coins().remove(0);
    let back = world.script();
    let tx = spend([coin.outpoint], [output(20_000, foreign_script()), output(29_000, back)]);
    world.mine(vec![tx.clone()]);
    assert_eq!(world.sums(), [29_000, 0, 0, 0]);

    world.rewind(1);
    assert_eq!(world.sums(), [0, 29_000, 0, 0]);
    let again: Vec<_> = world.wallet.unconfirmed().iter().map(|tx| tx.compute_txid()).collect();
    assert_eq!(again, [tx.compute_txid()]);
    assert_eq!(world.wallet.mined_in(tx.compute_txid()), None);

    let hash = world.mine(vec![tx.clone()]);
    assert_eq!(world.wallet.mined_in(tx.compute_txid()).unwrap().hash, hash);
    assert_eq!(world.sums(), [29_000, 0, 0, 0]);
    world.check_law();
}

#[test]
fn a_mined_double_spend_beats_our_broadcast_and_frees_nothing() {
    let mut world = World::with_coins(&[50_000, 30_000]);
    let coin =
        world.wallet.confirmed_coins().into_iter().find(|coin| coin.value().to_sat() == 50_000);
    let coin = coin.unwrap();
    let back = world.script();
    world.broadcast(&spend([coin.outpoint], [output(49_000, back)]));
    assert_eq!(world.sums(), [30_000, 49_000, 0, 0]);

    world.mine(vec![spend([coin.outpoint], [output(48_000, foreign_script())])]);
    assert_eq!(world.sums(), [30_000, 0, 0, 0]);
    assert!(world.wallet.unconfirmed().is_empty());
    world.check_law();
}

/// A transaction is lost with what it needs: its own coins are spent by nobody.
#[test]
fn a_rival_of_what_a_transaction_needs_is_its_own_rival() {
    let mut world = World::with_coins(&[50_000]);
    let coin = world.wallet.confirmed_coins().remove(0);
    let mut chain = Vec::new();
    let mut from = coin.outpoint;
    for sat in [49_000, 48_000, 47_000] {
        let back = world.script();
        let tx = spend([from], [output(sat, back)]);
        world.broadcast(&tx);
        from = OutPoint::new(tx.compute_txid(), 0);
        chain.push(tx);
    }
    let rivals = |world: &World| {
        let rival = |tx: &bitcoin::Transaction| world.wallet.rival_of(tx.compute_txid());
        chain.iter().map(rival).collect::<Vec<_>>()
    };
    assert_eq!(rivals(&world), [None; 3]);
    world.mine(vec![chain[0].clone()]);
    assert_eq!(rivals(&world), [None; 3]);

    // The second loses its coin; then, deeper, the coin that paid the wallet at first goes another way.
    world.mine(vec![spend([chain[1].input[0].previous_output], [output(1, foreign_script())])]);
    assert_eq!(rivals(&world), [None, Some(at(3)), Some(at(3))]);
    let old = world.rewind(3);
    assert_eq!(rivals(&world), [None; 3]);
    let source = old[0].txdata[0].input[0].previous_output;
    world.mine(vec![spend([source], [output(1, foreign_script())])]);
    world.mine(vec![]);
    assert_eq!(rivals(&world), [Some(at(1)); 3]);
    world.restart();
    assert_eq!(rivals(&world), [Some(at(1)); 3]);
}

/// A transaction of ours spends a stranger's output too, and both are undone: another takes the place of the stranger's.
#[test]
fn a_coin_spent_together_with_what_was_replaced_is_free_again() {
    let mut world = World::with_coins(&[50_000]);
    let coin = world.wallet.confirmed_coins().remove(0);
    let source = world.foreign_outpoint();
    let strangers = spend([source], [output(700, foreign_script())]);
    let back = world.script();
    let anchor = OutPoint::new(strangers.compute_txid(), 0);
    let child = spend([coin.outpoint, anchor], [output(49_000, back)]);
    let note = |world: &mut World| {
        let block = world.blocks.last().unwrap().clone();
        let is_needed = |tx: &bitcoin::Transaction| tx.input[0].previous_output == source;
        let change = world.wallet.note_needed(&block, is_needed);
        assert_eq!(world.wallet.note_needed(&block, is_needed), None, "it is known");
        world.keep(change);
    };
    world.mine(vec![strangers]);
    note(&mut world);
    world.mine(vec![child.clone()]);
    assert_eq!(world.sums(), [49_000, 0, 0, 0]);
    world.rewind(2);
    let on_their_way: Vec<_> = world.wallet.unconfirmed();
    assert_eq!(on_their_way.len(), 1, "a stranger's transaction is not ours to broadcast");
    assert_eq!(on_their_way[0].compute_txid(), child.compute_txid());
    world.mine(vec![spend([source], [output(600, foreign_script())])]);
    note(&mut world);
    assert_eq!(world.sums(), [50_000, 0, 0, 0]);
    world.check_law();
    world.restart();
    assert_eq!(world.sums(), [50_000, 0, 0, 0]);
}

#[test]
fn giving_up_a_broadcast_frees_its_coins_and_those_of_its_children() {
    let mut world = World::with_coins(&[50_000]);
    let coin = world.wallet.confirmed_coins().remove(0);
    let (first, second) = (world.script(), world.script());
    let parent = spend([coin.outpoint], [output(49_000, first)]);
    let child = spend([OutPoint::new(parent.compute_txid(), 0)], [output(48_000, second)]);
    world.broadcast(&parent);
    world.broadcast(&child);
    assert_eq!(world.sums(), [0, 48_000, 0, 0]);
    let order: Vec<_> = world.wallet.unconfirmed().iter().map(|tx| tx.compute_txid()).collect();
    assert_eq!(order, [parent.compute_txid(), child.compute_txid()]);

    let change = world.wallet.forget_unconfirmed(parent.compute_txid(), world.now);
    world.keep(change);
    assert_eq!(world.sums(), [50_000, 0, 0, 0]);
    world.check_law();

    world.broadcast(&parent);
    assert_eq!(world.sums(), [0, 49_000, 0, 0], "noted again, it counts again");
    world.mine(vec![parent.clone()]);
    assert_eq!(world.wallet.forget_unconfirmed(parent.compute_txid(), world.now), None);
    world.check_law();
}

#[test]
fn a_transaction_mined_with_another_witness_is_the_same_transaction() {
    let mut world = World::with_coins(&[50_000]);
    let coin = world.wallet.confirmed_coins().remove(0);
    let back = world.script();
    let bare = spend([coin.outpoint], [output(49_000, back)]);
    for witness in [[8_u8; 3].as_slice(), &[7; 3], &[9; 2], &[1; 64], &[]] {
        let mut tx = bare.clone();
        if !witness.is_empty() {
            tx.input[0].witness.push(witness);
        }
        let change = world.wallet.note_unconfirmed(&tx, world.now);
        world.keep(change);
        world.check_law();
    }
    world.mine(vec![bare]);
    assert_eq!(world.sums(), [49_000, 0, 0, 0]);
    world.check_law();
}

#[test]
fn a_coinbase_is_immature_for_a_hundred_blocks() {
    let mut world = World::new();
    let coinbase = world.coinbase(5_000_000_000);
    world.mine(vec![coinbase]);
    for _ in 0..98 {
        world.mine(vec![]);
    }
    assert_eq!(world.sums(), [0, 0, 0, 5_000_000_000]);
    assert!(world.wallet.confirmed_coins().is_empty());
    world.mine(vec![]);
    assert_eq!(world.sums(), [5_000_000_000, 0, 0, 0]);
    world.rewind(100);
    assert_eq!(world.sums(), [0; 4], "a coinbase without its block is nothing");
    world.check_law();
}

#[test]
fn only_the_next_block_is_connected() {
    let mut world = World::with_coins(&[1_000]);
    let tip = world.wallet.tip();
    let before = world.wallet.state();
    let block = world.block(vec![]);
    for height in [0, 1, 3] {
        let previous = block.header.prev_blockhash;
        let expect = ConnectError::NotNext { tip, height: at(height), previous };
        assert_eq!(world.wallet.connect_block(&block, at(height)), Err(expect));
    }
    let mut stranger = block.clone();
    stranger.header.prev_blockhash = world.account.genesis().hash;
    assert!(world.wallet.connect_block(&stranger, at(2)).is_err());
    assert_eq!(world.wallet.state(), before);
}

#[test]
fn a_block_that_no_chain_can_hold_is_refused() {
    let mut world = World::with_coins(&[1_000]);
    let before = world.wallet.state();
    let script = world.wallet.confirmed_coins()[0].txout.script_pubkey.clone();
    let source = world.foreign_outpoint();
    let mut rich = spend([source], [output(1, script.clone()), output(1, script.clone())]);
    rich.output[0].value = Amount::MAX_MONEY;
    let endless = Amount::from_sat(u64::MAX);
    let mut richer = rich.clone();
    richer.output.iter_mut().for_each(|output| output.value = endless);
    let twice = spend([source, source], [output(1, script)]);
    for tx in [rich, richer, twice] {
        let block = world.block(vec![tx.clone()]);
        let refused = world.wallet.connect_block(&block, at(2));
        assert_eq!(refused, Err(ConnectError::Impossible { txid: tx.compute_txid() }));
        assert_eq!(world.wallet.note_unconfirmed(&tx, world.now), None);
    }
    assert_eq!(world.wallet.state(), before);
}

#[test]
fn the_genesis_block_and_what_is_not_there_cannot_be_disconnected() {
    let mut world = World::with_coins(&[1_000]);
    let too_deep = DisconnectError::TooDeep { height: at(0) };
    assert_eq!(world.wallet.disconnect_block(at(0)), Err(too_deep));
    let above = DisconnectError::AboveTip { height: at(2), tip: at(1) };
    assert_eq!(world.wallet.disconnect_block(at(2)), Err(above));
}

#[test]
fn old_blocks_are_forgotten_except_those_that_hold_a_coin() {
    let mut world = World::new();
    for _ in 0..9 {
        world.mine(vec![]);
    }
    let payment = world.payment(77_000);
    world.mine(vec![payment]);
    let above = BLOCKS_KEPT.to_u32() + 300;
    for _ in 0..above {
        world.mine(vec![]);
    }
    assert_eq!(world.sums(), [77_000, 0, 0, 0]);
    assert_eq!(world.wallet.confirmed_coins()[0].confirmed_at, Some(at(10)));
    world.check_law();
    let record = world.log.to_bytes().len();
    assert!(record < 60_000, "{record} bytes for {above} blocks");

    let deep = world.wallet.disconnect_block(at(20));
    assert_eq!(deep, Err(DisconnectError::TooDeep { height: at(20) }));
    world.rewind(BLOCKS_KEPT.to_u32() - 1);
    assert_eq!(world.sums(), [77_000, 0, 0, 0]);
    let tip = world.wallet.tip().height;
    assert_eq!(tip, at(10 + above).saturating_sub(BLOCKS_KEPT).saturating_add(BlockDelta::new(1)));
    world.mine(vec![]);
    world.check_law();
}

#[test]
fn a_wallet_born_late_starts_at_its_birthday() {
    let mut old = World::with_coins(&[1_000]);
    old.mine(vec![]);
    let birthday = old.wallet.tip();
    let (mut wallet, first) =
        strait_wallet::Wallet::create(&old.account, birthday, crate::world::GAP);
    let mut log = strait_wallet::WalletState::default();
    log.apply(&first);
    assert_eq!(wallet.tip(), birthday);
    let block = old.block(vec![]);
    log.apply(&wallet.connect_block(&block, at(3)).unwrap());
    assert_eq!(log, wallet.state());
    assert_eq!(wallet.disconnect_block(at(2)), Err(DisconnectError::TooDeep { height: at(2) }));
}
