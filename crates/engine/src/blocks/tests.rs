//! When a node brings things on the chain, and what it pays for that.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::{
    Amount, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut,
    Witness, transaction,
};
use strait_contract::ScriptedRuntime;
use strait_primitives::{BlockDelta, FeeRate, Timestamp};
use strait_signer::{Seed, SeedWords, Zeroizing};
use strait_wallet::Account;

use super::*;
use crate::rig::config;
use crate::{BlockPoint, EngineConfig, Input};

/// What is paid while the chain gives no estimate; apart from every other rate here.
const FALLBACK: FeeRate = FeeRate::from_sat_per_kvb(5_000);
const NOON: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn engine() -> Engine {
    let seed = Seed::new(&SeedWords::generate(&Zeroizing::new([7; 32])), Network::Regtest);
    let (fingerprint, xpub) = seed.wallet_account();
    let account = Account::new(Network::Regtest, fingerprint, xpub).unwrap();
    let genesis = account.genesis();
    let birthday = BlockPoint { height: genesis.height, hash: genesis.hash };
    let config = EngineConfig { fallback_fee_rate: FALLBACK, ..config(seed.node_key().node_id()) };
    Engine::create(config, seed, &account, birthday).0
}

/// What a step broadcasts.
fn broadcasts(out: Step) -> Vec<Vec<Transaction>> {
    let packages = out.effects.into_iter().filter_map(|effect| match effect {
        Effect::Broadcast(package) => Some(package),
        Effect::Send(..)
        | Effect::LookFor(_)
        | Effect::Disconnect(_)
        | Effect::KeepConnected(..)
        | Effect::Forget(_)
        | Effect::Reply(..)
        | Effect::Report(_) => None,
    });
    packages.collect()
}

#[test]
fn blocks_of_long_ago_broadcast_nothing_and_the_last_one_everything_once() {
    let mut engine = engine();
    let contracts = ScriptedRuntime::with_purse();
    let moment = Moment { now: NOON, entropy: [1; 32], contracts: &contracts };
    let own = engine.wallet.next_address().0.script_pubkey();
    let waiting = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::new(Txid::from_byte_array([3; 32]), 0),
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(50_000), script_pubkey: own }],
    };
    assert!(engine.wallet.note_unconfirmed(&waiting, NOON).is_some());
    for _ in 0..3 {
        let tip = engine.tip();
        let header = Header {
            version: Version::TWO,
            prev_blockhash: tip.hash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        };
        let block = Block { header, txdata: Vec::new() };
        let height = tip.height.saturating_add(BlockDelta::new(1));
        let mut out = Step::default();
        engine.handle_block(height, &block, &moment, &mut out);
        assert_eq!(broadcasts(out), Vec::<Vec<_>>::new(), "more blocks may follow");
    }
    let mut out = Step::default();
    engine.handle_blocks_told(TipStanding::Current, &moment, &mut out);
    assert_eq!(broadcasts(out), [[waiting]]);
}

#[test]
fn without_an_estimate_the_operators_fallback_is_paid_unless_nobody_would_take_it() {
    let mut engine = engine();
    let contracts = ScriptedRuntime::with_purse();
    let moment = Moment { now: NOON, entropy: [1; 32], contracts: &contracts };
    let rate = FeeRate::from_sat_per_kvb;
    let mut check = |input: Option<Input>, expect| {
        if let Some(input) = input {
            assert!(engine.handle(input, &moment).is_empty());
        }
        assert_eq!(engine.fee_rate(), rate(expect));
    };
    check(None, 5_000);
    check(Some(Input::FeeEstimate(rate(1_200))), 1_200);
    check(Some(Input::NoFeeEstimate { least: rate(1_000) }), 5_000);
    check(Some(Input::NoFeeEstimate { least: rate(9_000) }), 9_000);
    check(Some(Input::NoFeeEstimate { least: rate(9_000_000) }), 500_000);
}
