//! The engine's facts in the interface's types.

use strait_api_types::{
    Channel, ChannelPhase, ChannelRole, Contract, ContractPhase, Peer, PeerConnection, Recovery,
    RecoveryChoice, RecoveryDoubt,
};
use strait_channel::contract_party;
use strait_engine::{
    ChannelStage, ChannelView, ContractStage, ContractView, Doubt, PeerLink, PeerView, RecoveryView,
};
use strait_primitives::Party;

use crate::config::Network;

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) const fn network(network: Network) -> strait_api_types::Network {
    match network {
        Network::Mainnet => strait_api_types::Network::Mainnet,
        Network::Testnet4 => strait_api_types::Network::Testnet4,
        Network::Signet => strait_api_types::Network::Signet,
        Network::Regtest => strait_api_types::Network::Regtest,
    }
}

pub(super) const fn bitcoin_network(network: Network) -> bitcoin::Network {
    match network {
        Network::Mainnet => bitcoin::Network::Bitcoin,
        Network::Testnet4 => bitcoin::Network::Testnet4,
        Network::Signet => bitcoin::Network::Signet,
        Network::Regtest => bitcoin::Network::Regtest,
    }
}

pub(super) fn peer_answer(view: &PeerView) -> Peer {
    let connection = match (view.link, &view.address) {
        (PeerLink::Connected, _) => PeerConnection::Connected,
        (PeerLink::Disconnected, Some(_)) => PeerConnection::Reconnecting,
        (PeerLink::Disconnected, None) => PeerConnection::Disconnected,
    };
    Peer {
        node_id: view.node.to_string(),
        addresses: view.address.iter().cloned().collect(),
        connection,
        channels: count(view.channels),
    }
}

const fn role(party: Party) -> ChannelRole {
    match party {
        Party::Opener => ChannelRole::Opener,
        Party::Acceptor => ChannelRole::Acceptor,
    }
}

const fn phase(stage: ChannelStage) -> ChannelPhase {
    match stage {
        ChannelStage::Opening => ChannelPhase::Negotiating,
        ChannelStage::AwaitingFunding => ChannelPhase::AwaitingFunding,
        ChannelStage::Open => ChannelPhase::Open,
        ChannelStage::Closing => ChannelPhase::Closing,
        ChannelStage::ForceClosing => ChannelPhase::ForceClosing,
        ChannelStage::Lost => ChannelPhase::DataLost,
        ChannelStage::Quarantined => ChannelPhase::Quarantined,
        ChannelStage::Closed => ChannelPhase::Closed,
        ChannelStage::Abandoned => ChannelPhase::Abandoned,
    }
}

pub(super) fn recovery_answer(view: &RecoveryView) -> Recovery {
    let (choice, approved) = match view.choice {
        None => (None, None),
        Some(strait_channel::Recovery::AskPeer) => (Some(RecoveryChoice::AskPeer), None),
        Some(strait_channel::Recovery::ApproveClose { at_least }) => {
            (Some(RecoveryChoice::ApproveClose), Some(at_least))
        }
        Some(strait_channel::Recovery::AcceptLoss) => (Some(RecoveryChoice::AcceptLoss), None),
    };
    Recovery {
        channel_id: view.channel.to_string(),
        peer_node_id: view.peer.to_string(),
        peer_connection: match view.link {
            PeerLink::Connected => PeerConnection::Connected,
            PeerLink::Disconnected => PeerConnection::Reconnecting,
        },
        phase: phase(view.stage),
        doubt: match view.doubt {
            Doubt::Restored => RecoveryDoubt::Restored,
            Doubt::Outdated => RecoveryDoubt::Outdated,
        },
        backup_taken_at_ms: view.backup_taken.map(|taken| taken.to_unix_ms()),
        commitment_number: view.number.to_u64(),
        peer_commitment_number: view.told_number.map(|number| number.to_u64()),
        capacity_sat: view.capacity.to_sat(),
        holder_balance_msat: view.balance.to_msat(),
        close_brings_sat: view.close_brings.map(|brings| brings.to_sat()),
        choice,
        approved_sat: approved.map(|least| least.to_sat()),
    }
}

pub(super) fn channel_answer(view: &ChannelView) -> Channel {
    Channel {
        channel_id: view.channel.to_string(),
        peer_node_id: view.peer.to_string(),
        role: role(view.party),
        phase: phase(view.stage),
        capacity_sat: view.capacity.to_sat(),
        holder_balance_msat: view.balance.to_msat(),
        counterparty_balance_msat: view.peer_balance.to_msat(),
        spendable_msat: view.spendable.to_msat(),
        commitment_number: view.number.to_u64(),
        locks: count(view.locks),
        contracts: count(view.contracts),
        delay_blocks: view.delay.to_u32(),
        funding_txid: view.funding.map(|funding| funding.txid.to_string()),
        funding_output_index: view.funding.map(|funding| funding.vout),
        closing_txid: view.spent_by.or(view.closing).map(|txid| txid.to_string()),
    }
}

pub(super) fn contract_answer(view: &ContractView, channel: &ChannelView) -> Contract {
    let phase = match view.stage {
        ContractStage::Offered | ContractStage::Agreed => ContractPhase::Offered,
        ContractStage::Open | ContractStage::Final => match channel.stage {
            ChannelStage::ForceClosing | ChannelStage::Lost => ContractPhase::OnChain,
            ChannelStage::Opening
            | ChannelStage::AwaitingFunding
            | ChannelStage::Open
            | ChannelStage::Closing
            | ChannelStage::Quarantined
            | ChannelStage::Closed
            | ChannelStage::Abandoned => ContractPhase::Open,
        },
    };
    let collateral = &view.terms.collateral;
    Contract {
        contract_id: view.contract.to_string(),
        channel_id: view.channel.to_string(),
        module_hash: view.terms.module.to_string(),
        role: role(channel.party),
        phase,
        collateral_opener_msat: collateral.of(contract_party(Party::Opener)).to_msat(),
        collateral_acceptor_msat: collateral.of(contract_party(Party::Acceptor)).to_msat(),
        outcome_holder_msat: view.outcome.to_msat(),
        outcome_counterparty_msat: view.peer_outcome.to_msat(),
        commitment_number: channel.number.to_u64(),
        state_hex: hex::encode(&view.state),
    }
}
