//! The chain source against both servers.

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, Txid};
use serde_json::json;
use strait_chain::{
    ChainError, ChainSource, ChainStep, Download, FEE_RATE_FLOOR, FeeAnswer, Follower,
    TransactionOutcome,
};
use strait_primitives::{BlockDelta, BlockHeight};

use crate::stage::{
    Stage, anchor_script, coin_of, on_each_server, open_output, output, pay, spend,
};

#[test]
fn a_fresh_server_passes_the_self_test_and_has_the_genesis_block_alone() {
    on_each_server(|server| {
        let mut source = server.source();
        source.self_test().unwrap();
        let tip = source.tip().unwrap();
        assert_eq!(tip.height, BlockHeight::new(0));
        let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
        assert_eq!(source.block(tip.hash).unwrap(), genesis);
        let at = source.header(tip.hash).unwrap();
        assert_eq!((at.height, at.header), (tip.height, genesis.header));
        assert_eq!(source.block_hash_at(BlockHeight::new(0)).unwrap(), Some(tip.hash));
        assert_eq!(source.block_hash_at(BlockHeight::new(1)).unwrap(), None);
        let unknown = FeeAnswer::Unknown { least: FEE_RATE_FLOOR };
        assert_eq!(source.estimate_fee(BlockDelta::new(6)).unwrap(), unknown);
        assert_eq!(source.download().unwrap(), Download::Over { mined: None });
        let hash = BlockHash::from_byte_array([7; 32]);
        assert_eq!(source.block(hash), Err(ChainError::UnknownBlock { hash }));
        assert_eq!(source.header(hash), Err(ChainError::UnknownBlock { hash }));
    });
}

#[test]
fn transactions_are_accepted_known_or_rejected_and_seen_in_the_mempool() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 2);
        let mut source = server.source();
        let coin = stage.coin();
        let transaction = pay(2, &coin, 1_000);
        let txid = transaction.compute_txid();
        let mut submit = |transaction: &bitcoin::Transaction| {
            source.submit(std::slice::from_ref(transaction)).unwrap().transactions.remove(0)
        };
        assert_eq!(submit(&transaction), (txid, TransactionOutcome::Accepted));
        let poor = pay(2, &coin, 500);
        let (_, outcome) = submit(&poor);
        match outcome {
            TransactionOutcome::Rejected { reason } => {
                assert!(reason.starts_with("insufficient fee"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        let spent = source.mempool_spends(&[coin.outpoint, OutPoint { txid, vout: 0 }]).unwrap();
        assert_eq!(spent, vec![transaction.clone()]);
        assert_eq!(source.mempool_transactions().unwrap(), vec![transaction.clone()]);
        assert_eq!(source.mempool_transactions().unwrap(), vec![]);
        stage.mine(1);
        let again = source.submit(std::slice::from_ref(&transaction)).unwrap();
        assert_eq!(again.transactions, vec![(txid, TransactionOutcome::AlreadyKnown)]);
        assert_eq!(source.mempool_spends(&[coin.outpoint]).unwrap(), vec![]);
        assert_eq!(source.unspent(coin.outpoint).unwrap(), None);
        let found = source.unspent(OutPoint { txid, vout: 0 }).unwrap().unwrap();
        assert_eq!(found.output, transaction.output[0]);
        assert_eq!(found.depth, BlockDelta::new(1));
        let nowhere = OutPoint { txid: Txid::from_byte_array([9; 32]), vout: 3 };
        assert_eq!(source.unspent(nowhere).unwrap(), None);
    });
}

#[test]
fn a_zero_fee_parent_enters_with_its_child_and_only_so() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 2);
        let mut source = server.source();
        let (coin, purse) = (stage.coin(), stage.coin());
        let sat = coin.value.to_sat();
        let parent = spend(3, &[&coin], vec![open_output(sat), output(0, anchor_script())]);
        let alone = source.submit(std::slice::from_ref(&parent)).unwrap();
        assert!(alone.first_rejection().is_some(), "{alone:?}");
        let kept = purse.value - Amount::from_sat(2_000);
        let child = spend(3, &[&coin_of(&parent, 1), &purse], vec![open_output(kept.to_sat())]);
        let package = [parent.clone(), child.clone()];
        let outcome = source.submit(&package).unwrap();
        let (parent_id, child_id) = (parent.compute_txid(), child.compute_txid());
        let expect =
            |outcome: TransactionOutcome| vec![(parent_id, outcome.clone()), (child_id, outcome)];
        assert_eq!(outcome.transactions, expect(TransactionOutcome::Accepted));
        let outcome = source.submit(&package).unwrap();
        assert_eq!(outcome.transactions, expect(TransactionOutcome::AlreadyKnown));
        stage.mine(1);
        assert!(source.unspent(OutPoint { txid: parent_id, vout: 0 }).unwrap().is_some());
        assert!(source.unspent(OutPoint { txid: child_id, vout: 0 }).unwrap().is_some());
    });
}

#[test]
fn a_follower_sees_a_reorganisation_and_the_transaction_waits_again() {
    on_each_server(|server| {
        let mut stage = Stage::new(server.client(), 1);
        let mut source = server.source();
        let start = source.tip().unwrap();
        let mut follower = Follower::new(bitcoin::Network::Regtest, [start]).unwrap();
        let coin = stage.coin();
        let transaction = pay(2, &coin, 1_000);
        stage.send(&transaction).unwrap();
        let hashes = stage.mine(6);
        let connected = follower.poll(&mut source, 100).unwrap();
        assert_eq!(connected.len(), 6);
        match &connected[0] {
            ChainStep::Connected { block, .. } => assert_eq!(block.txdata[1], transaction),
            ChainStep::Disconnected { .. } => panic!("nothing to disconnect"),
        }
        stage.rpc.call("invalidateblock", json!([hashes[0]])).unwrap();
        let undone = follower.poll(&mut source, 100).unwrap();
        assert_eq!(undone.len(), 6);
        assert_eq!(follower.tip(), start);
        assert_eq!(source.mempool_spends(&[coin.outpoint]).unwrap(), vec![transaction.clone()]);
        stage.mine_to(&anchor_script(), 7);
        let told = follower.poll(&mut source, 100).unwrap();
        assert_eq!(told.len(), 7);
        assert_eq!(follower.tip(), source.tip().unwrap());
        assert_eq!(source.mempool_spends(&[coin.outpoint]).unwrap(), vec![]);
        stage.rpc.call("reconsiderblock", json!([hashes[0]])).unwrap();
        assert_eq!(follower.poll(&mut source, 100).unwrap(), vec![]);
    });
}
