//! Two signers close together; bad parts and bad nonces are caught.

use bitcoin::secp256k1::Message;
use strait_onchain::{ClosingShare, ClosingTerms};
use strait_primitives::Party;
use strait_primitives::{CommitmentNumber, Digest, MilliSats, Sats};

use super::*;
use crate::fixture::{CAPACITY, funding, funding_outpoint, signer, wallet};
use crate::rules::SigningEvent;

fn shut_down() -> SigningState {
    let number = CommitmentNumber::FIRST;
    let mut state = SigningState::new();
    state.apply(SigningEvent::CounterpartySigned { number, digest: Digest::from_bytes([1; 32]) });
    state.apply(SigningEvent::HolderVerified { number });
    state.apply(SigningEvent::Shutdown);
    state
}

fn close(fee: u64, funding: &FundingScript) -> Close {
    let half = MilliSats::from_const(CAPACITY.to_millisats().to_msat() / 2);
    let terms = ClosingTerms {
        funding_outpoint: funding_outpoint(),
        capacity: CAPACITY,
        opener: ClosingShare { wallet: wallet(1), balance: half },
        acceptor: ClosingShare { wallet: wallet(2), balance: half },
        payer: Party::Opener,
        fee: Sats::from_const(fee),
    };
    let transaction = ClosingTransaction::new(&terms, funding).unwrap();
    Close { transaction, holder_output: terms.output_of(Party::Opener).unwrap() }
}

fn entropy(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

#[test]
fn two_parts_make_the_key_path_signature() {
    let (ours, theirs) = (signer(1), signer(2));
    let funding = funding([&ours, &theirs]);
    let close = close(500, &funding);
    let our_nonce = ours.closing_nonce(entropy(1), &funding);
    let their_nonce = theirs.closing_nonce(entropy(2), &funding);
    let (our_public, their_public) = (our_nonce.public(), their_nonce.public());
    let state = shut_down();
    let our_session =
        ours.sign_closing(&state, our_nonce, &funding, &their_public, &close).unwrap();
    let their_session =
        theirs.sign_closing(&state, their_nonce, &funding, &our_public, &close).unwrap();
    let ours_complete = our_session.complete(&their_session.partial_signature()).unwrap();
    let theirs_complete = their_session.complete(&our_session.partial_signature()).unwrap();
    assert_eq!(ours_complete, theirs_complete);
    let message: Message = close.transaction.sighash();
    assert_eq!(verify_schnorr(&funding.output_key(), &message, &ours_complete), Ok(()));
}

#[test]
fn a_part_for_another_close_is_refused() {
    let (ours, theirs) = (signer(1), signer(2));
    let funding = funding([&ours, &theirs]);
    let our_nonce = ours.closing_nonce(entropy(1), &funding);
    let their_nonce = theirs.closing_nonce(entropy(2), &funding);
    let (our_public, their_public) = (our_nonce.public(), their_nonce.public());
    let state = shut_down();
    let our_session =
        ours.sign_closing(&state, our_nonce, &funding, &their_public, &close(500, &funding));
    let their_session =
        theirs.sign_closing(&state, their_nonce, &funding, &our_public, &close(501, &funding));
    let (our_session, their_session) = (our_session.unwrap(), their_session.unwrap());
    let wrong = ClosingSessionError::Partial { key: theirs.public_keys().funding };
    for part in [
        their_session.partial_signature(),
        our_session.partial_signature(),
        PartialSignature([0; 32]),
        PartialSignature([0xff; 32]),
    ] {
        assert_eq!(our_session.complete(&part), Err(wrong.clone()));
    }
}

#[test]
fn a_nonce_that_is_none_is_refused() {
    let (ours, theirs) = (signer(1), signer(2));
    let funding = funding([&ours, &theirs]);
    for bad in [[0; 66], [0xff; 66]] {
        let nonce = ours.closing_nonce(entropy(1), &funding);
        let refused = ours.sign_closing(
            &shut_down(),
            nonce,
            &funding,
            &PublicNonce(bad),
            &close(1, &funding),
        );
        assert_eq!(refused.unwrap_err(), ClosingSessionError::Nonce);
    }
}

#[test]
fn a_nonce_that_cancels_ours_harms_nobody() {
    let (ours, theirs) = (signer(1), signer(2));
    let funding = funding([&ours, &theirs]);
    let nonce = ours.closing_nonce(entropy(1), &funding);
    let mut negated = nonce.public().0;
    negated[0] ^= 1;
    negated[33] ^= 1;
    let close = close(1, &funding);
    let session = ours.sign_closing(&shut_down(), nonce, &funding, &PublicNonce(negated), &close);
    let part = PartialSignature([1; 32]);
    assert!(session.unwrap().complete(&part).is_err());
}

#[test]
fn nothing_is_signed_before_the_shutdown() {
    let (ours, theirs) = (signer(1), signer(2));
    let funding = funding([&ours, &theirs]);
    let nonce = ours.closing_nonce(entropy(1), &funding);
    let public = theirs.closing_nonce(entropy(2), &funding).public();
    let refused =
        ours.sign_closing(&SigningState::new(), nonce, &funding, &public, &close(1, &funding));
    assert_eq!(refused.unwrap_err(), ClosingSessionError::Refused(Refusal::RoundsOpen));
}

#[test]
fn nonces_differ_with_the_entropy_and_print_nothing() {
    let (ours, theirs) = (signer(1), signer(2));
    let funding = funding([&ours, &theirs]);
    let nonce = |byte| ours.closing_nonce(entropy(byte), &funding);
    assert_ne!(nonce(1).public(), nonce(2).public());
    assert_eq!(format!("{:?}", nonce(1)), "ClosingNonce(hidden)");
}
