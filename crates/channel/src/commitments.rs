//! From a ledger to both sides' commitment transactions.
//!
//! The transactions themselves are `strait-onchain`'s; here is the one place that says which balance, delay, key and
//! hash of this channel goes where in them.

use bitcoin::hashes::Hash;
use bitcoin::{Script, Transaction, Txid};
use strait_onchain::{
    ChannelKeyBytes, ChannelPublicKeys, Commitment, CommitmentContext, CommitmentSignatures,
    CommitmentSpec, CommitmentTerms, FundingScript, LockSpec, Role, WalletScript,
};
use strait_primitives::{CommitmentNumber, Digest, Party, RevocationHash, SchnorrSignature, Side};
use strait_signer::{ChannelSigner, SigningState, verify_commitment};
use strait_wire::{ChannelKeys, ScriptBytes};

use crate::decision::Violation;
use crate::event::Signed;
use crate::ledger::Ledger;
use crate::setup::Setup;
use crate::state::Live;

/// What differs from one commitment of a side to the next.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    /// Its number.
    pub(crate) number: CommitmentNumber,
    /// The broadcaster's hash of that number.
    pub(crate) hash: RevocationHash,
    /// Who owns what.
    pub(crate) ledger: &'a Ledger,
    /// What the ledger's contracts hash to: the same in both sides' commitments, so it is computed once.
    pub(crate) contracts: Option<Digest>,
}

/// Builders of both sides' commitments of one channel.
#[derive(Debug, Clone)]
pub struct Commitments {
    holder: CommitmentContext,
    counterparty: CommitmentContext,
    funding: FundingScript,
}

impl Commitments {
    /// Lays out what all commitments of a channel share.
    ///
    /// # Errors
    /// [`Violation::Material`] if a peer's key or script is unusable.
    pub fn new(setup: &Setup) -> Result<Self, Violation> {
        let keys = |party| public_keys(setup.keys.get(party));
        let (own, other) = (keys(setup.party)?, keys(!setup.party)?);
        let funding = funding_script(&own, &other)?;
        Ok(Self {
            holder: context(setup, Side::Holder, own, other, &funding)?,
            counterparty: context(setup, Side::Counterparty, other, own, &funding)?,
            funding,
        })
    }

    /// The builder of one side's commitments, for the watcher.
    #[must_use]
    pub const fn of(&self, broadcaster: Side) -> &CommitmentContext {
        match broadcaster {
            Side::Holder => &self.holder,
            Side::Counterparty => &self.counterparty,
        }
    }

    /// The script of the funding output.
    #[must_use]
    pub const fn funding(&self) -> &FundingScript {
        &self.funding
    }

    /// Signs the counterparty's commitment to a ledger.
    ///
    /// # Panics
    /// If the rules of signing forbid it: the machine would be about to lose money.
    pub(crate) fn sign_counterparty(
        &self,
        setup: &Setup,
        signing: &SigningState,
        signer: &ChannelSigner,
        content: Content<'_>,
    ) -> Signed {
        let commitment = self.build_content(Side::Counterparty, setup, content);
        signer
            .sign_counterparty_commitment(signing, &self.counterparty, &commitment)
            .expect("the machine signs only what the rules allow")
            .into()
    }

    /// True if the counterparty signed this node's commitment to a ledger.
    pub(crate) fn verify_holder(
        &self,
        setup: &Setup,
        content: Content<'_>,
        signature: &SchnorrSignature,
    ) -> bool {
        let commitment = self.build_content(Side::Holder, setup, content);
        verify_commitment(&self.holder, &commitment, signature).is_ok()
    }

    /// The commitment of `broadcaster` to a ledger.
    ///
    /// # Panics
    /// If the ledger breaks the protocol's rules, which its own law rules out.
    #[must_use]
    pub fn build(
        &self,
        broadcaster: Side,
        setup: &Setup,
        number: CommitmentNumber,
        revocation_hash: RevocationHash,
        ledger: &Ledger,
    ) -> Commitment {
        let contracts = ledger.digest(&setup.nonce, number);
        let content = Content { number, hash: revocation_hash, ledger, contracts };
        self.build_content(broadcaster, setup, content)
    }

    fn build_content(&self, broadcaster: Side, setup: &Setup, content: Content<'_>) -> Commitment {
        let Content { number, hash, ledger, contracts } = content;
        let party = setup.party.on(broadcaster);
        let locks = lock_specs(ledger, party);
        let spec = CommitmentSpec {
            number,
            revocation_hash: hash,
            broadcaster_balance: ledger.settled_balance(party),
            countersignatory_balance: ledger.settled_balance(!party),
            locks: &locks,
            ledger_hash: contracts,
        };
        self.of(broadcaster).build(&spec).expect("a ledger keeps the rules of commitments")
    }

    pub(crate) fn holder_transaction(&self, live: &Live, signer: &ChannelSigner) -> Transaction {
        let rounds = &live.rounds;
        let hash = signer.revocation_hash(rounds.number);
        let commitment = self.build(Side::Holder, &live.setup, rounds.number, hash, &rounds.ledger);
        let own = signer
            .sign_holder_commitment(&live.signing, &self.holder, &commitment)
            .expect("the machine publishes only what the rules allow");
        let signatures =
            CommitmentSignatures { broadcaster: own, countersignatory: rounds.holder_signature };
        self.holder.finalize(&commitment, &signatures)
    }
}

/// The locks of a ledger as the commitment of `broadcaster` shows them.
fn lock_specs(ledger: &Ledger, broadcaster: Party) -> Vec<LockSpec> {
    ledger
        .outputs_locked()
        .into_iter()
        .map(|lock| LockSpec {
            id: lock.id,
            offered_by: role(lock.offerer, broadcaster),
            amount: lock.amount,
            payment_hash: lock.payment_hash,
            expiry: lock.expiry,
        })
        .collect()
}

/// The part that `party` plays in the commitments of `broadcaster`.
pub(crate) fn role(party: Party, broadcaster: Party) -> Role {
    if party == broadcaster { Role::Broadcaster } else { Role::Countersignatory }
}

fn context(
    setup: &Setup,
    side: Side,
    broadcaster: ChannelPublicKeys,
    countersignatory: ChannelPublicKeys,
    funding: &FundingScript,
) -> Result<CommitmentContext, Violation> {
    let party = setup.party.on(side);
    let terms = CommitmentTerms {
        broadcaster,
        countersignatory,
        opener: role(Party::Opener, party),
        delay: setup.delay_of(party),
        countersignatory_wallet: wallet_script(setup.wallet_scripts.get(!party))?,
        funding_outpoint: setup.funding.outpoint(),
        capacity: setup.funding.value,
    };
    CommitmentContext::new(terms, *funding).map_err(|_| Violation::Material { what: "delay" })
}

/// A peer's keys as points.
pub(crate) fn public_keys(keys: &ChannelKeys) -> Result<ChannelPublicKeys, Violation> {
    let ChannelKeys { funding, penalty, delayed, lock } = *keys;
    ChannelPublicKeys::try_from(ChannelKeyBytes { funding, penalty, delayed, lock })
        .map_err(|_| Violation::Material { what: "public key" })
}

/// The funding script of two sides' keys.
pub(crate) fn funding_script(
    a: &ChannelPublicKeys,
    b: &ChannelPublicKeys,
) -> Result<FundingScript, Violation> {
    FundingScript::new([a.funding, b.funding])
        .map_err(|_| Violation::Material { what: "funding keys" })
}

/// A peer's script, if it is of an allowed kind.
pub(crate) fn wallet_script(script: &ScriptBytes) -> Result<WalletScript, Violation> {
    WalletScript::try_from(Script::from_bytes(script.as_bytes()))
        .map_err(|_| Violation::Material { what: "wallet script" })
}

/// A transaction's id as the messages and the log carry it.
#[must_use]
pub fn txid_digest(txid: Txid) -> Digest {
    Digest::from_bytes(txid.to_byte_array())
}

/// The transaction that a message or the log names.
#[must_use]
pub fn txid_of(digest: Digest) -> Txid {
    Txid::from_byte_array(digest.to_bytes())
}
