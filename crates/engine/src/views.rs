//! What users see of the node: plain facts, copied out.

use bitcoin::BlockHash;
use strait_channel::{Closing, Ending, Funded, Live, Phase, contract_party, txid_of};
use strait_contract::Terms;
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, CommitmentNumber, ContractId, MilliSats, NodeId, Party,
    Sats,
};
use strait_watcher::WatcherState;

use crate::ended::EndedChannel;
use crate::engine::Engine;
use crate::lock_totals::LockTotals;
use crate::low_disk::DiskRoom;
use crate::progress::Progress;

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub node: NodeId,
    /// The height of the best block it has seen.
    pub height: BlockHeight,
    /// That block.
    pub block: BlockHash,
    /// Channels whose opening is being signed.
    pub channels_opening: usize,
    /// Channels that are signed and wait for their funding output to be deep enough.
    pub channels_awaiting_funding: usize,
    /// Channels that carry payments.
    pub channels_open: usize,
    /// Channels whose cooperative close is being agreed or mined.
    pub channels_closing: usize,
    /// Channels that are settled, of those still remembered.
    pub channels_closed: usize,
    /// Channels that a commitment settles.
    pub channels_force_closing: usize,
    /// Channels that only the peer can close, because this node is behind.
    pub channels_lost: usize,
    /// Channels whose state comes from a backup, and that wait for the operator's word.
    pub channels_quarantined: usize,
    /// Peers connected.
    pub peers_connected: usize,
    /// Contracts live.
    pub contracts_open: usize,
    /// Whether the log has room to grow.
    pub disk: DiskRoom,
    /// Money in channels that is this node's.
    pub balance_in_channels: MilliSats,
    /// Money in channels that is the peers'.
    pub peer_balance_in_channels: MilliSats,
}

/// What an operator watches, beside what happens: how the node is, what it holds, and what it still has to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The node.
    pub node: NodeView,
    /// The wallet.
    pub wallet: WalletView,
    /// Outputs of commitments on chain that a claim was broadcast for and that no block spends yet.
    pub claims_pending: usize,
    /// Locks in use.
    pub locks: LockTotals,
    /// Openings, closes and deadlines.
    pub progress: Progress,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Who.
    pub node: NodeId,
    /// Where, as told by the operator.
    pub address: Option<String>,
    /// Whether a stream is up.
    pub link: PeerLink,
    /// Channels with it that are not over.
    pub channels: usize,
}

/// Whether a stream to a peer is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerLink {
    /// It is.
    Connected,
    /// It is not.
    Disconnected,
}

/// In what part of its life a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelStage {
    /// Being signed.
    Opening,
    /// Signed; the funding output is not deep enough.
    AwaitingFunding,
    /// Carries payments.
    Open,
    /// A cooperative close is being agreed or mined.
    Closing,
    /// This node's or the peer's commitment settles it.
    ForceClosing,
    /// This node is behind and waits for the peer to close.
    Lost,
    /// Its state comes from a backup: it waits for the operator's word.
    Quarantined,
    /// Settled at depth.
    Closed,
    /// Given up before it lived.
    Abandoned,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelView {
    /// Its name.
    pub channel: ChannelId,
    /// The other node.
    pub peer: NodeId,
    /// Which party this node is.
    pub party: Party,
    /// In what part of its life it is.
    pub stage: ChannelStage,
    /// All the money in it.
    pub capacity: Sats,
    /// What this node may pay, its reserve included.
    pub balance: MilliSats,
    /// What this node may pay right now, its reserve kept.
    pub spendable: MilliSats,
    /// What the peer may pay, its reserve included.
    pub peer_balance: MilliSats,
    /// Blocks this node waits for its own money after a force close of its own.
    pub delay: BlockDelta,
    /// The number agreed on.
    pub number: CommitmentNumber,
    /// The funding output, once known.
    pub funding: Option<bitcoin::OutPoint>,
    /// The transaction that spent it, if one did.
    pub spent_by: Option<bitcoin::Txid>,
    /// The cooperative closing transaction, once complete.
    pub closing: Option<bitcoin::Txid>,
    /// Operations that wait for a round.
    pub queued: usize,
    /// Live contracts.
    pub contracts: usize,
    /// Live locks.
    pub locks: usize,
}

/// In what part of its life a contract is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractStage {
    /// Offered, not answered.
    Offered,
    /// Agreed to, not opened by a round.
    Agreed,
    /// Open.
    Open,
    /// Its module says that nothing more will happen.
    Final,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractView {
    /// Its name.
    pub contract: ContractId,
    /// In which channel.
    pub channel: ChannelId,
    /// What it runs under.
    pub terms: Terms,
    /// In what part of its life it is.
    pub stage: ContractStage,
    /// Its state, once open.
    pub state: Vec<u8>,
    /// What it is worth to this node as it stands.
    pub outcome: MilliSats,
    /// What it is worth to the peer.
    pub peer_outcome: MilliSats,
}

/// The wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletView {
    /// Confirmed and free.
    pub confirmed: Sats,
    /// On its way.
    pub pending: Sats,
    /// Held for openings and fees.
    pub reserved: Sats,
    /// Mined, not mature.
    pub immature: Sats,
    /// What closing all channels at once would need.
    pub fee_reserve: Sats,
    /// What there is for it: the free, mined coins that bring more than they cost at its rate.
    pub reserve_funds: Sats,
    /// Free, mined coins that are each large enough to pay for one closing.
    pub reserve_coins: usize,
    /// How many of these there should be: with fewer, a large coin is better split.
    pub reserve_coins_wanted: usize,
    /// What such a coin holds at least.
    pub reserve_coin_min: Sats,
    /// The last block looked at.
    pub height: BlockHeight,
}

impl ChannelStage {
    pub(crate) fn of(phase: &Phase, tip: BlockHeight) -> Self {
        match phase {
            Phase::Offered(_) | Phase::Answered(_) | Phase::OpeningSigned(_) => Self::Opening,
            Phase::Live(live) => Self::of_live(live, tip),
            Phase::Abandoned => Self::Abandoned,
            Phase::Resolved => Self::Closed,
        }
    }

    fn of_live(live: &Live, tip: BlockHeight) -> Self {
        match (&live.closing, live.funded) {
            (Closing::Lost, _) => Self::Lost,
            (Closing::Forced(_), _) => Self::ForceClosing,
            (Closing::Agreed { .. }, _) => Self::Closing,
            (Closing::Running, Funded::Spent { .. }) => Self::ForceClosing,
            (Closing::Running | Closing::ShuttingDown { .. }, _) if live.is_quarantined() => {
                Self::Quarantined
            }
            (Closing::ShuttingDown { .. }, _) => Self::Closing,
            (Closing::Running, _) if live.is_deep(tip) => Self::Open,
            (Closing::Running, _) => Self::AwaitingFunding,
        }
    }
}

impl Engine {
    /// A channel as users see it.
    #[must_use]
    pub fn channel_view(&self, channel: &ChannelId) -> Option<ChannelView> {
        let Some(channel) = self.channels.get(channel) else {
            return self.book.ended.find(channel).map(ChannelView::of_ended);
        };
        let state = channel.state();
        let stage = ChannelStage::of(&state.phase, self.tip().height);
        let mut view = ChannelView {
            channel: state.id,
            peer: state.peer,
            party: state.party,
            stage,
            capacity: capacity_of(&state.phase),
            balance: MilliSats::ZERO,
            spendable: MilliSats::ZERO,
            peer_balance: MilliSats::ZERO,
            delay: BlockDelta::new(0),
            number: CommitmentNumber::FIRST,
            funding: None,
            spent_by: None,
            closing: None,
            queued: channel.queued_operations(),
            contracts: 0,
            locks: 0,
        };
        if let Some(live) = state.live() {
            view.fill(live, state.party);
        }
        Some(view)
    }

    /// All contracts of a channel as users see them.
    #[must_use]
    pub fn contract_views(&self, channel: &ChannelId) -> Vec<ContractView> {
        let Some(channel) = self.channels.get(channel) else { return Vec::new() };
        let state = channel.state();
        let Some(live) = state.live() else { return Vec::new() };
        let waiting = |stage: ContractStage| {
            move |(id, agreement): (&ContractId, &strait_channel::Agreement)| ContractView {
                contract: *id,
                channel: state.id,
                terms: agreement.terms.clone(),
                stage,
                state: Vec::new(),
                outcome: agreement.terms.collateral.of(contract_party(state.party)),
                peer_outcome: agreement.terms.collateral.of(contract_party(!state.party)),
            }
        };
        let open = live.rounds.ledger.contracts().map(|(id, contract)| ContractView {
            contract: id,
            channel: state.id,
            terms: contract.terms.clone(),
            stage: if contract.is_final() { ContractStage::Final } else { ContractStage::Open },
            state: contract.state.as_bytes().to_vec(),
            outcome: contract.outcome_of(state.party),
            peer_outcome: contract.outcome_of(!state.party),
        });
        let offered = live.offers.iter().map(waiting(ContractStage::Offered));
        let agreed = live.agreements.iter().map(waiting(ContractStage::Agreed));
        open.chain(agreed).chain(offered).collect()
    }

    /// The node as users see it.
    #[must_use]
    pub fn node_view(&self) -> NodeView {
        let tip = self.tip();
        let mut view = NodeView {
            node: self.config.node,
            height: tip.height,
            block: tip.hash,
            channels_opening: 0,
            channels_awaiting_funding: 0,
            channels_open: 0,
            channels_closing: 0,
            channels_closed: self.book.ended.iter().filter(|channel| channel.is_settled()).count(),
            channels_force_closing: 0,
            channels_lost: 0,
            channels_quarantined: 0,
            peers_connected: self.connected.len(),
            contracts_open: 0,
            disk: self.disk,
            balance_in_channels: MilliSats::ZERO,
            peer_balance_in_channels: MilliSats::ZERO,
        };
        for channel in self.channels.values() {
            view.count(ChannelStage::of(&channel.state().phase, tip.height));
            if let Some(live) = channel.state().live() {
                view.add(live, channel.state().party);
            }
        }
        view
    }

    /// The node, its wallet and its claims at a glance.
    #[must_use]
    pub fn overview(&self) -> Overview {
        Overview {
            node: self.node_view(),
            wallet: self.wallet_view(),
            claims_pending: self.watchers.values().map(|w| claims_pending(w.state())).sum(),
            locks: self.lock_totals(),
            progress: self.progress(),
        }
    }

    /// The wallet as users see it.
    #[must_use]
    pub fn wallet_view(&self) -> WalletView {
        let (balance, reserve) = (self.wallet.balance(), self.fee_reserve());
        WalletView {
            confirmed: balance.confirmed,
            pending: balance.pending,
            reserved: balance.reserved,
            immature: balance.immature,
            fee_reserve: reserve.amount,
            reserve_funds: self.wallet.reserve_funds(reserve.fee_rate),
            reserve_coins: self.wallet.reserve_coins(&reserve),
            reserve_coins_wanted: reserve.coins,
            reserve_coin_min: reserve.coin_min,
            height: self.tip().height,
        }
    }
}

impl NodeView {
    fn count(&mut self, stage: ChannelStage) {
        match stage {
            ChannelStage::Opening => self.channels_opening += 1,
            ChannelStage::AwaitingFunding => self.channels_awaiting_funding += 1,
            ChannelStage::Open => self.channels_open += 1,
            ChannelStage::Closing => self.channels_closing += 1,
            ChannelStage::ForceClosing => self.channels_force_closing += 1,
            ChannelStage::Lost => self.channels_lost += 1,
            ChannelStage::Quarantined => self.channels_quarantined += 1,
            ChannelStage::Closed | ChannelStage::Abandoned => {}
        }
    }

    fn add(&mut self, live: &Live, party: Party) {
        let ledger = &live.rounds.ledger;
        self.contracts_open += ledger.contracts().count();
        let sum = |total: MilliSats, more| total.checked_add(more).unwrap_or(MilliSats::MAX);
        self.balance_in_channels = sum(self.balance_in_channels, ledger.settled_balance(party));
        self.peer_balance_in_channels =
            sum(self.peer_balance_in_channels, ledger.settled_balance(!party));
    }
}

/// Outputs that a claim was broadcast for and that no block spends yet.
fn claims_pending(state: &WatcherState) -> usize {
    let Some(spend) = state.spend() else { return 0 };
    let is_claimed =
        |vout| state.plans().iter().any(|plan| plan.inputs.contains(&spend.outpoint(vout)));
    let waiting = spend.outputs.iter().filter(|output| output.spend.is_none());
    waiting.filter(|output| is_claimed(output.vout)).count()
}

impl ChannelView {
    /// A channel that is over, as it was when it ended.
    pub(crate) fn of_ended(channel: &EndedChannel) -> Self {
        let ended = &channel.ended;
        let (stage, spent_by) = match ended.how {
            Ending::Abandoned(_) => (ChannelStage::Abandoned, None),
            Ending::Settled { txid, .. } => (ChannelStage::Closed, txid.map(txid_of)),
        };
        Self {
            channel: channel.id,
            peer: channel.peer,
            party: channel.party,
            stage,
            capacity: ended.capacity,
            balance: ended.holder,
            spendable: MilliSats::ZERO,
            peer_balance: ended.counterparty,
            delay: BlockDelta::new(0),
            number: ended.number,
            funding: ended.funding.map(|funding| funding.outpoint()),
            spent_by,
            closing: None,
            queued: 0,
            contracts: 0,
            locks: 0,
        }
    }

    fn fill(&mut self, live: &Live, party: Party) {
        let ledger = &live.rounds.ledger;
        let funding = &live.setup.funding;
        self.capacity = funding.value;
        self.balance = ledger.balance(party);
        self.peer_balance = ledger.balance(!party);
        self.spendable = ledger.spendable(party, &live.setup.rules());
        self.delay = live.setup.delay_of(party);
        self.number = live.rounds.agreed();
        self.funding = Some(live.setup.funding.outpoint());
        self.contracts = ledger.contracts().count();
        self.locks = ledger.locks().count();
        if let Funded::Spent { txid, .. } = live.funded {
            self.spent_by = Some(txid_of(txid));
        }
        if let Closing::Agreed { transaction, .. } = &live.closing {
            let transaction: Option<bitcoin::Transaction> =
                bitcoin::consensus::deserialize(transaction).ok();
            self.closing = transaction.map(|t| t.compute_txid());
        }
    }
}

fn capacity_of(phase: &Phase) -> Sats {
    match phase {
        Phase::Offered(offered) => offered.open.contribution.amount,
        Phase::Answered(answered) => answered.open.contribution.amount,
        Phase::OpeningSigned(signed) => signed.open.contribution.amount,
        Phase::Live(live) => live.setup.funding.value,
        Phase::Abandoned | Phase::Resolved => Sats::ZERO,
    }
}
