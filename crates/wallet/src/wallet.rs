//! The live wallet: what it is made of, how it starts, and what it looks like on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use bdk_wallet::chain::indexer::keychain_txout::{self, KeychainTxOutIndex};
use bdk_wallet::chain::local_chain::{self, LocalChain};
use bdk_wallet::chain::{
    BlockId, ConfirmationBlockTime, DescriptorExt, DescriptorId, IndexedTxGraph, indexed_tx_graph,
    tx_graph,
};
use bitcoin::bip32::Fingerprint;
use bitcoin::{Network, Transaction, Txid};
use strait_primitives::{BlockHeight, Timestamp};
use thiserror::Error;

use crate::account::{Account, AddressGap, AddressIndex, BlockPoint, Branch};
use crate::codec::Consensus;
use crate::holds::Holds;
use crate::state::{Anchor, Transactions, WalletChange, WalletState};

/// The graph of transactions, and the index that knows which outputs are ours.
pub(crate) type Graph = IndexedTxGraph<ConfirmationBlockTime, KeychainTxOutIndex<Branch>>;
/// What one operation added to the graph.
pub(crate) type GraphChange =
    indexed_tx_graph::ChangeSet<ConfirmationBlockTime, keychain_txout::ChangeSet>;

/// Why no wallet can be loaded from a state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The log holds no wallet yet.
    #[error("the log holds no wallet")]
    Empty,
    /// The log's wallet lives on another network.
    #[error("the log's wallet is on {stored}, the node runs on {expected}")]
    OtherNetwork {
        /// The network in the log.
        stored: Network,
        /// The network asked for.
        expected: Network,
    },
    /// The log's wallet was made from another seed.
    #[error("the log's wallet belongs to the seed {stored}, not to {expected}")]
    OtherAccount {
        /// The master key's fingerprint in the log.
        stored: Fingerprint,
        /// That of the seed at hand.
        expected: Fingerprint,
    },
    /// The blocks in the log do not start at the first block of the network.
    #[error("the log's blocks do not start at the genesis block of {network}")]
    OtherGenesis {
        /// The network asked for.
        network: Network,
    },
    /// The log speaks of a transaction that it does not hold.
    #[error("the log places transaction {txid} but does not hold it")]
    MissingTransaction {
        /// Which one.
        txid: Txid,
    },
}

/// The coins of one account, as seen from one tip.
///
/// Blocks and own broadcasts go in; every method that changes something returns the [`WalletChange`] that the
/// caller writes to the log. Nothing is staged inside: a change that is dropped is lost at the next start.
#[derive(Debug)]
pub struct Wallet {
    /// Whose coins.
    pub(crate) account: Account,
    /// The blocks that are known; always starts at genesis.
    pub(crate) chain: LocalChain,
    /// All transactions that touch the wallet, on whatever branch of the chain.
    pub(crate) graph: Graph,
    /// Heights at which one of them was ever mined: these blocks are never forgotten.
    pub(crate) anchored: BTreeSet<BlockHeight>,
    /// Coins set aside.
    pub(crate) holds: Holds,
    /// The index's name for each branch.
    pub(crate) branches: BTreeMap<DescriptorId, Branch>,
    /// How far it looks beyond the last address, if it began with more than usual.
    lookahead: Option<AddressGap>,
}

impl Wallet {
    /// Makes the wallet of an account that has no log yet.
    ///
    /// `birthday` is a block below everything that could pay the account: the current tip for a new seed, an old
    /// block or [`Account::genesis`] for one that was used before. The next block to connect is the one above.
    ///
    /// # Panics
    /// If the birthday is at height zero and not the network's genesis block.
    pub fn create(
        account: &Account,
        birthday: BlockPoint,
        lookahead: AddressGap,
    ) -> (Self, WalletChange) {
        let genesis = account.genesis();
        assert!(
            birthday.height > genesis.height || birthday == genesis,
            "a birthday at height 0 is the genesis block, not {}",
            birthday.hash
        );
        let gap = lookahead;
        let lookahead = (gap > AddressGap::DEFAULT).then_some(gap);
        let mut change =
            WalletChange { account: Some(*account), lookahead, ..WalletChange::default() };
        for point in [genesis, birthday] {
            change.blocks.insert(point.height, Some(Consensus(point.hash)));
        }
        let mut state = WalletState::default();
        state.apply(&change);
        let wallet = Self::load(account, &state, gap).expect("made from this account above");
        assert_eq!(wallet.tip(), birthday);
        (wallet, change)
    }

    /// Rebuilds the wallet from the fold of its changes. One that began with a larger gap keeps it.
    ///
    /// # Errors
    /// [`LoadError`] if the state belongs to another seed or network, or does not hang together.
    pub fn load(
        account: &Account,
        state: &WalletState,
        lookahead: AddressGap,
    ) -> Result<Self, LoadError> {
        check_owner(account, state)?;
        let lookahead = state.lookahead.map_or(lookahead, |began_with| began_with.max(lookahead));
        let chain = load_chain(account, state)?;
        let graph = load_graph(account, state, lookahead)?;
        let branches = [Branch::Receive, Branch::Change]
            .map(|branch| (account.descriptor(branch).descriptor_id(), branch));
        let holds = Holds {
            coins: state.held.iter().map(|(outpoint, &purpose)| (outpoint.0, purpose)).collect(),
            change: state.change_of.clone(),
        };
        Ok(Self {
            account: *account,
            chain,
            graph,
            anchored: state.anchors.iter().map(|anchor| anchor.height).collect(),
            holds,
            branches: BTreeMap::from(branches),
            lookahead: state.lookahead,
        })
    }

    /// The durable form: equal to the fold of every change this wallet has returned.
    #[must_use]
    pub fn state(&self) -> WalletState {
        let (account, lookahead) = (Some(self.account), self.lookahead);
        let mut state = WalletState { account, lookahead, ..WalletState::default() };
        for block in self.chain.iter_checkpoints() {
            state.blocks.insert(BlockHeight::new(block.height()), Consensus(block.hash()));
        }
        for node in self.graph.graph().full_txs() {
            let txid = Consensus(node.txid);
            state.transactions.0.insert(node.txid, node.tx.as_ref().clone());
            state.anchors.extend(node.anchors.iter().map(|at| anchor(node.txid, at)));
            if let Some(seen) = node.last_seen {
                state.seen.insert(txid, Timestamp::from_unix_ms(seen));
            }
            if let Some(evicted) = self.graph.graph().get_last_evicted(node.txid) {
                state.evicted.insert(txid, Timestamp::from_unix_ms(evicted));
            }
        }
        for &branch in self.branches.values() {
            if let Some(index) = self.graph.index.last_revealed_index(branch) {
                state.revealed.insert(branch, AddressIndex(index));
            }
        }
        state.held =
            self.holds.coins.iter().map(|(&coin, &holder)| (Consensus(coin), holder)).collect();
        state.change_of.clone_from(&self.holds.change);
        state
    }

    /// The block up to which the wallet knows the chain.
    #[must_use]
    pub fn tip(&self) -> BlockPoint {
        let tip = self.chain.tip();
        BlockPoint { height: BlockHeight::new(tip.height()), hash: tip.hash() }
    }

    /// Translates what an operation added to the graph.
    pub(crate) fn graph_change(&self, added: &GraphChange) -> WalletChange {
        let graph = &added.tx_graph;
        let moments = |times: &BTreeMap<Txid, u64>| {
            times
                .iter()
                .map(|(&txid, &ms)| (Consensus(txid), Timestamp::from_unix_ms(ms)))
                .collect()
        };
        // Where the graph knew a transaction with other witnesses, it keeps one of them: what it keeps is what counts.
        let merged = |tx: &Arc<Transaction>| {
            let txid = tx.compute_txid();
            self.transaction(txid).map(|kept| (txid, kept.as_ref().clone()))
        };
        WalletChange {
            transactions: Transactions(graph.txs.iter().filter_map(merged).collect()),
            anchors: graph.anchors.iter().map(|(at, txid)| anchor(*txid, at)).collect(),
            seen: moments(&graph.last_seen),
            evicted: moments(&graph.last_evicted),
            revealed: self.revealed(&added.indexer),
            ..WalletChange::default()
        }
    }

    /// Translates what the index has newly handed out.
    pub(crate) fn revealed(
        &self,
        added: &keychain_txout::ChangeSet,
    ) -> BTreeMap<Branch, AddressIndex> {
        added
            .last_revealed
            .iter()
            .map(|(id, &index)| {
                let branch = self.branches.get(id).expect("the index holds these two branches");
                (*branch, AddressIndex(index))
            })
            .collect()
    }
}

/// Refuses the state of another wallet.
fn check_owner(account: &Account, state: &WalletState) -> Result<(), LoadError> {
    let stored = state.account.ok_or(LoadError::Empty)?;
    if stored.network() != account.network() {
        let (stored, expected) = (stored.network(), account.network());
        return Err(LoadError::OtherNetwork { stored, expected });
    }
    if stored != *account {
        let (stored, expected) = (stored.fingerprint(), account.fingerprint());
        return Err(LoadError::OtherAccount { stored, expected });
    }
    Ok(())
}

fn load_chain(account: &Account, state: &WalletState) -> Result<LocalChain, LoadError> {
    let genesis = account.genesis();
    if state.blocks.get(&genesis.height) != Some(&Consensus(genesis.hash)) {
        return Err(LoadError::OtherGenesis { network: account.network() });
    }
    let blocks: local_chain::ChangeSet =
        state.blocks.iter().map(|(height, hash)| (height.to_u32(), hash.0)).collect();
    Ok(LocalChain::from_changeset(blocks).expect("the genesis block was found above"))
}

fn load_graph(
    account: &Account,
    state: &WalletState,
    lookahead: AddressGap,
) -> Result<Graph, LoadError> {
    let txs = &state.transactions.0;
    let anchored = state.anchors.iter().map(|anchor| anchor.txid.0);
    let timed = state.seen.keys().chain(state.evicted.keys()).map(|txid| txid.0);
    if let Some(txid) = anchored.chain(timed).find(|txid| !txs.contains_key(txid)) {
        return Err(LoadError::MissingTransaction { txid });
    }
    let moments = |times: &BTreeMap<Consensus<Txid>, Timestamp>| {
        times.iter().map(|(txid, at)| (txid.0, at.to_unix_ms())).collect()
    };
    let tx_graph = tx_graph::ChangeSet {
        txs: txs.values().cloned().map(Arc::new).collect(),
        anchors: state.anchors.iter().map(|at| (block_time(at), at.txid.0)).collect(),
        last_seen: moments(&state.seen),
        last_evicted: moments(&state.evicted),
        ..tx_graph::ChangeSet::default()
    };
    let last_revealed = state
        .revealed
        .iter()
        .map(|(&branch, index)| (account.descriptor(branch).descriptor_id(), index.0))
        .collect();
    let indexer = keychain_txout::ChangeSet { last_revealed, ..Default::default() };
    let stored = indexed_tx_graph::ChangeSet { tx_graph, indexer };
    let (graph, _) = IndexedTxGraph::from_changeset(stored, |indexer| {
        let mut index = KeychainTxOutIndex::from_changeset(lookahead.0, false, indexer);
        for branch in [Branch::Receive, Branch::Change] {
            index
                .insert_descriptor(branch, account.descriptor(branch))
                .expect("the branches differ and are inserted once");
        }
        Ok::<_, Infallible>(index)
    })
    .unwrap_or_else(|never| match never {});
    Ok(graph)
}

/// The disk's form of the place where a transaction was mined.
fn anchor(txid: Txid, at: &ConfirmationBlockTime) -> Anchor {
    Anchor {
        txid: Consensus(txid),
        height: BlockHeight::new(at.block_id.height),
        block: Consensus(at.block_id.hash),
        time_s: u32::try_from(at.confirmation_time).expect("a header's time has 32 bits"),
    }
}

/// The graph's form of the same.
fn block_time(at: &Anchor) -> ConfirmationBlockTime {
    ConfirmationBlockTime {
        block_id: BlockId { height: at.height.to_u32(), hash: at.block.0 },
        confirmation_time: u64::from(at.time_s),
    }
}
