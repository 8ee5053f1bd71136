//! A disk that is nearly full: what this node still does, and what has to wait.
//!
//! A log that cannot be written ends the node, and a node that does not run punishes nobody. So below a floor of free space
//! nothing new is begun, and what remains is for the rest: following the chain, penalties, claims, closes, and settling the
//! locks and contracts that stand.
//!
//! A peer's proposal is taken if the channel has less to settle after it than before, or if this node needs the turn that
//! comes with it; so rounds end by themselves, whatever a peer proposes. For any other the connection is dropped. Nobody
//! is accused: the peer says the same on the next connection, and is heard once there is room. What it would settle after
//! such a round waits with it (finding O19).
//!
//! **Invariant:** the log never hears of it. How much room there is belongs to a moment and a machine, and replay does not
//! depend on it.

use strait_payment::Verdict;
use strait_wire::{CancelReason, Operation, Propose};

use crate::answer::CommandError;
use crate::engine::Engine;

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

impl Engine {
    /// How much room there is was measured.
    pub(crate) const fn handle_disk(&mut self, room: DiskRoom) {
        self.disk = room;
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

    /// True if a peer's proposal would begin a round for which there is no room.
    pub(crate) fn has_no_room_for(&self, propose: &Propose) -> bool {
        if self.disk == DiskRoom::Ample {
            return false;
        }
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
