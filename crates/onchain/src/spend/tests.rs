//! Every path of every script, judged by Bitcoin Core's interpreter: it works when it should and only then.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::key::TapTweak as _;
use bitcoin::secp256k1::ecdsa;
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::{Amount, OutPoint, Sequence, Transaction, TxOut, Txid, taproot};
use strait_primitives::{FeeRate, RevocationSecret, Sats, VBytes};

use super::*;
use crate::fixture::{
    DELAY, EXPIRY, Secrets, broadcaster, context, countersignatory, judge, keypair, lock, preimage,
    revocation_hash, secp, secret, wallet,
};
use crate::output::ANCHOR_SCRIPT;
use crate::{LockSpec, Role, WalletCoin, WitnessError, key_path_signatures};

const RATE: FeeRate = FeeRate::from_sat_per_kvb(2_000);

fn coin(vout: u32) -> Coin {
    let outpoint = OutPoint { txid: Txid::from_byte_array([5; 32]), vout };
    Coin { outpoint, value: Sats::from_const(50_000) }
}

/// What a claim says it spends.
fn spent(claim: &Claim) -> TxOut {
    TxOut {
        value: Amount::from_sat(claim.coin().value.to_sat()),
        script_pubkey: claim.script().to_p2wsh(),
    }
}

fn sign(transaction: &ClaimTransaction, by: &Secrets) -> Vec<ecdsa::Signature> {
    let requests = transaction.signature_requests();
    let sign = |r: &SignatureRequest| secp().sign_ecdsa(&r.message, &by.claim_key(r.key));
    requests.iter().map(sign).collect()
}

/// Signs a claim for a transaction whose sequence or locktime was changed afterwards.
fn resign(mut transaction: Transaction, claim: &Claim, by: &Secrets) -> Transaction {
    let hash = SighashCache::new(&transaction)
        .p2wsh_signature_hash(0, claim.script(), spent(claim).value, EcdsaSighashType::All)
        .unwrap();
    let message = bitcoin::secp256k1::Message::from_digest(hash.to_byte_array());
    let signature = secp().sign_ecdsa(&message, &by.claim_key(claim.key()));
    transaction.input[0].witness = claim.witness(&signature);
    transaction
}

/// A claim works for its owner at its time; not a block early, not for the other side.
fn check(claim: Claim, owner: &Secrets, other: &Secrets) {
    let build = || ClaimTransaction::new(vec![claim.clone()], wallet(1), RATE).unwrap();
    let outputs = [spent(&claim)];
    let good = build().finalize(&sign(&build(), owner));
    judge(&good, &outputs).unwrap();
    assert!(good.vsize() <= usize::try_from(build().size().0).unwrap(), "the estimate holds");
    assert!(good.vsize() + 2 >= usize::try_from(build().size().0).unwrap(), "and is close");

    let stolen = build().finalize(&sign(&build(), other));
    assert!(judge(&stolen, &outputs).is_err(), "the other side's key does not sign for it");

    if let Some(delay) = claim.delay() {
        let mut early = good.clone();
        let short = u16::try_from(delay.to_u32() - 1).unwrap();
        early.input[0].sequence = Sequence::from_height(short);
        assert!(judge(&resign(early, &claim, owner), &outputs).is_err(), "before its delay");
    }
    if let Some(height) = claim.not_before() {
        let mut early = good.clone();
        early.lock_time = LockTime::from_consensus(height.to_u32() - 1);
        assert!(judge(&resign(early, &claim, owner), &outputs).is_err(), "before its expiry");
    }
}

fn offered() -> LockSpec {
    lock(1, Role::Broadcaster, 50_000)
}

fn received() -> LockSpec {
    lock(2, Role::Countersignatory, 50_000)
}

#[test]
fn the_broadcaster_takes_its_balance_after_the_delay() {
    let claim = context().claim_balance(coin(0), &revocation_hash());
    assert_eq!((claim.delay(), claim.not_before()), (Some(DELAY), None));
    check(claim, &broadcaster(), &countersignatory());
}

#[test]
fn the_countersignatory_takes_every_output_of_a_revoked_commitment_at_once() {
    for claim in [
        context().punish_balance(coin(0), &secret()),
        context().punish_lock(coin(1), &offered(), &secret()),
        context().punish_lock(coin(2), &received(), &secret()),
    ] {
        assert_eq!((claim.delay(), claim.not_before()), (None, None));
        check(claim, &countersignatory(), &broadcaster());
    }
}

#[test]
fn the_receiver_claims_at_once_from_the_others_commitment_and_after_the_delay_from_its_own() {
    let hash = revocation_hash();
    let claim = context().claim_lock(coin(0), &hash, &offered(), &preimage(1)).unwrap();
    assert_eq!((claim.delay(), claim.not_before()), (None, None));
    check(claim, &countersignatory(), &broadcaster());

    let claim = context().claim_lock(coin(0), &hash, &received(), &preimage(2)).unwrap();
    assert_eq!((claim.delay(), claim.not_before()), (Some(DELAY), None));
    check(claim, &broadcaster(), &countersignatory());
}

#[test]
fn the_offerer_refunds_from_expiry_on_and_after_the_delay_from_its_own_commitment() {
    let hash = revocation_hash();
    let refund = context().refund_lock(coin(0), &hash, &received());
    assert_eq!((refund.delay(), refund.not_before()), (None, Some(EXPIRY)));
    check(refund, &countersignatory(), &broadcaster());

    let refund = context().refund_lock(coin(0), &hash, &offered());
    assert_eq!((refund.delay(), refund.not_before()), (Some(DELAY), Some(EXPIRY)));
    check(refund, &broadcaster(), &countersignatory());
}

#[test]
fn a_preimage_of_another_lock_is_refused_before_it_costs_a_fee() {
    let refused = context().claim_lock(coin(0), &revocation_hash(), &offered(), &preimage(9));
    let Err(ClaimError::Preimage { id, expected, .. }) = refused else { panic!("accepted") };
    assert_eq!((id, expected), (offered().id, offered().payment_hash));
}

#[test]
fn a_wrong_secret_takes_nothing() {
    let right = context().punish_balance(coin(0), &secret());
    let wrong = context().punish_balance(coin(0), &RevocationSecret::from_bytes([4; 32]));
    let transaction = ClaimTransaction::new(vec![wrong], wallet(1), RATE).unwrap();
    let signatures = sign(&transaction, &countersignatory());
    assert!(judge(&transaction.finalize(&signatures), &[spent(&right)]).is_err());
}

#[test]
fn one_penalty_takes_all_181_outputs_of_a_full_commitment() {
    let mut claims = vec![context().punish_balance(coin(0), &secret())];
    for id in 0..90 {
        let vout = u32::try_from(id).unwrap() * 2 + 1;
        let [mine, yours] =
            [Role::Broadcaster, Role::Countersignatory].map(|by| lock(id, by, 50_000));
        claims.push(context().punish_lock(coin(vout), &mine, &secret()));
        claims.push(context().punish_lock(coin(vout + 1), &yours, &secret()));
    }
    let outputs: Vec<_> = claims.iter().map(spent).collect();
    let transaction = ClaimTransaction::new(claims, wallet(1), RATE).unwrap();
    let fee = transaction.fee();
    let signed = transaction.clone().finalize(&sign(&transaction, &countersignatory()));
    judge(&signed, &outputs).unwrap();
    let paid_in: Amount = outputs.iter().map(|output| output.value).sum();
    assert_eq!((paid_in - signed.output[0].value).to_sat(), fee.to_sat());
    assert!(fee >= RATE.fee(VBytes(u64::try_from(signed.vsize()).unwrap())));
}

#[test]
fn a_sweep_of_nothing_twice_or_dust_is_refused() {
    let claim = || context().claim_balance(coin(0), &revocation_hash());
    let check = |claims, rate, expected: fn(&SpendError) -> bool| {
        let refused = ClaimTransaction::new(claims, wallet(1), rate).unwrap_err();
        assert!(expected(&refused), "{refused:?}");
    };
    check(vec![], RATE, |e| matches!(e, SpendError::NoClaim));
    check(vec![claim(), claim()], RATE, |e| matches!(e, SpendError::ClaimTwice { .. }));
    let dear = FeeRate::from_sat_per_kvb(1_000_000);
    check(vec![claim()], dear, |e| matches!(e, SpendError::Dust { .. }));
    let many = (0..1_200).map(|vout| context().claim_balance(coin(vout), &revocation_hash()));
    check(many.collect(), RATE, |e| matches!(e, SpendError::TooLarge { .. }));
}

#[test]
fn a_claim_does_not_print_the_preimage_it_holds() {
    let claim = context().claim_lock(coin(0), &revocation_hash(), &offered(), &preimage(1));
    let hex: String = preimage(1).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = format!("{:?}", preimage(1).as_bytes());
    let printed = format!("{claim:?}");
    assert!(!printed.contains(&hex) && !printed.contains(&decimal));
}

fn wallet_coin(vout: u32, sat: u64) -> WalletCoin {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: wallet(3).to_script_buf() };
    WalletCoin { outpoint: coin(vout).outpoint, output }
}

fn anchor(sat: u64) -> Coin {
    Coin { value: Sats::from_const(sat), ..coin(0) }
}

#[test]
fn the_child_pays_what_it_is_told_to_and_is_accepted() {
    const FEE: Sats = Sats::from_const(900);
    for sat in [0, 240] {
        let coins = [wallet_coin(1, 20_000), wallet_coin(2, 30_000)];
        let child = AnchorChild::new(anchor(sat), &coins, wallet(1), FEE).unwrap();
        let mut psbt = child.to_psbt();
        let spent: Vec<_> =
            psbt.inputs.iter().map(|input| input.witness_utxo.clone().unwrap()).collect();
        assert_eq!(spent[0].script_pubkey, ANCHOR_SCRIPT.to_script_buf());
        let key = keypair([9, 3]).tap_tweak(&secp(), None).to_keypair();
        for index in 1..psbt.inputs.len() {
            let hash = SighashCache::new(&psbt.unsigned_tx)
                .taproot_key_spend_signature_hash(
                    index,
                    &Prevouts::All(&spent),
                    TapSighashType::Default,
                )
                .unwrap();
            let message = bitcoin::secp256k1::Message::from_digest(hash.to_byte_array());
            let signature = secp().sign_schnorr_no_aux_rand(&message, &key);
            let sighash_type = TapSighashType::Default;
            psbt.inputs[index].tap_key_sig = Some(taproot::Signature { signature, sighash_type });
        }
        let mut signatures = key_path_signatures(&psbt);
        let signed = child.clone().complete(&signatures).unwrap();
        assert_eq!(signed.version.0, 3);
        assert_eq!(signed.compute_txid(), child.txid());
        judge(&signed, &spent).unwrap();
        let outpoint = coins[0].outpoint;
        signatures.remove(&outpoint);
        let missing = child.clone().complete(&signatures);
        assert_eq!(missing, Err(WitnessError::Missing { outpoint }));
        assert_eq!(signed.output[0].value.to_sat(), 50_000 + sat - FEE.to_sat());
        let size = VBytes(u64::try_from(signed.vsize()).unwrap());
        assert_eq!(size, AnchorChild::size_with(coins.len()));
    }
}

#[test]
fn a_child_that_could_not_be_relayed_or_paid_is_refused() {
    let check = |coins: &[WalletCoin], expected: fn(&AnchorChildError) -> bool| {
        let refused =
            AnchorChild::new(anchor(0), coins, wallet(1), Sats::from_const(800)).unwrap_err();
        assert!(expected(&refused), "{refused:?}");
    };
    check(&[], |e| matches!(e, AnchorChildError::Underfunded { .. }));
    // A taproot output is dust below 330 sat.
    AnchorChild::new(anchor(0), &[wallet_coin(1, 1_130)], wallet(1), Sats::from_const(800))
        .unwrap();
    check(&[wallet_coin(1, 1_129)], |e| matches!(e, AnchorChildError::Underfunded { .. }));
    let many: Vec<_> = (1..20).map(|vout| wallet_coin(vout, 10_000)).collect();
    check(&many, |e| matches!(e, AnchorChildError::TooLarge { .. }));
    let mut legacy = wallet_coin(1, 90_000);
    legacy.output.script_pubkey = ANCHOR_SCRIPT.to_script_buf();
    check(&[legacy], |e| matches!(e, AnchorChildError::NotTaproot { .. }));
}
