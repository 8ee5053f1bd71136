//! What one side signs, the other verifies; what the rules refuse, the signer does not sign.

use bitcoin::secp256k1::Message;
use strait_onchain::revocation_hash_of;
use strait_onchain::{Coin, CommitmentSignatures};
use strait_primitives::{FeeRate, Sats};

use super::*;
use crate::fixture::{context, funding_outpoint, signer, spec, wallet};
use crate::rules::SigningEvent;
use crate::verify::{verify_commitment, verify_schnorr};

fn at(number: u64) -> CommitmentNumber {
    CommitmentNumber::new(number).unwrap()
}

#[test]
fn the_counterpartys_signature_verifies_and_completes_our_commitment() {
    let (ours, theirs) = (signer(1), signer(2));
    let context = context(&ours, &theirs);
    let commitment = context.build(&spec(0, ours.revocation_hash(at(0)), 400_000_000)).unwrap();

    let mut their_state = SigningState::new();
    let signed = theirs.sign_counterparty_commitment(&their_state, &context, &commitment).unwrap();
    their_state.apply(SigningEvent::CounterpartySigned { number: at(0), digest: signed.digest });
    verify_commitment(&context, &commitment, &signed.signature).unwrap();

    let mut state = SigningState::new();
    state.apply(SigningEvent::HolderVerified { number: at(0) });
    let own = ours.sign_holder_commitment(&state, &context, &commitment).unwrap();
    let message = context.sighash(&commitment);
    let own_key = context.terms().broadcaster.funding.x_only_public_key().0;
    verify_schnorr(&own_key, &message, &own).unwrap();
    let signatures = CommitmentSignatures { broadcaster: own, countersignatory: signed.signature };
    assert_eq!(context.finalize(&commitment, &signatures).vsize(), 209 - 12 /* P2WPKH */);

    assert!(verify_commitment(&context, &commitment, &own).is_err(), "our key is not theirs");
    let other = context.build(&spec(0, ours.revocation_hash(at(0)), 400_001_000)).unwrap();
    assert!(verify_commitment(&context, &other, &signed.signature).is_err());

    let again = theirs.sign_counterparty_commitment(&their_state, &context, &commitment).unwrap();
    assert_eq!(again, signed, "byte for byte");
    let refused = theirs.sign_counterparty_commitment(&their_state, &context, &other);
    assert!(matches!(refused, Err(Refusal::OtherContent { .. })));
}

#[test]
fn secrets_leave_only_with_the_rules_consent() {
    let ours = signer(1);
    let mut state = SigningState::new();
    assert!(ours.release_secret(&state, at(0)).is_err());
    state.apply(SigningEvent::HolderVerified { number: at(0) });
    assert!(ours.release_secret(&state, at(0)).is_err());
    state.apply(SigningEvent::HolderVerified { number: at(1) });
    let secret = ours.release_secret(&state, at(0)).unwrap();
    assert_eq!(revocation_hash_of(&secret), ours.revocation_hash(at(0)));
    assert!(ours.is_secret_of(at(0), &secret));
    assert!(!ours.is_secret_of(at(1), &secret));
}

#[test]
fn claims_are_signed_with_the_key_they_ask_for() {
    let (ours, theirs) = (signer(1), signer(2));
    let context = context(&ours, &theirs);
    let coin = Coin { outpoint: funding_outpoint(), value: Sats::from_const(50_000) };
    let hash = ours.revocation_hash(at(0));
    let claim = context.claim_balance(coin, &hash);
    let claims = ClaimTransaction::new(vec![claim], wallet(1), FeeRate::RELAY_FLOOR).unwrap();
    let message: Message = claims.signature_requests()[0].message;
    let [signature] = ours.sign_claims(&claims).try_into().unwrap();
    let secp = Secp256k1::verification_only();
    let keys = ours.public_keys();
    assert!(secp.verify_ecdsa(&message, &signature, &keys.delayed).is_ok());
    for (key, public) in [(ClaimKey::Penalty, keys.penalty), (ClaimKey::Lock, keys.lock)] {
        let signature = ours.sign_claim(&SignatureRequest { key, message });
        assert!(secp.verify_ecdsa(&message, &signature, &public).is_ok(), "{key:?}");
    }
}

#[test]
#[should_panic(expected = "name our key as the countersignatory's")]
fn a_signer_does_not_sign_its_own_commitment_for_the_counterparty() {
    let (ours, theirs) = (signer(1), signer(2));
    let context = context(&ours, &theirs);
    let commitment = context.build(&spec(0, ours.revocation_hash(at(0)), 0)).unwrap();
    let signed = ours.sign_counterparty_commitment(&SigningState::new(), &context, &commitment);
    assert!(signed.is_err());
}
