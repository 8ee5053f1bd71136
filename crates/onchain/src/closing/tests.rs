//! Both sides build the same close; its values, order and refusals.

use super::*;
use crate::fixture::{CAPACITY, funding, funding_outpoint, wallet};

const MSAT: fn(u64) -> MilliSats = MilliSats::from_const;

fn terms(opener: u64, payer: Party, fee: u64) -> ClosingTerms {
    let capacity = CAPACITY.to_millisats();
    let acceptor = capacity.checked_sub(MSAT(opener)).unwrap();
    ClosingTerms {
        funding_outpoint: funding_outpoint(),
        capacity: CAPACITY,
        opener: ClosingShare { wallet: wallet(1), balance: MSAT(opener) },
        acceptor: ClosingShare { wallet: wallet(2), balance: acceptor },
        payer,
        fee: Sats::from_const(fee),
    }
}

#[test]
fn the_payer_pays_and_dust_is_dropped() {
    let check = |terms: ClosingTerms, expected: &[(u8, u64)]| {
        let close = ClosingTransaction::new(&terms, &funding()).unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|(seed, sat)| TxOut {
                value: Amount::from_sat(*sat),
                script_pubkey: wallet(*seed).to_script_buf(),
            })
            .collect();
        assert_eq!(close.outputs(), expected);
    };
    check(terms(400_000_000, Party::Opener, 1_000), &[(1, 399_000), (2, 600_000)]);
    check(terms(400_000_000, Party::Acceptor, 1_000), &[(1, 400_000), (2, 599_000)]);
    check(terms(400_000_500, Party::Opener, 0), &[(1, 400_000), (2, 599_999)]);
    check(terms(353_999, Party::Acceptor, 1_000), &[(2, 998_646)]);
    check(terms(1_353_000, Party::Opener, 1_000), &[(2, 998_647)]);
}

#[test]
fn the_estimate_is_the_size_of_a_close_with_two_outputs() {
    let close = ClosingTransaction::new(&terms(400_000_000, Party::Opener, 1_000), &funding());
    let close = close.unwrap();
    assert_eq!(close.signed_size(), CLOSING_SIZE_MAX);
    let signed = close.clone().finalize(&SchnorrSignature::from_bytes([1; 64]));
    assert_eq!(VBytes(u64::try_from(signed.vsize()).unwrap()), CLOSING_SIZE_MAX);
    assert_eq!(signed.compute_txid(), close.txid());
}

#[test]
fn impossible_terms_are_refused() {
    let check = |terms: ClosingTerms, expected| {
        assert_eq!(ClosingTransaction::new(&terms, &funding()), Err(expected));
    };
    let mut locked = terms(400_000_000, Party::Opener, 0);
    locked.opener.balance = MSAT(1);
    check(
        locked,
        ClosingError::Unbalanced {
            shares: Some(MSAT(600_000_001)),
            capacity: CAPACITY.to_millisats(),
        },
    );
    check(
        terms(999_999, Party::Opener, 1_000),
        ClosingError::Unaffordable { fee: Sats::from_const(1_000), balance: Sats::from_const(999) },
    );
    check(terms(1_000_000_000, Party::Opener, 999_900), ClosingError::NothingLeft);
}
