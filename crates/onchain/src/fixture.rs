//! Two sides with known secrets, a channel between them, and Bitcoin Core's judgement of what they publish.

use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{All, Keypair, Message, Secp256k1, SecretKey};
use bitcoin::{OutPoint, Script, ScriptBuf, Transaction, TxOut, Txid};
use strait_primitives::{
    BlockDelta, BlockHeight, CommitmentNumber, LockId, MilliSats, PaymentHash, Preimage,
    RevocationHash, RevocationSecret, Sats, SchnorrSignature,
};

use crate::{
    ChannelPublicKeys, ClaimKey, CommitmentContext, CommitmentSpec, CommitmentTerms, FundingScript,
    LockSpec, Role, WalletScript,
};

pub(crate) const CAPACITY: Sats = Sats::from_const(1_000_000);
pub(crate) const DELAY: BlockDelta = BlockDelta::new(144);
pub(crate) const EXPIRY: BlockHeight = BlockHeight::new(800_000);

/// One side's secrets.
pub(crate) struct Secrets {
    pub(crate) funding: Keypair,
    pub(crate) penalty: Keypair,
    pub(crate) delayed: Keypair,
    pub(crate) lock: Keypair,
}

impl Secrets {
    pub(crate) fn new(seed: u8) -> Self {
        let key = |kind: u8| keypair([seed, kind]);
        Self { funding: key(1), penalty: key(2), delayed: key(3), lock: key(4) }
    }

    pub(crate) fn public(&self) -> ChannelPublicKeys {
        ChannelPublicKeys {
            funding: self.funding.public_key(),
            penalty: self.penalty.public_key(),
            delayed: self.delayed.public_key(),
            lock: self.lock.public_key(),
        }
    }

    pub(crate) fn claim_key(&self, key: ClaimKey) -> SecretKey {
        match key {
            ClaimKey::Penalty => self.penalty.secret_key(),
            ClaimKey::Delayed => self.delayed.secret_key(),
            ClaimKey::Lock => self.lock.secret_key(),
        }
    }
}

pub(crate) fn secp() -> Secp256k1<All> {
    Secp256k1::new()
}

pub(crate) fn keypair(seed: impl AsRef<[u8]>) -> Keypair {
    let secret = sha256::Hash::hash(seed.as_ref()).to_byte_array();
    Keypair::from_seckey_slice(&secp(), &secret).unwrap()
}

/// The side that publishes in these tests.
pub(crate) fn broadcaster() -> Secrets {
    Secrets::new(1)
}

/// The other side.
pub(crate) fn countersignatory() -> Secrets {
    Secrets::new(2)
}

pub(crate) fn funding_outpoint() -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 }
}

pub(crate) fn wallet(seed: u8) -> WalletScript {
    let (key, _) = keypair([9, seed]).x_only_public_key();
    let script = ScriptBuf::new_p2tr(&secp(), key, None);
    WalletScript::try_from(script.as_script()).unwrap()
}

pub(crate) fn funding() -> FundingScript {
    let keys = [broadcaster().funding.public_key(), countersignatory().funding.public_key()];
    FundingScript::new(keys).unwrap()
}

pub(crate) fn terms() -> CommitmentTerms {
    CommitmentTerms {
        broadcaster: broadcaster().public(),
        countersignatory: countersignatory().public(),
        opener: Role::Broadcaster,
        delay: DELAY,
        countersignatory_wallet: wallet(2),
        funding_outpoint: funding_outpoint(),
        capacity: CAPACITY,
    }
}

pub(crate) fn context() -> CommitmentContext {
    CommitmentContext::new(terms(), funding()).unwrap()
}

pub(crate) fn secret() -> RevocationSecret {
    RevocationSecret::from_bytes([3; 32])
}

pub(crate) fn revocation_hash() -> RevocationHash {
    RevocationHash::from_bytes(sha256::Hash::hash(secret().as_bytes()).to_byte_array())
}

pub(crate) fn preimage(id: u64) -> Preimage {
    Preimage::from_bytes(sha256::Hash::hash(&id.to_le_bytes()).to_byte_array())
}

pub(crate) fn lock(id: u64, offered_by: Role, sat: u64) -> LockSpec {
    let hash = sha256::Hash::hash(preimage(id).as_bytes()).to_byte_array();
    LockSpec {
        id: LockId(id),
        offered_by,
        amount: MilliSats::from_const(sat * 1_000),
        payment_hash: PaymentHash::from_bytes(hash),
        expiry: EXPIRY,
    }
}

/// A commitment in which the broadcaster owns what the locks and `theirs` leave.
pub(crate) fn spec(locks: &[LockSpec], theirs: MilliSats) -> CommitmentSpec<'_> {
    let locked = MilliSats::checked_sum(locks.iter().map(|lock| lock.amount)).unwrap();
    let rest = CAPACITY.to_millisats().checked_sub(locked).unwrap().checked_sub(theirs).unwrap();
    CommitmentSpec {
        number: CommitmentNumber::new(42).unwrap(),
        revocation_hash: revocation_hash(),
        broadcaster_balance: rest,
        countersignatory_balance: theirs,
        locks,
        ledger_hash: None,
    }
}

pub(crate) fn sign_schnorr(message: &Message, keypair: &Keypair) -> SchnorrSignature {
    SchnorrSignature::from_bytes(secp().sign_schnorr_no_aux_rand(message, keypair).serialize())
}

/// Asks Bitcoin Core's interpreter about every input, under all consensus rules.
pub(crate) fn judge(
    transaction: &Transaction,
    spent: &[TxOut],
) -> Result<(), bitcoinconsensus::Error> {
    let utxos: Vec<_> = spent
        .iter()
        .map(|output| bitcoinconsensus::Utxo {
            script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(output.script_pubkey.len()).unwrap(),
            value: i64::try_from(output.value.to_sat()).unwrap(),
        })
        .collect();
    assert_eq!(transaction.input.len(), spent.len());
    let bytes = serialize(transaction);
    for (index, output) in spent.iter().enumerate() {
        let script: &Script = &output.script_pubkey;
        let value = output.value.to_sat();
        bitcoinconsensus::verify(script.as_bytes(), value, &bytes, Some(&utxos), index)?;
    }
    Ok(())
}
