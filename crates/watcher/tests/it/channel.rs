//! A channel between two sides with known secrets, and what each side knows of it.

use std::collections::BTreeSet;

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{All, Keypair, Message, Secp256k1, SecretKey, ecdsa};
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use strait_onchain::{
    ChannelPublicKeys, ClaimKey, ClaimTransaction, ClosingShare, ClosingTerms, ClosingTransaction,
    CommitmentContext, CommitmentSignatures, CommitmentSpec, CommitmentTerms, FundingScript,
    LockSpec, Role, WalletScript, payment_hash_of, revocation_hash_of,
};
use strait_primitives::{
    BlockDelta, BlockHeight, CommitmentNumber, Digest, LockId, MilliSats, Party, PaymentHash,
    Preimage, RevocationSecret, Sats, SchnorrSignature, Side,
};
use strait_watcher::{ChannelFacts, Revocation};

pub(crate) const CAPACITY: Sats = Sats::from_const(1_000_000);
/// The height that holds the funding output.
pub(crate) const FUNDED_AT: u32 = 100;

/// Blocks that a side's own outputs wait; they differ so that no test mixes them up.
pub(crate) const fn delay(party: Party) -> BlockDelta {
    match party {
        Party::Opener => BlockDelta::new(10),
        Party::Acceptor => BlockDelta::new(16),
    }
}

struct Secrets {
    funding: Keypair,
    penalty: Keypair,
    delayed: Keypair,
    lock: Keypair,
}

impl Secrets {
    fn of(party: Party) -> Self {
        let key = |kind: u8| keypair(&[byte(party), kind]);
        Self { funding: key(1), penalty: key(2), delayed: key(3), lock: key(4) }
    }

    fn public(&self) -> ChannelPublicKeys {
        ChannelPublicKeys {
            funding: self.funding.public_key(),
            penalty: self.penalty.public_key(),
            delayed: self.delayed.public_key(),
            lock: self.lock.public_key(),
        }
    }

    fn claim_key(&self, key: ClaimKey) -> SecretKey {
        match key {
            ClaimKey::Penalty => self.penalty.secret_key(),
            ClaimKey::Delayed => self.delayed.secret_key(),
            ClaimKey::Lock => self.lock.secret_key(),
        }
    }
}

/// A lock of a test's ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestLock {
    pub(crate) id: u64,
    pub(crate) offered_by: Party,
    pub(crate) sat: u64,
    pub(crate) expiry: u32,
}

/// One ledger: the opener has `opener_sat`, the acceptor what that and the locks leave.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestLedger {
    pub(crate) opener_sat: u64,
    pub(crate) locks: Vec<TestLock>,
    /// The hash of the ledger, while a contract is live.
    pub(crate) hash: Option<[u8; 32]>,
}

impl TestLedger {
    pub(crate) fn balance(&self, party: Party) -> u64 {
        let locked: u64 = self.locks.iter().map(|lock| lock.sat).sum();
        match party {
            Party::Opener => self.opener_sat,
            Party::Acceptor => CAPACITY.to_sat() - locked - self.opener_sat,
        }
    }
}

pub(crate) struct Channel {
    /// The ledgers by number.
    pub(crate) ledgers: Vec<TestLedger>,
    /// Which of many channels of one test it is: each pays wallets of its own.
    row: u8,
    opener: CommitmentContext,
    acceptor: CommitmentContext,
    funding: FundingScript,
}

/// The script that holds every channel of these tests.
pub(crate) fn funding_script() -> FundingScript {
    let keys = [Party::Opener, Party::Acceptor].map(|party| Secrets::of(party).public().funding);
    FundingScript::new(keys).unwrap()
}

impl Channel {
    pub(crate) fn new(ledgers: Vec<TestLedger>) -> Self {
        Self::at(ledgers, funding_outpoint(), 0)
    }

    /// One of many channels.
    pub(crate) fn at(ledgers: Vec<TestLedger>, funding_outpoint: OutPoint, row: u8) -> Self {
        let funding = funding_script();
        let context = |party: Party| {
            let terms = CommitmentTerms {
                broadcaster: Secrets::of(party).public(),
                countersignatory: Secrets::of(!party).public(),
                opener: match party {
                    Party::Opener => Role::Broadcaster,
                    Party::Acceptor => Role::Countersignatory,
                },
                delay: delay(party),
                countersignatory_wallet: wallet_of(!party, row),
                funding_outpoint,
                capacity: CAPACITY,
            };
            CommitmentContext::new(terms, funding).unwrap()
        };
        Self {
            ledgers,
            row,
            opener: context(Party::Opener),
            acceptor: context(Party::Acceptor),
            funding,
        }
    }

    pub(crate) fn context(&self, broadcaster: Party) -> &CommitmentContext {
        match broadcaster {
            Party::Opener => &self.opener,
            Party::Acceptor => &self.acceptor,
        }
    }

    /// Where a side is paid.
    pub(crate) fn wallet(&self, party: Party) -> WalletScript {
        wallet_of(party, self.row)
    }

    pub(crate) fn funding_output(&self) -> TxOut {
        let script_pubkey = self.funding.script_pubkey();
        TxOut { value: Amount::from_sat(CAPACITY.to_sat()), script_pubkey }
    }

    pub(crate) fn locks(&self, broadcaster: Party, number: CommitmentNumber) -> Vec<LockSpec> {
        let index = usize::try_from(number.to_u64()).unwrap();
        let Some(ledger) = self.ledgers.get(index) else { return Vec::new() };
        let spec = |lock: &TestLock| LockSpec {
            id: LockId(lock.id),
            offered_by: match lock.offered_by == broadcaster {
                true => Role::Broadcaster,
                false => Role::Countersignatory,
            },
            amount: MilliSats::from_const(lock.sat * 1_000),
            payment_hash: payment_hash(lock.id),
            expiry: BlockHeight::new(lock.expiry),
        };
        ledger.locks.iter().map(spec).collect()
    }

    /// The signed commitment of a side to a ledger.
    pub(crate) fn commitment(&self, broadcaster: Party, number: u64) -> Transaction {
        let ledger = &self.ledgers[usize::try_from(number).unwrap()];
        let number = CommitmentNumber::new(number).unwrap();
        let locks = self.locks(broadcaster, number);
        let msat = |party| MilliSats::from_const(ledger.balance(party) * 1_000);
        let context = self.context(broadcaster);
        let spec = CommitmentSpec {
            number,
            revocation_hash: revocation_hash_of(&secret(broadcaster, number)),
            broadcaster_balance: msat(broadcaster),
            countersignatory_balance: msat(!broadcaster),
            locks: &locks,
            ledger_hash: ledger.hash.map(Digest::from_bytes),
        };
        let commitment = context.build(&spec).unwrap();
        let message = context.sighash(&commitment);
        let sign = |party| sign_schnorr(&message, &Secrets::of(party).funding);
        let signatures = CommitmentSignatures {
            broadcaster: sign(broadcaster),
            countersignatory: sign(!broadcaster),
        };
        context.finalize(&commitment, &signatures)
    }

    /// The signed cooperative close of a ledger without locks; the opener pays.
    pub(crate) fn close(&self, number: u64, fee: Sats) -> Transaction {
        let ledger = &self.ledgers[usize::try_from(number).unwrap()];
        let share = |party| ClosingShare {
            wallet: wallet(party),
            balance: MilliSats::from_const(ledger.balance(party) * 1_000),
        };
        let terms = ClosingTerms {
            funding_outpoint: funding_outpoint(),
            capacity: CAPACITY,
            opener: share(Party::Opener),
            acceptor: share(Party::Acceptor),
            payer: Party::Opener,
            fee,
        };
        let close = ClosingTransaction::new(&terms, &self.funding).unwrap();
        let keys = [Party::Opener, Party::Acceptor];
        let secrets = keys.map(|party| Secrets::of(party).funding.secret_key());
        let mut sorted = secrets;
        sorted.sort_by_key(|key| key.public_key(&secp()).serialize());
        let context = self.funding.key_agg_context();
        let both: SecretKey = context.aggregated_seckey(sorted.map(Into::into)).unwrap();
        let signature = sign_schnorr(&close.sighash(), &both.keypair(&secp()));
        close.finalize(&signature)
    }
}

/// What one side knows.
pub(crate) struct View<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) knowledge: &'a Knowledge,
}

/// The numbers and secrets of one side.
#[derive(Debug, Clone)]
pub(crate) struct Knowledge {
    pub(crate) party: Party,
    pub(crate) holder_number: u64,
    pub(crate) counterparty_lowest: u64,
    pub(crate) counterparty_highest: u64,
    /// Locks whose preimage it knows.
    pub(crate) preimages: BTreeSet<PaymentHash>,
}

impl Knowledge {
    /// Both sides agree on `number` and no round is under way.
    pub(crate) fn at(party: Party, number: u64) -> Self {
        Self {
            party,
            holder_number: number,
            counterparty_lowest: number,
            counterparty_highest: number,
            preimages: BTreeSet::new(),
        }
    }
}

fn number(number: u64) -> CommitmentNumber {
    CommitmentNumber::new(number).unwrap()
}

impl ChannelFacts for View<'_> {
    fn context(&self, broadcaster: Side) -> &CommitmentContext {
        self.channel.context(self.knowledge.party.on(broadcaster))
    }

    fn holder_number(&self) -> CommitmentNumber {
        number(self.knowledge.holder_number)
    }

    fn counterparty_lowest(&self) -> CommitmentNumber {
        number(self.knowledge.counterparty_lowest)
    }

    fn counterparty_highest(&self) -> CommitmentNumber {
        number(self.knowledge.counterparty_highest)
    }

    fn revocation(&self, broadcaster: Side, number: CommitmentNumber) -> Option<Revocation> {
        let secret = secret(self.knowledge.party.on(broadcaster), number);
        match broadcaster {
            Side::Holder => Some(Revocation::Secret(secret)),
            Side::Counterparty if number < self.counterparty_lowest() => {
                Some(Revocation::Secret(secret))
            }
            Side::Counterparty => (number.to_u64() <= self.knowledge.counterparty_highest + 1)
                .then(|| Revocation::Hash(revocation_hash_of(&secret))),
        }
    }

    fn locks(&self, broadcaster: Side, number: CommitmentNumber) -> Vec<LockSpec> {
        self.channel.locks(self.knowledge.party.on(broadcaster), number)
    }

    fn preimage(&self, hash: &PaymentHash) -> Option<Preimage> {
        let known = self.knowledge.preimages.contains(hash);
        (0..1_000).filter(|_| known).find(|id| payment_hash(*id) == *hash).map(preimage)
    }
}

/// Signs a claim as its owner.
pub(crate) fn sign(transaction: &ClaimTransaction, party: Party) -> Transaction {
    let secrets = Secrets::of(party);
    let requests = transaction.signature_requests();
    let signatures: Vec<ecdsa::Signature> = requests
        .iter()
        .map(|request| secp().sign_ecdsa(&request.message, &secrets.claim_key(request.key)))
        .collect();
    transaction.clone().finalize(&signatures)
}

pub(crate) fn funding_outpoint() -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 }
}

pub(crate) fn wallet(party: Party) -> WalletScript {
    wallet_of(party, 0)
}

fn wallet_of(party: Party, row: u8) -> WalletScript {
    let (key, _) = keypair(&[9, byte(party), row]).x_only_public_key();
    let script = ScriptBuf::new_p2tr(&secp(), key, None);
    WalletScript::try_from(script.as_script()).unwrap()
}

pub(crate) fn preimage(id: u64) -> Preimage {
    Preimage::from_bytes(sha256::Hash::hash(&id.to_le_bytes()).to_byte_array())
}

pub(crate) fn payment_hash(id: u64) -> PaymentHash {
    payment_hash_of(&preimage(id))
}

pub(crate) fn secret(party: Party, number: CommitmentNumber) -> RevocationSecret {
    let mut seed = vec![byte(party)];
    seed.extend(number.to_u64().to_le_bytes());
    RevocationSecret::from_bytes(sha256::Hash::hash(&seed).to_byte_array())
}

fn sign_schnorr(message: &Message, keypair: &Keypair) -> SchnorrSignature {
    SchnorrSignature::from_bytes(secp().sign_schnorr_no_aux_rand(message, keypair).serialize())
}

const fn byte(party: Party) -> u8 {
    match party {
        Party::Opener => 1,
        Party::Acceptor => 2,
    }
}

fn secp() -> Secp256k1<All> {
    Secp256k1::new()
}

fn keypair(seed: &[u8]) -> Keypair {
    let secret = sha256::Hash::hash(seed).to_byte_array();
    Keypair::from_seckey_slice(&secp(), &secret).unwrap()
}
