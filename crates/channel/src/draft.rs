//! What a round about to be proposed holds: as many waiting requests as fit, each whole or not at all.

use strait_primitives::{CommitmentNumber, LockId, Party};
use strait_wire::limits::{OPERATIONS_BYTES_MAX, OPERATIONS_MAX};
use strait_wire::{CancelReason, Operation, Operations};

use crate::Request;
use crate::channel::Channel;
use crate::decision::{Decision, Moment, Notice, OfferedLocks, RequestError};
use crate::event::CarriedRequest;
use crate::ledger::{ContractChange, Contracts, Ledger, LedgerError, RoundContext};

/// What a round about to be proposed holds. Without requests it only gives locks back, whatever was tried.
pub(crate) struct Draft {
    /// The operations: the node's own first, then those of the requests.
    pub(crate) operations: Operations,
    /// Whose they are, in order.
    pub(crate) requests: Vec<CarriedRequest>,
    /// What contracts answered.
    pub(crate) contracts: Vec<ContractChange>,
    /// Where it leads.
    pub(crate) ledger: Ledger,
}

/// A draft while it is written.
struct Sketch<'a> {
    ctx: RoundContext<'a>,
    ledger: Ledger,
    operations: Vec<Operation>,
    bytes: usize,
    requests: Vec<CarriedRequest>,
}

impl Channel {
    /// Takes from the queue what fits one round. A request that the ledger does not allow is refused, whole; so is one
    /// whose contract this node cannot run now: nothing of it was proposed, and its owner may ask again.
    pub(crate) fn draft(
        &mut self,
        number: CommitmentNumber,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Draft {
        let Self { state, volatile, .. } = self;
        let live = state.live().expect("the caller has checked that the channel lives");
        let rules = live.setup.rules();
        let contracts = Contracts::Run(moment.contracts);
        let party = live.setup.party;
        let begin = || Sketch {
            ctx: RoundContext::new(&rules, party, number, &live.agreements, contracts),
            ledger: live.rounds.ledger.clone(),
            operations: Vec::new(),
            bytes: 0,
            requests: Vec::new(),
        };
        let mut sketch = begin();
        sketch.return_locks(moment.offered_locks);
        sketch.raise_height(volatile.queue.iter(), moment);
        while let Some(request) = volatile.queue.front() {
            if !sketch.has_room(request) {
                if !sketch.requests.is_empty() {
                    break;
                }
                // A request that fills a round by itself leaves no room for the height.
                sketch = begin();
            }
            let request = volatile.queue.pop_front().expect("the front was just seen");
            volatile.queued_operations -= request.operations.as_slice().len();
            if let Err(error) = sketch.add(&request) {
                let reason = RequestError::Ledger(error);
                out.notice(Notice::Refused { request: request.carried(), reason });
            }
        }
        if sketch.requests.is_empty() {
            // What was there for the requests alone goes with them.
            sketch = begin();
            sketch.return_locks(moment.offered_locks);
        }
        sketch.finish()
    }
}

impl Sketch<'_> {
    /// Cancels what the peer has locked for nobody here. It follows from the ledger alone, so that no crash and no full
    /// queue leaves a lock standing.
    fn return_locks(&mut self, offered: OfferedLocks) {
        if offered == OfferedLocks::Held {
            return;
        }
        let ids: Vec<LockId> = offered_locks(&self.ledger, self.ctx.proposer).collect();
        for lock in ids {
            let cancel = Operation::CancelLock { lock, reason: CancelReason::Unknown };
            self.ledger
                .apply_all(core::slice::from_ref(&cancel), &mut self.ctx)
                .expect("a live lock of the other party may be cancelled");
            self.bytes += cancel.encoded_len_max();
            self.operations.push(cancel);
        }
    }

    /// Brings the ledger up to the tip before the first operation that its height decides about.
    fn raise_height<'q>(&mut self, queue: impl Iterator<Item = &'q Request>, moment: &Moment<'_>) {
        let mut waiting = queue.flat_map(|request| request.operations.as_slice());
        if moment.tip <= self.ledger.height() || !waiting.any(reads_height) {
            return;
        }
        let raise = Operation::RaiseHeight { height: moment.tip };
        self.ledger
            .apply_all(core::slice::from_ref(&raise), &mut self.ctx)
            .expect("a height above the ledger's own may be set");
        self.bytes += raise.encoded_len_max();
        self.operations.push(raise);
    }

    fn has_room(&self, request: &Request) -> bool {
        let list = request.operations.as_slice();
        self.operations.len() + list.len() <= OPERATIONS_MAX
            && self.bytes + encoded_len_max(list) <= OPERATIONS_BYTES_MAX
    }

    fn add(&mut self, request: &Request) -> Result<(), LedgerError> {
        let list = request.operations.as_slice();
        self.ledger.apply_all(list, &mut self.ctx)?;
        self.operations.extend_from_slice(list);
        self.bytes += encoded_len_max(list);
        self.requests.push(request.carried());
        Ok(())
    }

    fn finish(self) -> Draft {
        Draft {
            operations: Operations::new(self.operations).expect("the sketch kept to the limits"),
            requests: self.requests,
            contracts: self.ctx.into_changes(),
            ledger: self.ledger,
        }
    }
}

/// Locks that the other party has offered to this one.
pub(crate) fn offered_locks(ledger: &Ledger, own: Party) -> impl Iterator<Item = LockId> {
    ledger.locks().filter(move |(offerer, ..)| *offerer != own).map(|(_, id, _)| id)
}

/// An upper bound of what a list takes in a frame.
fn encoded_len_max(list: &[Operation]) -> usize {
    list.iter().map(Operation::encoded_len_max).sum()
}

/// True if the ledger's height decides about an operation: a contract's rules may read it, and it bounds the expiry of
/// locks, those that a contract begins with included.
const fn reads_height(operation: &Operation) -> bool {
    match operation {
        Operation::Act { .. } | Operation::AddLock { .. } | Operation::OpenContract { .. } => true,
        Operation::Pay { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::SettleContract { .. } => false,
    }
}
