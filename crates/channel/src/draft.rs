//! What a round about to be proposed holds: as many waiting requests as fit, each whole or not at all.

use strait_primitives::CommitmentNumber;
use strait_wire::limits::{OPERATIONS_BYTES_MAX, OPERATIONS_MAX};
use strait_wire::{Operation, Operations};

use crate::Request;
use crate::channel::Channel;
use crate::decision::{Decision, Moment, Notice, RequestError};
use crate::event::CarriedRequest;
use crate::ledger::{ContractChange, Contracts, Ledger, LedgerError, RoundContext};
use crate::state::Live;

/// What a round about to be proposed holds. Without requests it is empty, whatever was tried.
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
        sketch.finish(live)
    }
}

impl Sketch<'_> {
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

    fn finish(self, live: &Live) -> Draft {
        if self.requests.is_empty() {
            let ledger = live.rounds.ledger.clone();
            let (operations, requests, contracts) = (Operations::default(), Vec::new(), Vec::new());
            return Draft { operations, requests, contracts, ledger };
        }
        Draft {
            operations: Operations::new(self.operations).expect("the sketch kept to the limits"),
            requests: self.requests,
            contracts: self.ctx.into_changes(),
            ledger: self.ledger,
        }
    }
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
