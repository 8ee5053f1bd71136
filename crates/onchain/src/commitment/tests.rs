//! Commitments against the `bitcoin` crate's hashes and Bitcoin Core's interpreter.

use bitcoin::Amount;
use bitcoin::hashes::Hash as _;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use strait_primitives::{BlockDelta, BlockHeight, Digest, LockId, VBytes};

use super::*;
use crate::fixture::{
    CAPACITY, broadcaster, context, countersignatory, funding, funding_outpoint, judge, lock,
    revocation_hash, sign_schnorr, spec, terms,
};

const MSAT: fn(u64) -> MilliSats = MilliSats::from_const;
const SAT: fn(u64) -> Sats = Sats::from_const;

fn funding_output() -> TxOut {
    TxOut { value: Amount::from_sat(CAPACITY.to_sat()), script_pubkey: funding().script_pubkey() }
}

fn signatures(context: &CommitmentContext, commitment: &Commitment) -> CommitmentSignatures {
    let message = context.sighash(commitment);
    CommitmentSignatures {
        broadcaster: sign_schnorr(&message, &broadcaster().funding),
        countersignatory: sign_schnorr(&message, &countersignatory().funding),
    }
}

/// 90 locks in each direction.
fn full() -> Vec<LockSpec> {
    let locks = |offered_by| (0..90).map(move |id| lock(id, offered_by, 1_000 + id));
    locks(Role::Broadcaster).chain(locks(Role::Countersignatory)).collect()
}

fn kinds(commitment: &Commitment) -> Vec<(OutputKind, u64)> {
    commitment.outputs().iter().map(|output| (output.kind(), output.value().to_sat())).collect()
}

#[test]
fn the_hash_is_the_one_of_bip_0341() {
    let context = context();
    let full = full();
    for locks in [&full[..0], &full[..1], &full] {
        let ledger_hash = Some(Digest::from_bytes([8; 32]));
        let spec = CommitmentSpec { ledger_hash, ..spec(locks, MSAT(300_000_500)) };
        let commitment = context.build(&spec).unwrap();
        let transaction = context.unsigned_transaction(&commitment);
        let expected = SighashCache::new(&transaction)
            .taproot_script_spend_signature_hash(
                0,
                &Prevouts::All(&[funding_output()]),
                funding().leaf_hash(),
                TapSighashType::Default,
            )
            .unwrap();
        assert_eq!(*context.sighash(&commitment).as_ref(), expected.to_byte_array());
    }
}

#[test]
fn bitcoin_core_accepts_a_commitment_with_both_signatures_and_no_other() {
    let context = context();
    let commitment = context.build(&spec(&full(), MSAT(300_000_500))).unwrap();
    let good = signatures(&context, &commitment);
    let judged = |signatures| {
        judge(&context.finalize(&commitment, &signatures), &[funding_output()]).is_ok()
    };
    assert!(judged(good));
    assert!(!judged(CommitmentSignatures { broadcaster: good.countersignatory, ..good }));
    assert!(!judged(CommitmentSignatures { countersignatory: good.broadcaster, ..good }));
}

#[test]
fn the_other_sides_commitment_is_accepted_too() {
    let mirrored = CommitmentTerms {
        broadcaster: terms().countersignatory,
        countersignatory: terms().broadcaster,
        opener: Role::Countersignatory,
        ..terms()
    };
    let context = CommitmentContext::new(mirrored, funding()).unwrap();
    let commitment = context.build(&spec(&[], MSAT(1_000_000))).unwrap();
    let message = context.sighash(&commitment);
    let signatures = CommitmentSignatures {
        broadcaster: sign_schnorr(&message, &countersignatory().funding),
        countersignatory: sign_schnorr(&message, &broadcaster().funding),
    };
    judge(&context.finalize(&commitment, &signatures), &[funding_output()]).unwrap();
}

#[test]
fn sizes_are_those_tried_on_bitcoin_core() {
    let context = context();
    let check = |locks: &[LockSpec], ledger_hash, size| {
        let spec = CommitmentSpec { ledger_hash, ..spec(locks, MSAT(300_000_000)) };
        let commitment = context.build(&spec).unwrap();
        let signed = context.finalize(&commitment, &signatures(&context, &commitment));
        assert_eq!(signed.vsize(), size);
        assert_eq!(commitment.signed_size(), VBytes(u64::try_from(size).unwrap()));
    };
    let hash = Some(Digest::from_bytes([8; 32]));
    check(&[], None, 209);
    check(&[], hash, 252);
    check(&full(), hash, 7_992);
}

#[test]
fn a_number_survives_in_both_sides_commitments() {
    let context = context();
    let mirrored = CommitmentTerms {
        broadcaster: terms().countersignatory,
        countersignatory: terms().broadcaster,
        opener: Role::Countersignatory,
        ..terms()
    };
    let theirs = CommitmentContext::new(mirrored, funding()).unwrap();
    for number in [0, 1, 0xffff_ffff, (1 << 48) - 1] {
        let number = CommitmentNumber::new(number).unwrap();
        let spec = CommitmentSpec { number, ..spec(&[], MSAT(0)) };
        let commitment = context.build(&spec).unwrap();
        let mut transaction = context.unsigned_transaction(&commitment);
        assert_eq!(context.decode_number(&transaction), Some(number));
        assert_eq!(theirs.decode_number(&transaction), Some(number));
        transaction.input[0].previous_output.vout ^= 1;
        assert_eq!(context.decode_number(&transaction), None, "it spends another output");
    }
}

#[test]
fn dust_and_fractions_go_to_the_anchor_and_then_to_miners() {
    let check = |locks: &[LockSpec], theirs, expected: &[(OutputKind, u64)], fee| {
        let commitment = context().build(&spec(locks, MSAT(theirs))).unwrap();
        assert_eq!(kinds(&commitment), expected);
        assert_eq!(commitment.fee(), SAT(fee));
        let out: u64 = expected.iter().map(|(_, value)| value).sum();
        assert_eq!(out + fee, CAPACITY.to_sat());
    };
    use OutputKind::{Anchor, Broadcaster, Countersignatory, Lock};
    check(&[], 0, &[(Anchor, 0), (Broadcaster, 1_000_000)], 0);
    check(&[], 400_000, &[(Anchor, 0), (Countersignatory, 400), (Broadcaster, 999_600)], 0);
    // Half a satoshi each is lost to rounding.
    check(&[], 400_500, &[(Anchor, 1), (Countersignatory, 400), (Broadcaster, 999_599)], 0);
    check(&[], 353_999, &[(Anchor, 240), (Broadcaster, 999_646)], 114);
    check(&[], 354_000, &[(Anchor, 0), (Countersignatory, 354), (Broadcaster, 999_646)], 0);
    let locks = [lock(0, Role::Broadcaster, 100), lock(1, Role::Countersignatory, 500)];
    check(&locks, 0, &[(Anchor, 100), (Lock(1), 500), (Broadcaster, 999_400)], 0);
}

#[test]
fn outputs_sort_by_value_then_script_then_lock_id() {
    // Two locks alike but for their id, given in the wrong order, and one of the same value with another script.
    let twin = |id| LockSpec { id: LockId(id), ..lock(7, Role::Broadcaster, 5_000) };
    let locks = [twin(9), twin(3), lock(1, Role::Countersignatory, 5_000)];
    let spec = CommitmentSpec {
        ledger_hash: Some(Digest::from_bytes([8; 32])),
        ..spec(&locks, MSAT(2_000_000))
    };
    let commitment = context().build(&spec).unwrap();
    let outputs: Vec<_> = commitment.outputs().iter().map(CommitmentOutput::to_tx_out).collect();
    assert!(outputs.is_sorted(), "the order of `TxOut` is value, then script");
    let order: Vec<_> = kinds(&commitment).into_iter().map(|(kind, _)| kind).collect();
    let place = |kind| order.iter().position(|k| *k == kind).unwrap();
    assert!(place(OutputKind::Lock(1)) < place(OutputKind::Lock(0)), "id 3 before id 9");
    assert_eq!(order[0], OutputKind::Anchor, "the anchor's script sorts before OP_RETURN");
    assert_eq!(order[1], OutputKind::LedgerHash);
    assert_eq!(order[2], OutputKind::Countersignatory);
}

#[test]
fn a_ledger_that_breaks_the_rules_is_refused() {
    let check = |spec: CommitmentSpec<'_>, expected| {
        assert_eq!(context().build(&spec), Err(expected));
    };
    let capacity = CAPACITY.to_millisats();
    let over = MSAT(capacity.to_msat() + 1);
    check(
        CommitmentSpec { broadcaster_balance: over, ..spec(&[], MSAT(0)) },
        BuildError::Unbalanced { ledger: Some(over), capacity },
    );
    check(
        CommitmentSpec { broadcaster_balance: MilliSats::MAX, ..spec(&[], MSAT(1)) },
        BuildError::Unbalanced { ledger: None, capacity },
    );
    let many: Vec<_> = (0..91).map(|id| lock(id, Role::Countersignatory, 1_000)).collect();
    check(
        spec(&many, MSAT(0)),
        BuildError::LockCount { by: Role::Countersignatory, actual: 91, limit: 90 },
    );
    for expiry in [0, 500_000_000] {
        let expiry = BlockHeight::new(expiry);
        let bad = [LockSpec { expiry, ..lock(4, Role::Broadcaster, 1_000) }];
        check(spec(&bad, MSAT(0)), BuildError::Expiry { id: LockId(4), expiry });
    }
}

#[test]
fn terms_outside_the_protocol_are_refused() {
    for delay in [0, 5, 2_017] {
        let actual = BlockDelta::new(delay);
        let refused =
            CommitmentContext::new(CommitmentTerms { delay: actual, ..terms() }, funding());
        let expected = TermsError::Delay { actual, min: DELAY_MIN, max: DELAY_MAX };
        assert_eq!(refused.unwrap_err(), expected);
    }
    let mut other = terms();
    other.broadcaster.funding = other.broadcaster.lock;
    let refused = CommitmentContext::new(other, funding());
    assert_eq!(refused.unwrap_err(), TermsError::FundingKeys);
}

#[test]
fn outputs_are_recognized_by_their_scripts_alone() {
    let context = context();
    let twin = |id| LockSpec { id: LockId(id), ..lock(7, Role::Broadcaster, 5_000) };
    let locks = [twin(9), twin(3), lock(1, Role::Countersignatory, 5_000)];
    let spec = CommitmentSpec {
        ledger_hash: Some(Digest::from_bytes([8; 32])),
        ..spec(&locks, MSAT(2_000_000))
    };
    let commitment = context.build(&spec).unwrap();
    let transaction = context.unsigned_transaction(&commitment);
    assert_eq!(transaction.input[0].previous_output, funding_outpoint());
    let recognized = context.recognize(&transaction, &revocation_hash(), &locks);
    let mut found: Vec<_> = recognized.iter().map(|kind| format!("{:?}", kind.unwrap())).collect();
    let mut expected: Vec<_> =
        commitment.outputs().iter().map(|output| format!("{:?}", output.kind())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "every output is named, each once");

    let other = RevocationHash::from_bytes([1; 32]);
    let strange = context.recognize(&transaction, &other, &locks);
    let unknown = strange.iter().filter(|kind| kind.is_none()).count();
    assert_eq!(unknown, 4, "balance and locks of another number are strangers");
}
