//! The published vectors of BOLT-0003, Appendix D.

use strait_onchain::revocation_hash_of;

use super::*;

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

/// The commitment whose secret is the leaf at an index.
fn number(index: u64) -> CommitmentNumber {
    CommitmentNumber::new(INDEX_MAX - index).unwrap()
}

fn seed(byte: u8) -> CommitmentSeed {
    CommitmentSeed::new(Zeroizing::new([byte; 32]))
}

#[test]
fn secrets_are_generated_as_published() {
    let check = |byte, index, expected: &str| {
        assert_eq!(seed(byte).secret(number(index)).to_bytes(), bytes(expected), "{index:x}");
    };
    let last = INDEX_MAX;
    check(0x00, last, "02a40c85b6f28da08dfdbe0926c53fab2de6d28c10301f8f7c4073d5e42e3148");
    check(0xff, last, "7cc854b54e3e0dcdb010d7a3fee464a9687be6e8db3be6854c475621e007a5dc");
    check(
        0xff,
        0xaaa_aaaa_aaaa,
        "56f4008fb007ca9acf0e15b054d5c9fd12ee06cea347914ddbaed70d1c13a528",
    );
    check(
        0xff,
        0x5555_5555_5555,
        "9015daaeb06dba4ccc05b91b2f73bd54405f2be9f217fbacd3c5ac2e62327d31",
    );
    check(0x01, 1, "915c75942a26bb3a433a8ce2cb0427c29ec6c1775cfc78328b57f6ba7bfeaa9c");
}

#[test]
fn the_walk_gives_the_same_secrets_in_every_order() {
    let fresh = |n| seed(0x42).secret(CommitmentNumber::new(n).unwrap());
    let mut walked = seed(0x42);
    let orders =
        [0, 1, 2, 3, 2, 4_095, 4_096, 4_097, 4_095, 70_000, 0, (1 << 48) - 1, 8_191, 8_192];
    for n in (0..5_000).chain(orders) {
        assert_eq!(walked.secret(CommitmentNumber::new(n).unwrap()), fresh(n), "{n}");
    }
}

/// The secrets of the storage vectors, correct ones first, by the order they are revealed in.
const CORRECT: [&str; 8] = [
    "7cc854b54e3e0dcdb010d7a3fee464a9687be6e8db3be6854c475621e007a5dc",
    "c7518c8ae4660ed02894df8976fa1a3659c1a8b4b5bec0c4b872abeba4cb8964",
    "2273e227a5b7449b6e70f1fb4652864038b1cbf9cd7c043a7d6456b7fc275ad8",
    "27cddaa5624534cb6cb9d7da077cf2b22ab21e9b506fd4998a51d54502e99116",
    "c65716add7aa98ba7acb236352d665cab17345fe45b55fb879ff80e6bd0c41dd",
    "969660042a28f32d9be17344e09374b379962d03db1574df5a8a5a47e19ce3f2",
    "a5a64476122ca0925fb344bdc1854c1c0a59fc614298e50a33e331980a220f32",
    "05cde6323d949933f7f7b78776bcc1ea6d9b31447732e3802e1f7ac44b650e17",
];
/// The secrets of the same numbers from another seed.
const OTHER: [&str; 8] = [
    "02a40c85b6f28da08dfdbe0926c53fab2de6d28c10301f8f7c4073d5e42e3148",
    "dddc3a8d14fddf2b68fa8c7fbad2748274937479dd0f8930d5ebb4ab6bd866a3",
    "c51a18b13e8527e579ec56365482c62f180b7d5760b46e9477dae59e87ed423a",
    "ba65d7b0ef55a3ba300d4e87af29868f394f8f138d78a7011669c79b37b936f4",
    "631373ad5f9ef654bb3dade742d09504c567edd24320d2fcd68e3cc47e2ff6a6",
    "b7e76a83668bde38b373970155c868a653304308f9896692f904a23731224bb1",
    "e7971de736e01da8ed58b94c2fc216cb1dca9e326f3a96e7194fe8ea8af6c0a3",
    "a7efbc61aac46d34f77778bac22c8a20c6a46ca460addc49009bda875ec88fa4",
];

/// Inserts secrets from number 0 on, those whose places (from 1) are listed taken from the other seed, and returns the
/// place of the first that is refused.
fn first_refused(corrupt: &[usize]) -> Option<usize> {
    let mut store = SecretStore::new();
    for (index, (correct, other)) in CORRECT.iter().zip(OTHER).enumerate() {
        let hex = if corrupt.contains(&(index + 1)) { other } else { correct };
        let secret = RevocationSecret::from_bytes(bytes(hex));
        let number = CommitmentNumber::new(index.try_into().unwrap()).unwrap();
        let before = store.clone();
        match store.insert(number, secret, &revocation_hash_of(&secret)) {
            Ok(()) => {}
            Err(SecretError::Chain { .. }) => {
                assert_eq!(store, before, "a refused secret changes nothing");
                return Some(index + 1);
            }
            Err(other) => panic!("{other}"),
        }
    }
    None
}

#[test]
fn secrets_are_stored_and_refused_as_published() {
    let check = |corrupt: &[usize], refused| assert_eq!(first_refused(corrupt), refused);
    check(&[], None);
    check(&[1], Some(2));
    check(&[1, 2], Some(4));
    check(&[3], Some(4));
    check(&[1, 2, 3, 4], Some(8));
    check(&[5], Some(6));
    check(&[5, 6], Some(8));
    check(&[7], Some(8));
    check(&[8], Some(8));
}

#[test]
fn every_revealed_secret_is_found_again_in_few_places() {
    let mut seed = seed(0x17);
    let mut store = SecretStore::new();
    let at = |n| CommitmentNumber::new(n).unwrap();
    for n in 0..1_000 {
        let secret = seed.secret(at(n));
        store.insert(at(n), secret, &revocation_hash_of(&secret)).unwrap();
        assert_eq!(store.last(), Some(at(n)));
    }
    let decoded: SecretStore = minicbor::decode(&minicbor::to_vec(&store).unwrap()).unwrap();
    assert_eq!(decoded, store);
    assert!(minicbor::to_vec(&store).unwrap().len() < 10 * 42 + 10);
    for n in 0..1_000 {
        assert_eq!(decoded.secret(at(n)), Some(seed.secret(at(n))), "{n}");
    }
    assert_eq!(decoded.secret(at(1_000)), None);
    assert_eq!(decoded.secret(at(u64::from(u32::MAX))), None);
}

#[test]
fn a_secret_out_of_order_or_unlike_its_hash_is_refused() {
    let mut seed = seed(0x17);
    let mut store = SecretStore::new();
    let at = |n| CommitmentNumber::new(n).unwrap();
    let secret = seed.secret(at(0));
    let shown = revocation_hash_of(&seed.secret(at(1)));
    assert_eq!(
        store.insert(at(0), secret, &shown),
        Err(SecretError::Hash { number: at(0), shown, actual: revocation_hash_of(&secret) })
    );
    let order = |expected, actual| {
        Err(SecretError::Order { expected: Some(at(expected)), actual: at(actual) })
    };
    assert_eq!(store.insert(at(1), secret, &revocation_hash_of(&secret)), order(0, 1));
    store.insert(at(0), secret, &revocation_hash_of(&secret)).unwrap();
    assert_eq!(store.insert(at(0), secret, &revocation_hash_of(&secret)), order(1, 0));
}

#[test]
fn a_seed_prints_nothing() {
    assert_eq!(format!("{:?}", seed(1)), "CommitmentSeed(hidden)");
}
