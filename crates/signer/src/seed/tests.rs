//! Published vectors of BIP-0039 and BIP-0086, and what must not be printed.

use bitcoin::hashes::Hash as _;
use bitcoin::key::TapTweak as _;
use bitcoin::secp256k1::{Message, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute,
    transaction,
};
use strait_primitives::SchnorrSignature;

use super::*;
use crate::psbt::PsbtError;
use crate::verify::verify_schnorr;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about";

fn seed(network: Network) -> Seed {
    Seed::new(&SeedWords::parse(WORDS).unwrap(), network)
}

#[test]
fn entropy_becomes_the_published_words() {
    // trezor/python-mnemonic, the vectors that BIP-0039 names.
    let words = SeedWords::generate(&Zeroizing::new([0; 32]));
    let expected = format!("{}art", "abandon ".repeat(23));
    assert_eq!(*words.expose_text(), expected);
    assert_eq!(SeedWords::parse(&expected).unwrap(), words);
}

#[test]
fn wrong_words_are_refused() {
    for text in ["", "abandon", &WORDS.replace("about", "abandon"), &WORDS.replace("about", "xyz")]
    {
        assert!(SeedWords::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_wallet_is_the_one_of_bip_0086() {
    // The account and the first receiving address of the BIP's test vectors.
    let descriptors = seed(Network::Bitcoin).wallet_descriptors();
    assert_eq!(
        descriptors.external,
        "tr([73c5da0a/86'/0'/0']xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ/0/*)"
    );
    assert!(descriptors.internal.ends_with("/1/*)"));
    assert!(seed(Network::Regtest).wallet_descriptors().external.contains("/86'/1'/0']tpub"));
}

#[test]
fn keys_differ_by_network_purpose_and_salt() {
    let salt = |byte| KeySalt::from_bytes([byte; 32]);
    let main = seed(Network::Bitcoin);
    let test = seed(Network::Regtest);
    assert_ne!(main.node_key().node_id(), test.node_key().node_id());
    assert_eq!(main.node_key().node_id(), seed(Network::Bitcoin).node_key().node_id());
    let keys = main.channel_signer(&salt(1)).public_keys();
    assert_eq!(keys, main.channel_signer(&salt(1)).public_keys());
    let mut all = vec![keys.funding, keys.penalty, keys.delayed, keys.lock];
    let other = main.channel_signer(&salt(2)).public_keys();
    all.extend([other.funding, other.penalty, other.delayed, other.lock]);
    let other = test.channel_signer(&salt(1)).public_keys();
    all.extend([other.funding, other.penalty, other.delayed, other.lock]);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 12);
}

#[test]
fn the_node_key_is_the_secret_of_its_public_name() {
    let key = seed(Network::Regtest).node_key();
    let secret = bitcoin::secp256k1::SecretKey::from_slice(key.expose_secret_bytes().as_slice());
    let public = secret.unwrap().public_key(&Secp256k1::new());
    assert_eq!(public.serialize(), key.node_id().to_bytes());
}

#[test]
fn nothing_secret_is_printed() {
    let seed = seed(Network::Regtest);
    let words = SeedWords::parse(WORDS).unwrap();
    assert_eq!(format!("{words:?}"), "SeedWords(hidden)");
    assert_eq!(format!("{seed:?}"), "Seed(hidden)");
    let key = seed.node_key();
    assert_eq!(format!("{key:?}"), format!("NodeKey({})", key.node_id()));
    let signer = seed.channel_signer(&KeySalt::from_bytes([1; 32]));
    let public = signer.public_keys().funding;
    assert_eq!(format!("{signer:?}"), format!("ChannelSigner({public})"));
}

/// A payment of two wallet coins, the second not ours.
fn psbt(seed: &Seed) -> (Psbt, XOnlyPublicKey) {
    let path: DerivationPath = "m/86'/1'/0'/0/3".parse().unwrap();
    let key = seed.derive(&path).private_key.x_only_public_key(seed.context()).0;
    let (output_key, _) = key.tap_tweak(seed.context(), None);
    let input = |vout| TxIn {
        previous_output: OutPoint { vout, ..OutPoint::null() },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let mut psbt = Psbt::from_unsigned_tx(Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![input(0), input(1)],
        output: vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: ScriptBuf::new() }],
    })
    .unwrap();
    let utxo = TxOut {
        value: Amount::from_sat(2_000),
        script_pubkey: ScriptBuf::new_p2tr_tweaked(output_key),
    };
    for (index, input) in psbt.inputs.iter_mut().enumerate() {
        input.witness_utxo = Some(utxo.clone());
        input.tap_internal_key = Some(key);
        let fingerprint = match index {
            0 => seed.fingerprint(),
            _ => Fingerprint::from([1; 4]),
        };
        input.tap_key_origins.insert(key, (vec![], (fingerprint, path.clone())));
    }
    (psbt, output_key.to_x_only_public_key())
}

#[test]
fn our_inputs_of_a_psbt_are_signed_and_no_others() {
    let seed = seed(Network::Regtest);
    let (mut psbt, output_key) = psbt(&seed);
    assert_eq!(seed.sign_psbt(&mut psbt), Ok(1));
    let signature = psbt.inputs[0].tap_key_sig.unwrap().signature;
    assert_eq!(psbt.inputs[1].tap_key_sig, None);
    let spent: Vec<_> = psbt.inputs.iter().map(|i| i.witness_utxo.clone().unwrap()).collect();
    let hash = SighashCache::new(&psbt.unsigned_tx)
        .taproot_key_spend_signature_hash(0, &Prevouts::All(&spent), TapSighashType::Default)
        .unwrap();
    let message = Message::from_digest(hash.to_byte_array());
    let signature = SchnorrSignature::from_bytes(signature.serialize());
    assert_eq!(verify_schnorr(&output_key, &message, &signature), Ok(()));
}

#[test]
fn a_psbt_that_contradicts_itself_is_not_signed() {
    let seed = seed(Network::Regtest);
    let check = |change: fn(&mut Psbt), expected| {
        let (mut psbt, _) = psbt(&seed);
        change(&mut psbt);
        assert_eq!(seed.sign_psbt(&mut psbt), Err(expected));
        assert!(psbt.inputs.iter().all(|input| input.tap_key_sig.is_none()));
    };
    check(|p| p.inputs[1].witness_utxo = None, PsbtError::MissingUtxo { index: 1 });
    check(
        |p| p.inputs[0].sighash_type = Some(TapSighashType::NonePlusAnyoneCanPay.into()),
        PsbtError::SighashType { index: 0 },
    );
    check(
        |p| p.inputs[0].witness_utxo.as_mut().unwrap().script_pubkey = ScriptBuf::new(),
        PsbtError::KeyMismatch { index: 0 },
    );
}
