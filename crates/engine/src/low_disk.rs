//! A disk that is nearly full: what this node still does, and what has to wait.
//!
//! A log that cannot be written ends the node, and a node that does not run punishes nobody. So below a floor of free space
//! nothing new is begun, and what remains is for the rest: following the chain, penalties, claims, closes, and settling the
//! locks and contracts that stand.
//!
//! A peer's proposal is taken if the channel has less to settle after it than before, or if this node needs the turn that
//! comes with it; so rounds end by themselves, whatever a peer proposes. For any other the connection is dropped. Nobody
//! is accused: the peer says the same on the next connection, and is heard once there is room.
//!
//! A peer cannot take a proposal back, and what it has to settle waits behind it: while a lock of this node's stands in
//! the channel, it may be the peer's claim that waits, and at the claim's deadline the peer would close by force. And what
//! both have agreed to open may be opened for some blocks only. So there one such round passes in each block, as long as
//! all of them together take a small part of the room that is left.
//!
//! **Invariant:** the log never hears of it. How much room there is belongs to a moment and a machine, and replay does not
//! depend on it.

use std::collections::{BTreeMap, BTreeSet};

use strait_channel::Live;
use strait_contract::limits::STATE_BYTES_MAX;
use strait_payment::Verdict;
use strait_primitives::{BlockHeight, ChannelId, CommitmentNumber};
use strait_wire::{CancelReason, Operation, Propose};

use crate::answer::CommandError;
use crate::engine::Engine;
use crate::limits::{LOW_DISK_PART, ROUND_BYTES_MAX};

/// Whether the log has room to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskRoom {
    /// It has.
    #[default]
    Ample,
    /// What is left is for what stands.
    Low {
        /// What is left.
        free_bytes: u64,
        /// From how much on there is room again.
        wanted_bytes: u64,
    },
}

/// Rounds that began something and were let pass although the disk was nearly full.
#[derive(Debug, Default)]
pub(crate) struct LetPass {
    /// What they took in the log at most, all together, since there was room last.
    bytes: u64,
    /// The last one of each channel.
    last: BTreeMap<ChannelId, Passed>,
}

/// A round that was let pass.
#[derive(Debug, Clone, Copy)]
struct Passed {
    number: CommitmentNumber,
    /// The best block's height then.
    height: BlockHeight,
    /// What it was taken to need in the log.
    bytes: u64,
}

impl LetPass {
    /// Lets a round of so many bytes pass, if it is the channel's first in this block. One that has passed, and is said
    /// again, passes again; what it needs beyond what it needed then has to fit as well, for a peer may say more under
    /// the same number.
    fn admit(&mut self, propose: &Propose, tip: BlockHeight, bytes_max: u64) -> Result<(), NoRoom> {
        let asked = bytes_of(propose);
        let last = self.last.get(&propose.channel).copied();
        let again = last.filter(|last| last.number == propose.number);
        let paid = again.map_or(0, |last| last.bytes);
        if again.is_some() && asked <= paid {
            return Ok(());
        }
        let bytes = self.bytes.saturating_add(asked.saturating_sub(paid));
        let is_second = again.is_none() && last.is_some_and(|last| tip <= last.height);
        if is_second || bytes > bytes_max {
            return Err(NoRoom);
        }
        self.bytes = bytes;
        let height = again.map_or(tip, |last| last.height);
        self.last.insert(propose.channel, Passed { number: propose.number, height, bytes: asked });
        Ok(())
    }
}

/// There is no room for a peer's round now.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl Engine {
    /// How much room there is was measured.
    pub(crate) fn handle_disk(&mut self, room: DiskRoom) {
        if room == DiskRoom::Ample {
            self.let_pass = LetPass::default();
        }
        self.disk = room;
    }

    /// Whether there is room for the round that a peer's proposal would begin.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(crate) fn admit_round(&mut self, propose: &Propose) -> Result<(), NoRoom> {
        let DiskRoom::Low { wanted_bytes, .. } = self.disk else { return Ok(()) };
        if !self.begins_something(propose) {
            return Ok(());
        }
        let live = self.channels.get(&propose.channel).and_then(|channel| channel.state().live());
        if !live.is_some_and(|live| binds_this_node(live, propose)) {
            return Err(NoRoom);
        }
        let tip = self.tip().height;
        self.let_pass.admit(propose, tip, wanted_bytes / LOW_DISK_PART)
    }

    /// Refuses to begin something while the disk is nearly full.
    pub(crate) const fn check_disk(&self) -> Result<(), CommandError> {
        match self.disk {
            DiskRoom::Ample => Ok(()),
            DiskRoom::Low { free_bytes, wanted_bytes } => {
                Err(CommandError::DiskLow { free_bytes, wanted_bytes })
            }
        }
    }

    /// As [`Self::check_disk`], for a request of these operations: what acts in contracts that stand, or settles them, is
    /// not refused, because deadlines may hang on it.
    pub(crate) fn check_disk_for(&self, operations: &[Operation]) -> Result<(), CommandError> {
        let begins = |operation: &Operation| match operation {
            Operation::Pay { .. } | Operation::AddLock { .. } | Operation::OpenContract { .. } => {
                true
            }
            Operation::Act { .. }
            | Operation::SettleContract { .. }
            | Operation::ClaimLock { .. }
            | Operation::CancelLock { .. }
            | Operation::RaiseHeight { .. } => false,
        };
        if operations.iter().any(begins) { self.check_disk() } else { Ok(()) }
    }

    /// True if a peer's proposal would begin a round after which there is as much to settle in the channel as before.
    fn begins_something(&self, propose: &Propose) -> bool {
        let Some(channel) = self.channels.get(&propose.channel) else { return false };
        let Some(live) = channel.state().live() else { return false };
        // What is under way goes on, and what is out of place is judged as ever: neither begins a round.
        if live.rounds.outstanding.is_some() || !live.is_running() {
            return false;
        }
        let settlements = self.payments.settlements(propose.channel, self.showing());
        // With the turn this node claims what is its own. New locks are not held now, so claims come to an end.
        if settlements.iter().any(|own| matches!(own, Operation::ClaimLock { .. })) {
            return false;
        }
        let (mut fewer, mut more) = (0_u32, 0_u32);
        for operation in propose.operations.as_slice() {
            match operation {
                Operation::ClaimLock { .. }
                | Operation::CancelLock { .. }
                | Operation::SettleContract { .. } => fewer += 1,
                Operation::AddLock { .. } | Operation::OpenContract { .. } => more += 1,
                Operation::Pay { .. } | Operation::Act { .. } | Operation::RaiseHeight { .. } => {}
            }
        }
        // What this node does with the turn settles at least one thing more.
        fewer += u32::from(channel.has_to_propose(&settlements));
        fewer <= more
    }

    /// What becomes of a lock that has arrived: while the disk is nearly full, none is held or passed on.
    pub(crate) const fn as_room_allows(&self, verdict: Verdict) -> Verdict {
        match (self.disk, verdict) {
            (DiskRoom::Low { .. }, Verdict::Hold) => Verdict::Cancel(CancelReason::Unwanted),
            (DiskRoom::Low { .. }, Verdict::Forward(_)) => Verdict::Cancel(CancelReason::NoRoute),
            (DiskRoom::Ample, verdict) | (DiskRoom::Low { .. }, verdict @ Verdict::Cancel(_)) => {
                verdict
            }
        }
    }
}

/// True for a round that this node has reason to let pass: behind it the peer may wait to claim a lock, or it opens what
/// both have agreed to.
fn binds_this_node(live: &Live, propose: &Propose) -> bool {
    let own = live.setup.party;
    let has_own_lock = live.rounds.ledger.locks().any(|(offerer, ..)| offerer == own);
    let is_agreed = |operation: &Operation| match operation {
        Operation::OpenContract { contract } => {
            live.agreements.contains_key(contract) || live.offers.contains_key(contract)
        }
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => false,
    };
    has_own_lock || propose.operations.as_slice().iter().any(is_agreed)
}

/// What a round takes in the log at most: its operations, where they leave contracts, and what every round takes.
fn bytes_of(propose: &Propose) -> u64 {
    let list = propose.operations.as_slice();
    let contracts: BTreeSet<_> = list.iter().filter_map(contract_of).collect();
    let operations: usize = list.iter().map(Operation::encoded_len_max).sum();
    let bytes = operations.saturating_add(contracts.len().saturating_mul(STATE_BYTES_MAX));
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(ROUND_BYTES_MAX)
}

const fn contract_of(operation: &Operation) -> Option<&strait_primitives::ContractId> {
    match operation {
        Operation::OpenContract { contract } | Operation::Act { contract, .. } => Some(contract),
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::SettleContract { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use strait_wire::{ContractBytes, Operations};

    use super::*;

    const CHANNEL: ChannelId = ChannelId::from_bytes([7; 32]);

    /// A proposal that acts in a contract, with so many bytes.
    fn proposal(number: u64, len: usize) -> Propose {
        let contract = strait_primitives::ContractId::from_bytes([8; 32]);
        let action = ContractBytes::new(vec![0; len]).unwrap();
        Propose {
            channel: CHANNEL,
            number: CommitmentNumber::new(number).unwrap(),
            operations: Operations::new(vec![Operation::Act { contract, action }]).unwrap(),
            signature: strait_primitives::SchnorrSignature::from_bytes([9; 64]),
        }
    }

    /// A peer said something small, hung up before it was judged, and said much more under the same number.
    #[test]
    fn what_is_said_again_takes_no_more_than_was_counted() {
        let (small, large) = (proposal(1, 10), proposal(1, 4_000));
        let tip = BlockHeight::new(100);
        let rows = [(bytes_of(&large) - 1, false), (bytes_of(&large), true)];
        for (bytes_max, fits) in rows {
            let mut passed = LetPass::default();
            passed.admit(&small, tip, bytes_max).unwrap();
            passed.admit(&small, tip, bytes_max).unwrap();
            assert_eq!(passed.bytes, bytes_of(&small), "counted once");
            assert_eq!(passed.admit(&large, tip, bytes_max).is_ok(), fits);
            let counted = if fits { &large } else { &small };
            assert_eq!(passed.bytes, bytes_of(counted));
            passed.admit(&small, tip, bytes_max).unwrap();
            assert_eq!(passed.bytes, bytes_of(counted), "and less gives nothing back");
            let next = proposal(2, 0);
            assert!(passed.admit(&next, tip, u64::MAX).is_err(), "one in each block");
            passed
                .admit(&next, tip.saturating_add(strait_primitives::BlockDelta::new(1)), u64::MAX)
                .unwrap();
        }
    }
}
