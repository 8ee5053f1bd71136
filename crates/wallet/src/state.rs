//! What the log holds of the wallet: single changes, and their sum.
//!
//! Each record is one version byte and CBOR with numbered fields; values of the `bitcoin` crate are byte strings
//! in the network's own serialisation. No type of the wallet library reaches the disk.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{BlockHash, OutPoint, Transaction, Txid};
use minicbor::{Decode, Encode};
use strait_primitives::{BlockHeight, Timestamp};
use thiserror::Error;

use crate::account::{Account, AddressGap, AddressIndex, Branch};
use crate::codec::Consensus;
use crate::holds::Purpose;
use crate::limits::{CHANGE_BYTES_MAX, STATE_BYTES_MAX};

/// Version of both records; the first byte of each.
const RECORD_VERSION: u8 = 1;

/// Why bytes are not a record of the wallet.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than any such record has.
    #[error("{actual} bytes where at most {limit} belong")]
    TooLong {
        /// The most there may be.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
    /// Nothing at all.
    #[error("an empty record")]
    Empty,
    /// Written by another version of the software.
    #[error("record version {found}; this software reads version {supported}")]
    Version {
        /// The version byte.
        found: u8,
        /// What is read here.
        supported: u8,
    },
    /// Not the CBOR of such a record.
    #[error("malformed record")]
    Malformed(#[source] minicbor::decode::Error),
    /// More after the record's end.
    #[error("{bytes} bytes after the end of the record")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Where a transaction was mined: kept even when a reorganisation takes the block away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct Anchor {
    /// Which transaction.
    #[n(0)]
    pub(crate) txid: Consensus<Txid>,
    /// The block's height.
    #[n(1)]
    pub(crate) height: BlockHeight,
    /// The block.
    #[n(2)]
    pub(crate) block: Consensus<BlockHash>,
    /// The time in the block's header, in seconds since 1970.
    #[n(3)]
    pub(crate) time_s: u32,
}

/// Transactions by their ids, stored as a list: a witness may change where an id does not, and the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transactions(pub(crate) BTreeMap<Txid, Transaction>);

impl<C> Encode<C> for Transactions {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let count = u64::try_from(self.0.len()).expect("memory holds fewer than 2^64");
        e.array(count)?;
        self.0.values().try_for_each(|tx| Consensus(tx).encode(e, ctx))
    }
}

impl<'b, C> Decode<'b, C> for Transactions {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let list = d.array_iter_with::<C, Consensus<Transaction>>(ctx)?;
        list.map(|tx| tx.map(|tx| (tx.0.compute_txid(), tx.0))).collect::<Result<_, _>>().map(Self)
    }
}

/// What one step changed: the payload of one event of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[must_use = "a change that is not logged is undone by the next start"]
pub struct WalletChange {
    /// Whose wallet: in the first change only.
    #[n(0)]
    pub(crate) account: Option<Account>,
    /// Blocks that came (a hash) or went (none).
    #[n(1)]
    pub(crate) blocks: BTreeMap<BlockHeight, Option<Consensus<BlockHash>>>,
    /// Transactions that touch the wallet, new here.
    #[n(2)]
    pub(crate) transactions: Transactions,
    /// Where transactions were mined.
    #[n(3)]
    pub(crate) anchors: BTreeSet<Anchor>,
    /// When unmined transactions were last seen to be on their way.
    #[n(4)]
    pub(crate) seen: BTreeMap<Consensus<Txid>, Timestamp>,
    /// When unmined transactions were given up.
    #[n(5)]
    pub(crate) evicted: BTreeMap<Consensus<Txid>, Timestamp>,
    /// The last address handed out on each branch.
    #[n(6)]
    pub(crate) revealed: BTreeMap<Branch, AddressIndex>,
    /// Coins that were set aside (a purpose) or freed (none).
    #[n(7)]
    pub(crate) held: BTreeMap<Consensus<OutPoint>, Option<Purpose>>,
    /// Change addresses promised to a purpose, or taken back (none).
    #[n(8)]
    pub(crate) change_of: BTreeMap<Purpose, Option<AddressIndex>>,
    /// How far to look beyond the last address, where that is further than usual: in the first change only.
    #[n(9)]
    pub(crate) lookahead: Option<AddressGap>,
}

/// The sum of all changes: what a snapshot holds and a wallet is loaded from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct WalletState {
    /// Whose wallet; none before the first change.
    #[n(0)]
    pub(crate) account: Option<Account>,
    /// The blocks that are known: all of the last ones, below that those with a transaction of ours.
    #[n(1)]
    pub(crate) blocks: BTreeMap<BlockHeight, Consensus<BlockHash>>,
    /// Every transaction that touches the wallet, and what conflicts with one.
    #[n(2)]
    pub(crate) transactions: Transactions,
    /// Where they were mined, on any branch of the chain.
    #[n(3)]
    pub(crate) anchors: BTreeSet<Anchor>,
    /// When unmined ones were last seen.
    #[n(4)]
    pub(crate) seen: BTreeMap<Consensus<Txid>, Timestamp>,
    /// When unmined ones were given up.
    #[n(5)]
    pub(crate) evicted: BTreeMap<Consensus<Txid>, Timestamp>,
    /// The last address handed out on each branch.
    #[n(6)]
    pub(crate) revealed: BTreeMap<Branch, AddressIndex>,
    /// Which coins are set aside, and for what.
    #[n(7)]
    pub(crate) held: BTreeMap<Consensus<OutPoint>, Purpose>,
    /// The change address of each purpose.
    #[n(8)]
    pub(crate) change_of: BTreeMap<Purpose, AddressIndex>,
    /// How far to look beyond the last address, where that is further than usual.
    #[n(9)]
    pub(crate) lookahead: Option<AddressGap>,
}

impl WalletChange {
    /// True if it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True if coins came, went, or changed what they may be used for: not with a block or an address alone.
    #[must_use]
    pub fn touches_coins(&self) -> bool {
        !(self.transactions.0.is_empty()
            && self.anchors.is_empty()
            && self.evicted.is_empty()
            && self.held.is_empty())
            || self.blocks.values().any(Option::is_none)
    }

    /// Adds a later change to this one.
    pub(crate) fn extend(&mut self, later: Self) {
        assert!(later.account.is_none(), "only the first change of a wallet names its account");
        self.blocks.extend(later.blocks);
        self.transactions.0.extend(later.transactions.0);
        self.anchors.extend(later.anchors);
        self.seen.extend(later.seen);
        self.evicted.extend(later.evicted);
        self.revealed.extend(later.revealed);
        self.held.extend(later.held);
        self.change_of.extend(later.change_of);
    }

    /// Writes the record.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write_record(self)
    }

    /// Reads a record that [`WalletChange::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, too long, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        read_record(bytes, CHANGE_BYTES_MAX)
    }
}

impl WalletState {
    /// Adds one change. Changes apply in the order in which the wallet returned them.
    ///
    /// # Panics
    /// If the change is the first one of another account: two wallets never share a log.
    pub fn apply(&mut self, change: &WalletChange) {
        if let Some(account) = change.account {
            assert!(
                self.account.is_none_or(|known| known == account),
                "a change of the seed {} in the log of {:?}",
                account.fingerprint(),
                self.account.map(|known| known.fingerprint())
            );
            self.account = Some(account);
        }
        self.lookahead = change.lookahead.or(self.lookahead);
        for (&height, &block) in &change.blocks {
            replace(&mut self.blocks, height, block);
        }
        let transactions = &change.transactions.0;
        self.transactions.0.extend(transactions.iter().map(|(&txid, tx)| (txid, tx.clone())));
        self.anchors.extend(change.anchors.iter().copied());
        self.seen.extend(change.seen.iter().map(|(&txid, &at)| (txid, at)));
        self.evicted.extend(change.evicted.iter().map(|(&txid, &at)| (txid, at)));
        self.revealed.extend(change.revealed.iter().map(|(&branch, &index)| (branch, index)));
        for (&outpoint, &purpose) in &change.held {
            replace(&mut self.held, outpoint, purpose);
        }
        for (&purpose, &index) in &change.change_of {
            replace(&mut self.change_of, purpose, index);
        }
    }

    /// Whose wallet it is; `None` before its first change.
    #[must_use]
    pub const fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Writes the record.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write_record(self)
    }

    /// Reads a record that [`WalletState::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, too long, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        read_record(bytes, STATE_BYTES_MAX)
    }
}

/// Sets an entry, or removes it.
fn replace<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

fn write_record(record: &impl Encode<()>) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    minicbor::encode(record, &mut bytes).expect("writing to memory does not fail");
    bytes
}

fn read_record<'b, T: Decode<'b, ()>>(bytes: &'b [u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { limit, actual: bytes.len() });
    }
    let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if found != RECORD_VERSION {
        return Err(DecodeError::Version { found, supported: RECORD_VERSION });
    }
    let mut decoder = minicbor::Decoder::new(body);
    let record = decoder.decode().map_err(DecodeError::Malformed)?;
    match body.len() - decoder.position() {
        0 => Ok(record),
        bytes => Err(DecodeError::Trailing { bytes }),
    }
}
