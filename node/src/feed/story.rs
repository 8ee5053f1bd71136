//! From a record of the log to what it means to a user.

use std::collections::BTreeMap;
use std::sync::Arc;

use strait_api_types::{ChannelOutcome, Event, EventKind, LockChange};
use strait_channel::{ChannelEvent, ContractChange, Spender, contract_party, txid_of};
use strait_log::{Record, StoreError};
use strait_primitives::{ChannelId, CommitmentNumber, ContractId, EventSeq, MilliSats, Side};
use strait_store::{DecodeError, decode};
use strait_store_sqlite::Reader;
use strait_wire::{Operation, Operations};
use thiserror::Error;

use super::locks;
use super::past::{Known, Past};

/// How far back the beginning of a round, or of a contract, is looked for, in events.
pub(super) const LOOK_BACK: u64 = 100_000;
/// Records read at a time on the way back.
const PAGE: u64 = 1_024;

/// Why the story cannot be told.
#[derive(Debug, Error)]
pub(super) enum StoryError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A record cannot be understood.
    #[error("the log cannot be understood")]
    Record(#[from] DecodeError),
}

/// A round that began and has not ended, by channel.
#[derive(Debug, Clone)]
struct Begun {
    number: CommitmentNumber,
    operations: Operations,
    contracts: Vec<ContractChange>,
}

/// What of the log before matters to what comes.
pub(super) struct Story {
    reader: Reader,
    begun: BTreeMap<ChannelId, Begun>,
    /// Channels and contracts of which the stream itself has told, or that were looked up.
    known: Known,
    /// Where what began before the stream is looked up.
    past: Arc<Past>,
    /// The first record that was told.
    begins: Option<EventSeq>,
}

impl Story {
    pub(super) const fn new(reader: Reader, past: Arc<Past>) -> Self {
        Self { reader, begun: BTreeMap::new(), known: Known::new(), past, begins: None }
    }

    /// What a record tells, if it tells users anything.
    pub(super) fn tell(&mut self, record: &Record) -> Result<Option<Event>, StoryError> {
        let begins = *self.begins.get_or_insert(record.seq);
        let event = decode(record)?;
        let (kind, locks) = match ended_round(&event) {
            Some((channel, number, proposer)) => {
                self.tell_end(record.seq, begins, (channel, number, proposer))?
            }
            None => (self.tell_beside_rounds(event), Vec::new()),
        };
        let (seq, at_ms) = (record.seq.to_u64(), record.at.to_unix_ms());
        Ok(kind.map(|kind| Event { seq, at_ms, kind, locks }))
    }

    /// What a record means that is not the end of a round.
    fn tell_beside_rounds(&mut self, event: strait_engine::Event) -> Option<EventKind> {
        match event {
            strait_engine::Event::Channel { channel, event } => self.tell_channel(channel, event),
            strait_engine::Event::Wallet(change) => {
                change.touches_coins().then_some(EventKind::WalletChanged)
            }
            strait_engine::Event::BlockConnected { height, hash } => {
                Some(EventKind::BlockConnected {
                    height: height.to_u32(),
                    block_hash: hash.to_string(),
                })
            }
            strait_engine::Event::BlockDisconnected { height, hash } => {
                Some(EventKind::BlockDisconnected {
                    height: height.to_u32(),
                    block_hash: hash.to_string(),
                })
            }
            strait_engine::Event::Payment(event) => Some(locks::decision(&event)),
            strait_engine::Event::Restored { backup_taken, now: _ } => {
                let backup_taken_at_ms = backup_taken.map(|taken| taken.to_unix_ms());
                Some(EventKind::NodeRestored { backup_taken_at_ms })
            }
            strait_engine::Event::PeerKnown { .. }
            | strait_engine::Event::ModuleAdded { .. }
            | strait_engine::Event::Token(_)
            | strait_engine::Event::RequestBegun { .. }
            | strait_engine::Event::RequestsFailed { .. }
            | strait_engine::Event::ClockNoted { .. }
            | strait_engine::Event::Watch { .. } => None,
        }
    }

    fn tell_channel(&mut self, channel: ChannelId, event: ChannelEvent) -> Option<EventKind> {
        let channel_id = channel.to_string();
        self.known.note_event(channel, &event);
        match event {
            ChannelEvent::Offered { peer, open, .. }
            | ChannelEvent::Answered { peer, open, .. } => {
                let capacity_sat = open.contribution.amount.to_sat();
                let peer_node_id = peer.to_string();
                Some(EventKind::ChannelOpening { channel_id, peer_node_id, capacity_sat })
            }
            ChannelEvent::Opened { funding, .. } => {
                let funding_txid = txid_of(funding.txid).to_string();
                Some(EventKind::ChannelFunded { channel_id, funding_txid })
            }
            ChannelEvent::FundingConfirmed { .. } => Some(EventKind::ChannelOpen { channel_id }),
            ChannelEvent::Proposed { number, operations, contracts, .. }
            | ChannelEvent::Accepted { number, operations, contracts, .. } => {
                self.begun.insert(channel, Begun { number, operations, contracts });
                None
            }
            ChannelEvent::ShutdownSent { .. } | ChannelEvent::ForceClosed { .. } => {
                Some(EventKind::ChannelClosing { channel_id })
            }
            ChannelEvent::Spent { txid, by, .. } => Some(EventKind::ChannelClosed {
                channel_id,
                closing_txid: txid_of(txid).to_string(),
                outcome: outcome(by),
            }),
            ChannelEvent::Resolved { by } => {
                Some(EventKind::ChannelResolved { channel_id, outcome: outcome(by) })
            }
            ChannelEvent::Abandoned { .. } => {
                Some(EventKind::ChannelResolved { channel_id, outcome: ChannelOutcome::Abandoned })
            }
            ChannelEvent::OpeningSigned { .. }
            | ChannelEvent::Revoked { .. }
            | ChannelEvent::Finalized { .. }
            | ChannelEvent::FundingUnconfirmed
            | ChannelEvent::ContractOffered { .. }
            | ChannelEvent::ContractAgreed { .. }
            | ChannelEvent::ContractRefused { .. }
            | ChannelEvent::ShutdownReceived { .. }
            | ChannelEvent::CloseAgreed { .. }
            | ChannelEvent::DataLost { .. }
            | ChannelEvent::RecoveryChosen { .. }
            | ChannelEvent::Unspent => None,
        }
    }

    /// What the end of a round means, and what the round did to locks.
    fn tell_end(
        &mut self,
        seq: EventSeq,
        begins: EventSeq,
        (channel, number, proposer): (ChannelId, CommitmentNumber, Side),
    ) -> Result<(Option<EventKind>, Vec<LockChange>), StoryError> {
        let Some(begun) = self.round(seq, channel, number)? else { return Ok((None, Vec::new())) };
        self.recall(begins, channel, begun.operations.as_slice())?;
        let locks = locks::changes(channel, proposer, begun.operations.as_slice());
        let kind = self.tell_round(channel, &begun, proposer);
        let kind = kind.or_else(|| {
            let (channel_id, commitment_number) = (channel.to_string(), begun.number.to_u64());
            (!locks.is_empty()).then_some(EventKind::LocksChanged { channel_id, commitment_number })
        });
        Ok((kind, locks))
    }

    /// Looks up what began before the stream did, if a round cannot be told without it.
    fn recall(
        &mut self,
        begins: EventSeq,
        channel: ChannelId,
        operations: &[Operation],
    ) -> Result<(), StoryError> {
        let (mut contracts, mut is_known) = (Vec::new(), true);
        for operation in operations {
            match operation {
                Operation::OpenContract { contract } if self.known.module(contract).is_none() => {
                    contracts.push(*contract);
                }
                Operation::SettleContract { .. } => {
                    is_known = is_known && self.known.party(&channel).is_some();
                }
                Operation::OpenContract { .. }
                | Operation::Pay { .. }
                | Operation::AddLock { .. }
                | Operation::ClaimLock { .. }
                | Operation::CancelLock { .. }
                | Operation::RaiseHeight { .. }
                | Operation::Act { .. } => {}
            }
        }
        if !is_known || !contracts.is_empty() {
            self.known.add(self.past.before(&self.reader, begins, channel, &contracts)?);
        }
        Ok(())
    }

    /// A round's operations: remembered, or looked up where it began.
    fn round(
        &mut self,
        ended: EventSeq,
        channel: ChannelId,
        number: CommitmentNumber,
    ) -> Result<Option<Begun>, StoryError> {
        if let Some(begun) = self.begun.remove(&channel).filter(|begun| begun.number == number) {
            return Ok(Some(begun));
        }
        let mut before = ended.to_u64();
        let stop = before.saturating_sub(LOOK_BACK).max(self.reader.oldest()?.to_u64());
        while before > stop {
            let from = before.saturating_sub(PAGE).max(stop);
            let limit = usize::try_from(before - from).unwrap_or(usize::MAX);
            let records = match self.reader.read_from(EventSeq::new(from), limit) {
                // It was removed since the last look: so was the beginning of the round.
                Err(StoreError::Compacted { .. }) => return Ok(None),
                read => read?,
            };
            for record in records.iter().rev() {
                let strait_engine::Event::Channel { channel: of, event } = decode(record)? else {
                    continue;
                };
                if let ChannelEvent::Proposed { number: at, operations, contracts, .. }
                | ChannelEvent::Accepted { number: at, operations, contracts, .. } = event
                    && of == channel
                    && at == number
                {
                    return Ok(Some(Begun { number, operations, contracts }));
                }
            }
            before = from;
        }
        Ok(None)
    }

    /// What a finished round means: payments if it made any, else what it did to a contract.
    fn tell_round(&self, channel: ChannelId, begun: &Begun, payer: Side) -> Option<EventKind> {
        let channel_id = channel.to_string();
        let commitment_number = begun.number.to_u64();
        let list = begun.operations.as_slice();
        let (count, total_msat) = payments(list);
        if count > 0 {
            return Some(match payer {
                Side::Holder => {
                    EventKind::PaymentsSent { channel_id, commitment_number, count, total_msat }
                }
                Side::Counterparty => {
                    EventKind::PaymentsReceived { channel_id, commitment_number, count, total_msat }
                }
            });
        }
        self.tell_contract(channel, begun)
    }

    fn tell_contract(&self, channel: ChannelId, begun: &Begun) -> Option<EventKind> {
        let channel_id = channel.to_string();
        let list = begun.operations.as_slice();
        let acts = |contract: &ContractId| {
            let is = |operation: &&Operation| matches!(operation, Operation::Act { contract: of, .. } if of == contract);
            u32::try_from(list.iter().filter(is).count()).unwrap_or(u32::MAX)
        };
        list.iter().rev().find_map(|operation| match operation {
            Operation::OpenContract { contract } => Some(EventKind::ContractOpened {
                contract_id: contract.to_string(),
                channel_id: channel_id.clone(),
                module_hash: self
                    .known
                    .module(contract)
                    .map(|module| module.to_string())
                    .unwrap_or_default(),
            }),
            Operation::Act { contract, .. } => Some(EventKind::ContractActed {
                contract_id: contract.to_string(),
                channel_id: channel_id.clone(),
                commitment_number: begun.number.to_u64(),
                count: acts(contract),
            }),
            Operation::SettleContract { contract } => {
                let change = begun.contracts.iter().find(|change| change.contract == *contract)?;
                let own = self.known.party(&channel)?;
                Some(EventKind::ContractSettled {
                    contract_id: contract.to_string(),
                    channel_id: channel_id.clone(),
                    holder_msat: change.outcome.of(contract_party(own)).to_msat(),
                    counterparty_msat: change.outcome.of(contract_party(!own)).to_msat(),
                })
            }
            Operation::Pay { .. }
            | Operation::AddLock { .. }
            | Operation::ClaimLock { .. }
            | Operation::CancelLock { .. }
            | Operation::RaiseHeight { .. } => None,
        })
    }
}

/// The round that a record is the end of, and whose it was.
const fn ended_round(event: &strait_engine::Event) -> Option<(ChannelId, CommitmentNumber, Side)> {
    let strait_engine::Event::Channel { channel, event } = event else { return None };
    if let ChannelEvent::Revoked { number, .. } = event {
        return Some((*channel, *number, Side::Holder));
    }
    if let ChannelEvent::Finalized { number, .. } = event {
        return Some((*channel, *number, Side::Counterparty));
    }
    None
}

const fn outcome(by: Spender) -> ChannelOutcome {
    match by {
        Spender::Both => ChannelOutcome::Cooperative,
        Spender::Holder => ChannelOutcome::HolderCommitment,
        Spender::Counterparty => ChannelOutcome::CounterpartyCommitment,
        Spender::Cheater => ChannelOutcome::Penalty,
        Spender::Unknown => ChannelOutcome::Unknown,
    }
}

fn payments(operations: &[Operation]) -> (u32, u64) {
    let amounts = operations.iter().filter_map(|operation| match operation {
        Operation::Pay { amount, .. } => Some(*amount),
        Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => None,
    });
    let (mut count, mut total) = (0_u32, MilliSats::ZERO);
    for amount in amounts {
        count += 1;
        total = total.checked_add(amount).unwrap_or(MilliSats::MAX);
    }
    (count, total.to_msat())
}

#[cfg(test)]
mod tests;
