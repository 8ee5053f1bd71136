//! The published vectors of BIP-0327, and both ways of spending judged elsewhere: see the tests of `commitment` and
//! `closing`.

use bitcoin::taproot::{TaprootBuilder, TaprootSpendInfo};

use super::*;
use crate::fixture::{broadcaster, countersignatory, funding, secp};

fn key(hex: &str) -> PublicKey {
    hex.to_lowercase().parse().unwrap()
}

/// `key_agg_vectors.json`.
const AGGREGATED: [&str; 3] = [
    "02F9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9",
    "03DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
    "023590A94E768F8E1815C2F24B4D80A8E3149316C3518CE7B7AD338368D038CA66",
];

/// `key_sort_vectors.json`, in their order and without the duplicate.
const SORTED: [&str; 5] = [
    "023590A94E768F8E1815C2F24B4D80A8E3149316C3518CE7B7AD338368D038CA66",
    "02DD308AFEC5777E13121FA72B9CC1B7CC0139715309B086C960E18FD969774EB8",
    "02DD308AFEC5777E13121FA72B9CC1B7CC0139715309B086C960E18FD969774EFF",
    "02F9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9",
    "03DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
];

#[test]
fn keys_aggregate_as_published() {
    let check = |indices: &[usize], expected: &str| {
        let keys: Vec<_> = indices.iter().map(|index| key(AGGREGATED[*index])).collect();
        let aggregate: PublicKey = KeyAggContext::new(keys).unwrap().aggregated_pubkey();
        let (x, _) = aggregate.x_only_public_key();
        assert_eq!(x.to_string(), expected.to_lowercase());
    };
    check(&[0, 1, 2], "90539EEDE565F5D054F32CC0C220126889ED1E5D193BAF15AEF344FE59D4610C");
    check(&[2, 1, 0], "6204DE8B083426DC6EAF9502D27024D53FC826BF7D2012148A0575435DF54B2B");
    check(&[0, 0, 0], "B436E3BAD62B8CD409969A224731C193D051162D8C5AE8B109306127DA3AA935");
    check(&[0, 0, 1, 1], "69BC22BFA5D106306E48A20679DE1D7389386124D07571D0D872686028C26A3E");
}

#[test]
fn keys_that_are_not_on_the_curve_do_not_parse() {
    for bad in [
        "020000000000000000000000000000000000000000000000000000000000000005",
        "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30",
        "04f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
    ] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
}

#[test]
fn keys_sort_as_published_whatever_the_order_they_are_given_in() {
    for (index, first) in SORTED.iter().enumerate() {
        for second in &SORTED[index + 1..] {
            let expected = [key(first), key(second)];
            assert_eq!(FundingScript::new(expected).unwrap().keys(), expected);
            let [first, second] = expected;
            assert_eq!(FundingScript::new([second, first]).unwrap().keys(), expected);
        }
    }
}

#[test]
fn the_output_is_what_a_taproot_builder_makes_of_the_same_key_and_leaf() {
    let funding = funding();
    let info: TaprootSpendInfo = TaprootBuilder::new()
        .add_leaf(0, funding.leaf_script())
        .unwrap()
        .finalize(&secp(), funding.internal_key())
        .unwrap();
    assert_eq!(info.merkle_root(), Some(funding.merkle_root()));
    assert_eq!(info.output_key().to_x_only_public_key(), funding.output_key());
    let leaf = (funding.leaf_script(), LeafVersion::TapScript);
    assert_eq!(info.control_block(&leaf), Some(funding.control_block()));
    let aggregate: PublicKey = funding.key_agg_context().aggregated_pubkey();
    assert_eq!(aggregate.x_only_public_key().0, funding.output_key());
}

#[test]
fn keys_that_one_signature_could_satisfy_are_refused() {
    let ours = broadcaster().funding.public_key();
    let negated = ours.negate(&secp());
    let key = ours.x_only_public_key().0;
    assert_eq!(FundingScript::new([ours, ours]), Err(FundingError::SameKey { key }));
    assert_eq!(FundingScript::new([ours, negated]), Err(FundingError::SameKey { key }));
    assert!(FundingScript::new([ours, countersignatory().funding.public_key()]).is_ok());
}
