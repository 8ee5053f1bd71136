//! Both sides build the same funding transaction; its values, order, signatures and refusals.

use bitcoin::hashes::Hash as _;
use bitcoin::key::TapTweak as _;
use bitcoin::secp256k1::{Message, PublicKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};

use super::*;
use crate::fixture::{Secrets, funding, judge, keypair, secp, sign_schnorr, wallet};

const SAT: fn(u64) -> Sats = Sats::from_const;
const RATE: FeeRate = FeeRate::from_sat_per_kvb(2_000);

fn coin(id: u8, sat: u64) -> WalletCoin {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: wallet(id).to_script_buf() };
    let outpoint = OutPoint { txid: Txid::from_byte_array([id; 32]), vout: id.into() };
    WalletCoin { outpoint, output }
}

fn contribution(id: u8, amount: u64, coins: Vec<WalletCoin>) -> Contribution {
    Contribution { amount: SAT(amount), coins, change: wallet(100 + id) }
}

fn plan() -> FundingPlan {
    FundingPlan {
        opener: contribution(1, 600_000, vec![coin(9, 500_000), coin(3, 200_000)]),
        acceptor: contribution(2, 400_000, vec![coin(5, 450_000)]),
        outputs: vec![FundingOutput { script: funding(), value: SAT(1_000_000) }],
        fee_rate: RATE,
    }
}

/// What the inputs spend.
fn spent(transaction: &FundingTransaction) -> Vec<TxOut> {
    let psbt = transaction.to_psbt();
    psbt.inputs.into_iter().map(|input| input.witness_utxo.unwrap()).collect()
}

/// Signs the coin with the key that pays it.
fn sign(transaction: &FundingTransaction, id: u8) -> (OutPoint, SchnorrSignature) {
    let outpoint = coin(id, 0).outpoint;
    let unsigned = transaction.unsigned();
    let index = unsigned.input.iter().position(|input| input.previous_output == outpoint).unwrap();
    let hash = SighashCache::new(unsigned)
        .taproot_key_spend_signature_hash(
            index,
            &Prevouts::All(&spent(transaction)),
            TapSighashType::Default,
        )
        .unwrap();
    let key = keypair([9, id]).tap_tweak(&secp(), None).to_keypair();
    (outpoint, sign_schnorr(&Message::from_digest(hash.to_byte_array()), &key))
}

#[test]
fn a_shared_funding_is_accepted_with_everyones_signature_and_not_before() {
    let transaction = FundingTransaction::new(&plan()).unwrap();
    let all: BTreeMap<_, _> = [9, 3, 5].map(|id| sign(&transaction, id)).into();
    let signed = transaction.clone().complete(&all).unwrap();
    judge(&signed, &spent(&transaction)).unwrap();
    assert_eq!(signed.compute_txid(), transaction.txid());
    assert!(transaction.fee() >= RATE.fee(VBytes(u64::try_from(signed.vsize()).unwrap())));

    let outpoint = coin(5, 0).outpoint;
    let mut missing = all.clone();
    missing.remove(&outpoint);
    let refused = transaction.clone().complete(&missing);
    assert_eq!(refused, Err(WitnessError::Missing { outpoint }));
    let mut wrong = all.clone();
    wrong.insert(outpoint, all[&coin(3, 0).outpoint]);
    assert_eq!(transaction.complete(&wrong), Err(WitnessError::Wrong { outpoint }));
}

#[test]
fn inputs_sort_by_outpoint_and_outputs_by_value() {
    let transaction = FundingTransaction::new(&plan()).unwrap();
    let unsigned = transaction.unsigned();
    assert!(unsigned.input.is_sorted_by_key(|input| input.previous_output));
    assert!(unsigned.output.is_sorted());
    let outpoint = transaction.outpoint_of(&funding()).unwrap();
    let output = &unsigned.output[usize::try_from(outpoint.vout).unwrap()];
    assert_eq!(output.script_pubkey, funding().script_pubkey());
    assert_eq!(outpoint.txid, transaction.txid());

    let mut other = plan();
    other.opener.coins.reverse();
    assert_eq!(FundingTransaction::new(&other).unwrap(), transaction);
}

#[test]
fn only_the_opener_pays_the_fee() {
    let transaction = FundingTransaction::new(&plan()).unwrap();
    let paid = |id: u8| {
        let script = wallet(100 + id).to_script_buf();
        let mut outputs = transaction.unsigned().output.iter();
        outputs.find(|output| output.script_pubkey == script).unwrap().value.to_sat()
    };
    assert_eq!(paid(1), 100_000 - transaction.fee().to_sat());
    assert_eq!(paid(2), 50_000);
}

#[test]
fn change_below_dust_goes_to_miners() {
    let mut plan = plan();
    plan.acceptor.coins = vec![coin(5, 400_353)];
    let transaction = FundingTransaction::new(&plan).unwrap();
    assert_eq!(transaction.unsigned().output.len(), 2);
    let fee = FundingTransaction::new(&self::plan()).unwrap().fee();
    assert_eq!(transaction.fee().to_sat(), fee.to_sat() + 353);
}

#[test]
fn one_funding_opens_many_channels() {
    let outputs = (0..50_u8).map(|id| {
        let key = |seed| -> PublicKey { Secrets::new(seed).public().funding };
        let script = FundingScript::new([key(200), key(100 + id)]).unwrap();
        FundingOutput { script, value: SAT(20_000) }
    });
    let plan = FundingPlan {
        opener: contribution(1, 1_000_000, vec![coin(9, 1_100_000)]),
        acceptor: contribution(2, 0, vec![]),
        outputs: outputs.collect(),
        fee_rate: RATE,
    };
    let transaction = FundingTransaction::new(&plan).unwrap();
    assert_eq!(transaction.unsigned().output.len(), 51);
    for output in &plan.outputs {
        assert!(transaction.outpoint_of(&output.script).is_some());
    }
}

#[test]
fn an_impossible_plan_is_refused() {
    let check = |change: fn(&mut FundingPlan), expected: fn(&OpeningError) -> bool| {
        let mut plan = plan();
        change(&mut plan);
        let refused = FundingTransaction::new(&plan).unwrap_err();
        assert!(expected(&refused), "{refused:?}");
    };
    check(|p| p.outputs.clear(), |e| matches!(e, OpeningError::NoChannel));
    check(
        |p| p.acceptor.coins[0] = p.opener.coins[0].clone(),
        |e| matches!(e, OpeningError::CoinTwice { .. }),
    );
    check(
        |p| p.acceptor.coins[0].output.script_pubkey = ScriptBuf::new(),
        |e| matches!(e, OpeningError::NotTaproot { party: Party::Acceptor, .. }),
    );
    check(|p| p.acceptor.amount = SAT(400_001), |e| matches!(e, OpeningError::Unbalanced { .. }));
    check(
        |p| p.acceptor.coins[0].output.value = Amount::from_sat(399_999),
        |e| matches!(e, OpeningError::Underfunded { party: Party::Acceptor, .. }),
    );
    check(
        |p| p.opener.coins[0].output.value = Amount::from_sat(400_100),
        |e| matches!(e, OpeningError::Underfunded { party: Party::Opener, .. }),
    );
    check(
        |p| p.opener.coins[0].output.value = Amount::from_sat(u64::MAX),
        |e| matches!(e, OpeningError::Underfunded { coins: None, .. }),
    );
    check(
        |p| {
            p.outputs = vec![FundingOutput { script: funding(), value: SAT(500_000) }; 2];
        },
        |e| matches!(e, OpeningError::ScriptTwice { .. }),
    );
    check(
        |p| {
            p.opener.amount = SAT(353);
            p.acceptor.amount = SAT(0);
            p.outputs[0].value = SAT(353);
        },
        |e| matches!(e, OpeningError::Dust { .. }),
    );
    check(
        |p| p.opener.coins = (0..255).flat_map(many).collect(),
        |e| matches!(e, OpeningError::TooLarge { .. }),
    );

    fn many(id: u8) -> Vec<WalletCoin> {
        let at = |vout| WalletCoin {
            outpoint: OutPoint { txid: Txid::from_byte_array([200; 32]), vout },
            ..coin(1, 10_000)
        };
        (0..10).map(|offset| at(u32::from(id) * 10 + offset)).collect()
    }
}
