//! What spent the funding output.

use std::collections::BTreeMap;

use bitcoin::{Block, OutPoint, Transaction, Txid, Witness};
use strait_onchain::{LockSpec, OutputKind, revocation_hash_of};
use strait_primitives::{
    BlockHeight, CommitmentNumber, RevocationHash, RevocationSecret, Sats, Side,
};

use crate::facts::{ChannelFacts, Revocation};
use crate::output::{OutputContent, TrackedOutput};

/// Every output that a block spends: built once per block, asked by every watcher.
#[derive(Debug)]
pub struct BlockSpends<'a> {
    /// Where each input's transaction and witness are.
    spends: BTreeMap<OutPoint, (&'a Transaction, &'a Witness)>,
}

impl<'a> BlockSpends<'a> {
    /// Reads a block.
    #[must_use]
    pub fn new(block: &'a Block) -> Self {
        let inputs = block.txdata.iter().flat_map(|transaction| {
            let spend = move |input: &'a bitcoin::TxIn| {
                (input.previous_output, (transaction, &input.witness))
            };
            transaction.input.iter().map(spend)
        });
        Self { spends: inputs.collect() }
    }

    /// The transaction that spends an output, and the witness it gives for it.
    pub(crate) fn of(&self, outpoint: &OutPoint) -> Option<(&'a Transaction, &'a Witness)> {
        self.spends.get(outpoint).copied()
    }
}

/// What kind of transaction spent the funding output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum SpendKind {
    /// Not a commitment, so both sides signed it for this end.
    #[n(0)]
    Cooperative,
    /// A commitment.
    #[n(1)]
    Commitment {
        /// Whose.
        #[n(0)]
        broadcaster: Side,
        /// Which.
        #[n(1)]
        number: CommitmentNumber,
        /// The hash that its scripts hold.
        #[n(2)]
        revocation_hash: RevocationHash,
    },
    /// It hides a number as commitments do, but none of its outputs is known: this node has lost data, or worse.
    #[n(2)]
    Unknown {
        /// The number that it hides.
        #[n(0)]
        number: CommitmentNumber,
    },
}

/// What a spend of the funding output means, by what is known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Both agreed: each side's money is in its wallet.
    Cooperative,
    /// This node's latest commitment.
    HolderCurrent,
    /// A commitment that this node had revoked: an old copy of it has been at work, and the counterparty may take it all.
    HolderRevoked,
    /// The counterparty's lowest commitment that stands.
    CounterpartyCurrent,
    /// The counterparty's commitment of the round that was under way.
    CounterpartyProposed,
    /// A commitment that the counterparty had revoked: everything in it is this node's.
    CounterpartyRevoked,
    /// A commitment higher than any this node knows to have signed: it has lost data.
    Ahead {
        /// Whose.
        broadcaster: Side,
    },
    /// Nothing in it is known.
    Unknown,
}

/// The spend of a funding output, as a block holds it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct FundingSpend {
    /// The transaction.
    #[cbor(n(0), with = "strait_onchain::cbor::consensus")]
    pub txid: Txid,
    /// The block's height.
    #[n(1)]
    pub height: BlockHeight,
    /// What it is.
    #[n(2)]
    pub kind: SpendKind,
    /// What the channel held.
    #[n(3)]
    pub capacity: Sats,
    /// A commitment's outputs; none of other transactions, whose money is in wallets.
    #[n(4)]
    pub outputs: Vec<TrackedOutput>,
}

impl FundingSpend {
    /// Says what a transaction that spends the funding output is.
    pub(crate) fn classify(
        transaction: &Transaction,
        height: BlockHeight,
        facts: &dyn ChannelFacts,
    ) -> Self {
        let context = facts.context(Side::Holder);
        let capacity = context.terms().capacity;
        let (kind, outputs) = match context.decode_number(transaction) {
            None => (SpendKind::Cooperative, Vec::new()),
            Some(number) => best_reading(transaction, number, facts)
                .filter(|reading| total(&reading.outputs).is_some_and(|total| total <= capacity))
                .map_or((SpendKind::Unknown { number }, Vec::new()), |reading| {
                    let Reading { broadcaster, revocation_hash, outputs } = reading;
                    (SpendKind::Commitment { broadcaster, number, revocation_hash }, outputs)
                }),
        };
        let spend = Self { txid: transaction.compute_txid(), height, kind, capacity, outputs };
        spend.assert_conserved();
        spend
    }

    /// Holds the outputs against what was there to spend.
    pub(crate) fn assert_conserved(&self) {
        let total = total(&self.outputs);
        assert!(
            total.is_some_and(|total| total <= self.capacity),
            "outputs of {total:?} out of a channel of {}",
            self.capacity
        );
    }

    /// The place of an output of the transaction.
    #[must_use]
    pub const fn outpoint(&self, vout: u32) -> OutPoint {
        OutPoint { txid: self.txid, vout }
    }

    /// What the spend means now: a proposal may have become current since, and what stood may have been revoked.
    #[must_use]
    pub fn standing(&self, facts: &dyn ChannelFacts) -> Standing {
        match self.kind {
            SpendKind::Cooperative => Standing::Cooperative,
            SpendKind::Unknown { .. } => Standing::Unknown,
            SpendKind::Commitment { broadcaster: Side::Holder, number, .. } => {
                match number.cmp(&facts.holder_number()) {
                    core::cmp::Ordering::Less => Standing::HolderRevoked,
                    core::cmp::Ordering::Equal => Standing::HolderCurrent,
                    core::cmp::Ordering::Greater => Standing::Ahead { broadcaster: Side::Holder },
                }
            }
            SpendKind::Commitment { broadcaster: Side::Counterparty, number, .. } => {
                let (lowest, highest) = (facts.counterparty_lowest(), facts.counterparty_highest());
                assert!(lowest <= highest, "{lowest} to {highest} is no range of commitments");
                if self.secret(facts).is_some() {
                    return Standing::CounterpartyRevoked;
                }
                assert!(number >= lowest, "{number} is revoked, so its secret is known");
                if number > highest {
                    Standing::Ahead { broadcaster: Side::Counterparty }
                } else if number == lowest {
                    Standing::CounterpartyCurrent
                } else {
                    Standing::CounterpartyProposed
                }
            }
        }
    }

    /// The secret that makes everything in a counterparty's commitment this node's, if it was revealed.
    pub(crate) fn secret(&self, facts: &dyn ChannelFacts) -> Option<RevocationSecret> {
        let SpendKind::Commitment { broadcaster: Side::Counterparty, number, revocation_hash } =
            self.kind
        else {
            return None;
        };
        match facts.revocation(Side::Counterparty, number)? {
            Revocation::Hash(_) => None,
            Revocation::Secret(secret) => {
                assert_eq!(
                    revocation_hash_of(&secret),
                    revocation_hash,
                    "one number has one secret"
                );
                Some(secret)
            }
        }
    }
}

/// What a transaction is if it is the commitment of one side.
struct Reading {
    /// That side.
    broadcaster: Side,
    /// The side's hash for its number.
    revocation_hash: RevocationHash,
    /// Its outputs.
    outputs: Vec<TrackedOutput>,
}

/// Both sides' commitments hide their numbers alike; their outputs tell whose it is.
fn best_reading(
    transaction: &Transaction,
    number: CommitmentNumber,
    facts: &dyn ChannelFacts,
) -> Option<Reading> {
    let readings = [Side::Holder, Side::Counterparty].into_iter().filter_map(|broadcaster| {
        let revocation_hash = match facts.revocation(broadcaster, number)? {
            Revocation::Hash(hash) => hash,
            Revocation::Secret(secret) => revocation_hash_of(&secret),
        };
        let locks = facts.locks(broadcaster, number);
        let context = facts.context(broadcaster);
        let kinds = context.recognize(transaction, &revocation_hash, &locks);
        let outputs = tracked(transaction, &kinds, &locks)?;
        let owned = outputs.iter().filter(|output| is_owned(output)).count();
        (owned > 0).then_some((owned, Reading { broadcaster, revocation_hash, outputs }))
    });
    readings.max_by_key(|(owned, _)| *owned).map(|(_, reading)| reading)
}

/// Each output with what it holds; `None` if a value is no amount of money.
fn tracked(
    transaction: &Transaction,
    kinds: &[Option<OutputKind>],
    locks: &[LockSpec],
) -> Option<Vec<TrackedOutput>> {
    let content = |kind: &Option<OutputKind>| match kind {
        Some(OutputKind::Broadcaster) => OutputContent::Broadcaster,
        Some(OutputKind::Countersignatory) => OutputContent::Countersignatory,
        Some(OutputKind::Lock(index)) => {
            OutputContent::Lock(*locks.get(*index).expect("recognized among these locks"))
        }
        Some(OutputKind::Anchor) => OutputContent::Anchor,
        Some(OutputKind::LedgerHash) => OutputContent::LedgerHash,
        None => OutputContent::Unrecognized,
    };
    let outputs = transaction.output.iter().zip(kinds).zip(0..).map(|((output, kind), vout)| {
        let value = Sats::new(output.value.to_sat()).ok()?;
        Some(TrackedOutput { vout, value, content: content(kind), spend: None })
    });
    outputs.collect()
}

/// True for outputs that only one side's commitment of that number can have.
const fn is_owned(output: &TrackedOutput) -> bool {
    match output.content {
        OutputContent::Broadcaster | OutputContent::Countersignatory | OutputContent::Lock(_) => {
            true
        }
        OutputContent::Anchor | OutputContent::LedgerHash | OutputContent::Unrecognized => false,
    }
}

/// All that the outputs hold; `None` above all the money there is.
fn total(outputs: &[TrackedOutput]) -> Option<Sats> {
    Sats::checked_sum(outputs.iter().map(|output| output.value))
}
