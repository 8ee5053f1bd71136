//! Transactions and scripts of others, as blocks and peers bring them: what is read off them without their being ours.

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use bitcoin::{Block, OutPoint, ScriptBuf, Transaction, Txid};
use strait_onchain::{
    ChannelPublicKeys, CommitmentContext, CommitmentTerms, FundingScript, Role, WalletScript,
    key_path_signatures,
};
use strait_primitives::{BlockDelta, RevocationHash, Sats};
use strait_watcher::BlockSpends;

/// By the first byte, reads the rest as a block, as a partially signed transaction or as a transaction, and looks at it as the
/// watcher, the opening and the wallet do.
///
/// # Panics
/// If a promise about what was read is broken.
pub fn onchain_transaction(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 3 {
        0 => {
            if let Ok(block) = deserialize::<Block>(bytes) {
                let _ = BlockSpends::new(&block);
                block.txdata.iter().for_each(look);
            }
        }
        1 => {
            if let Ok(psbt) = bitcoin::Psbt::deserialize(bytes) {
                let signatures = key_path_signatures(&psbt);
                assert!(signatures.len() <= psbt.inputs.len(), "an input has one signature");
            }
        }
        _ => {
            if let Ok(transaction) = deserialize::<Transaction>(bytes) {
                assert_eq!(serialize(&transaction), bytes, "a transaction has one form");
                look(&transaction);
            }
        }
    }
}

fn look(transaction: &Transaction) {
    thread_local! {
        static CONTEXT: CommitmentContext = context();
    }
    for output in &transaction.output {
        if let Ok(script) = WalletScript::try_from(output.script_pubkey.as_script()) {
            assert_eq!(script.to_script_buf(), output.script_pubkey, "a script stays what it is");
        }
    }
    CONTEXT.with(|context| {
        let _ = context.decode_number(transaction);
        let hash = RevocationHash::from_bytes([3; 32]);
        let kinds = context.recognize(transaction, &hash, &[]);
        assert_eq!(kinds.len(), transaction.output.len(), "one kind for each output");
    });
}

/// A channel between two sides with secrets that everybody knows.
fn context() -> CommitmentContext {
    let secp = Secp256k1::new();
    let key = |byte: u8| {
        let secret = SecretKey::from_slice(&[byte; 32]).expect("below the order of the curve");
        PublicKey::from_secret_key(&secp, &secret)
    };
    let keys = |first: u8| ChannelPublicKeys {
        funding: key(first),
        penalty: key(first + 1),
        delayed: key(first + 2),
        lock: key(first + 3),
    };
    let (broadcaster, countersignatory) = (keys(1), keys(11));
    let funding = FundingScript::new([broadcaster.funding, countersignatory.funding])
        .expect("two different keys");
    let wallet = ScriptBuf::new_p2tr(&secp, key(21).x_only_public_key().0, None);
    let terms = CommitmentTerms {
        broadcaster,
        countersignatory,
        opener: Role::Broadcaster,
        delay: BlockDelta::new(144),
        countersignatory_wallet: WalletScript::try_from(wallet.as_script()).expect("taproot"),
        funding_outpoint: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 },
        capacity: Sats::from_const(1_000_000),
    };
    CommitmentContext::new(terms, funding).expect("terms within the protocol's bounds")
}
