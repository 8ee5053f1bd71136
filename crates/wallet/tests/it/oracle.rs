//! Others judge: the library's own wallet, told the same history, must see the same coins; and the holder of the
//! root key must be able to sign what we build, at the fee we promise.

use bdk_wallet::{KeychainKind, Wallet};
use bitcoin::bip32::Xpriv;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{FeeRate as BitcoinRate, Network, Psbt, Witness};
use strait_primitives::{FeeRate, Sats, VBytes};
use strait_wallet::{CoinSource, FeeReserve, Pay, SendRequest};

use crate::world::{World, foreign_script, output};

/// The library's wallet with the private keys, told of every block.
fn oracle(world: &World) -> Wallet {
    let branch = |step| format!("tr({}/86'/1'/0'/{step}/*)", world.root);
    let mut wallet = Wallet::create(branch(0), branch(1))
        .network(Network::Regtest)
        .lookahead(30)
        .create_wallet_no_persist()
        .unwrap();
    for (height, block) in (1..).zip(&world.blocks) {
        wallet.apply_block(block, height).unwrap();
    }
    wallet
}

/// Signs every input by what the transaction says about its keys, and nothing else.
fn sign(psbt: &mut Psbt, root: &Xpriv) {
    let signed = psbt.sign(root, &Secp256k1::new()).unwrap();
    assert_eq!(signed.len(), psbt.inputs.len());
    for input in &mut psbt.inputs {
        let signature = input.tap_key_sig.take().unwrap();
        input.final_script_witness = Some(Witness::p2tr_key_spend(&signature));
    }
}

fn payment(world: &mut World, values: &[u64], sat_per_kvb: u64) -> Psbt {
    let request = SendRequest {
        pay: Pay::Outputs(values.iter().map(|value| output(*value, foreign_script())).collect()),
        fee_rate: FeeRate::from_sat_per_kvb(sat_per_kvb),
        keep: FeeReserve::NONE,
        coins: CoinSource::Confirmed,
        entropy: [3; 32],
    };
    let (payment, change) = world.wallet.send(&request).unwrap();
    world.keep(change);
    payment.psbt
}

#[test]
fn addresses_and_balances_are_those_of_the_library() {
    let mut world = World::with_coins(&[10_000, 20_000, 30_000]);
    let coinbase = world.coinbase(70_000);
    world.mine(vec![coinbase]);
    let psbt = payment(&mut world, &[5_000], 1_000);
    let given_up = psbt.unsigned_tx.compute_txid();
    world.mine(vec![psbt.unsigned_tx]);
    world.rewind(1);
    let change = world.wallet.forget_unconfirmed(given_up, world.now);
    world.keep(change);
    let replaced = payment(&mut world, &[25_000], 4_000);
    world.mine(vec![replaced.unsigned_tx]);

    let oracle = oracle(&world);
    let theirs = oracle.balance();
    assert_eq!(world.sums()[0], theirs.confirmed.to_sat());
    assert_eq!(world.sums()[3], theirs.immature.to_sat());
    for index in 0..4 {
        let script = oracle.peek_address(KeychainKind::External, index).script_pubkey();
        assert!(world.wallet.owns_script(&script));
    }
    let mut unspent: Vec<_> = oracle.list_unspent().map(|coin| coin.outpoint).collect();
    unspent.sort_unstable();
    let coinbases = world.wallet.balance().immature;
    let ours: Vec<_> = world.wallet.confirmed_coins().iter().map(|coin| coin.outpoint).collect();
    assert_eq!(unspent.len(), ours.len() + usize::from(coinbases > Sats::ZERO));
    assert!(ours.iter().all(|outpoint| unspent.contains(outpoint)));
}

#[test]
fn what_the_holder_of_the_keys_signs_pays_the_rate_that_was_asked_for() {
    for (values, rate) in
        [(&[5_000][..], 1_000), (&[30_000, 40_000][..], 2_345), (&[9_000; 9][..], 33_000)]
    {
        let mut world = World::with_coins(&[10_000, 20_000, 30_000, 110_000, 990_000]);
        let mut psbt = payment(&mut world, values, rate);
        sign(&mut psbt, &world.root);
        let fee = psbt.fee().unwrap().to_sat();
        let tx = psbt.extract_tx_with_fee_rate_limit(BitcoinRate::MAX).unwrap();
        let size = u64::try_from(tx.vsize()).unwrap();
        let due = FeeRate::from_sat_per_kvb(rate).fee(VBytes(size)).to_sat();
        let above = FeeRate::from_sat_per_kvb(rate).fee(VBytes(size + 1)).to_sat();
        let has_change = tx.output.len() > values.len();
        assert!(fee >= due, "{fee} paid where {due} is due");
        assert!(!has_change || fee <= above, "{fee} paid where {due} is due");
    }
}
