//! What a round about to be proposed holds: as many waiting requests as fit, each whole or not at all.

use std::borrow::Cow;

use strait_primitives::{BlockHeight, CommitmentNumber, Party, PaymentHash};
use strait_signer::ChannelSigner;
use strait_wire::limits::{OPERATIONS_BYTES_MAX, OPERATIONS_MAX};
use strait_wire::{Operation, Operations};

use crate::Request;
use crate::agreement::opened;
use crate::channel::Channel;
use crate::decision::{Decision, Moment, Notice, RequestError, TipStanding};
use crate::event::CarriedRequest;
use crate::ledger::{ContractChange, Contracts, Ledger, RoundContext};
use crate::limits::AGREEMENT_MARGIN;
use crate::round::after;
use crate::state::Live;

/// What a round about to be proposed holds. Without requests it only settles locks, whatever was tried.
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
    live: &'a Live,
    signer: &'a ChannelSigner,
    ledger: Ledger,
    operations: Vec<Operation>,
    bytes: usize,
    requests: Vec<CarriedRequest>,
    /// Locks are settled in it: whatever does not fit beside that waits.
    settles: bool,
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
        let Self { state, volatile, signer, .. } = self;
        let signer = &*signer;
        let live = state.live().expect("the caller has checked that the channel lives");
        let rules = live.setup.rules();
        let contracts = Contracts::Run(moment.contracts);
        let party = live.setup.party;
        let begin = || Sketch {
            ctx: RoundContext::new(&rules, party, number, &live.agreements, contracts)
                .at(moment.tip.saturating_add(AGREEMENT_MARGIN)),
            live,
            signer,
            ledger: live.rounds.ledger.clone(),
            operations: Vec::new(),
            bytes: 0,
            requests: Vec::new(),
            settles: false,
        };
        let mut sketch = begin();
        sketch.settle_locks(moment.settlements);
        sketch.raise_height(volatile.queue.iter(), moment);
        while let Some(request) = volatile.queue.front() {
            if !sketch.has_room(request) {
                if sketch.settles || !sketch.requests.is_empty() {
                    break;
                }
                // A request that fills a round by itself leaves no room for the height.
                sketch = begin();
            }
            let request = volatile.queue.pop_front().expect("the front was just seen");
            volatile.queued_operations -= request.operations.as_slice().len();
            if let Err(reason) = sketch.add(&request, moment) {
                out.notice(Notice::Refused { request: request.carried(), reason });
            }
        }
        if sketch.requests.is_empty() {
            // What was there for the requests alone goes with them.
            sketch = begin();
            sketch.settle_locks(moment.settlements);
        }
        sketch.finish()
    }

    /// True for a hash whose secret a side of this channel will show: no lock may hang on it (protocol section 4).
    #[must_use]
    pub fn is_revocation_hash(&self, hash: &PaymentHash) -> bool {
        self.state.live().is_some_and(|live| live.is_revocation_hash(&self.signer, hash))
    }
}

impl Live {
    /// As [`Channel::is_revocation_hash`]: the hashes that the peer has shown, and this node's own of the last number, of
    /// this one, of the next, and of the one that the next round shows.
    fn is_revocation_hash(&self, signer: &ChannelSigner, hash: &PaymentHash) -> bool {
        let number = self.rounds.number;
        let next = after(number);
        let own = [number.previous(), Some(number), Some(next), next.next()];
        let own = own.into_iter().flatten().map(|number| signer.revocation_hash(number));
        own.chain(self.rounds.counterparty_hashes).any(|shown| shown.as_bytes() == hash.as_bytes())
    }
}

impl Sketch<'_> {
    /// Claims and gives back what the peer has locked. It follows from what this node knows of its locks, and not from
    /// requests, so that no crash and no full queue leaves a lock standing.
    fn settle_locks(&mut self, settlements: &[Operation]) {
        for operation in settlements {
            if !is_due(operation, &self.ledger, self.ctx.proposer) {
                continue;
            }
            self.ledger.apply_all(core::slice::from_ref(operation), &mut self.ctx).expect(
                "a live lock of the other party may be cancelled, or claimed with its preimage",
            );
            self.bytes += operation.encoded_len_max();
            self.operations.push(operation.clone());
            self.settles = true;
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

    /// Numbers the request's locks, and takes it in if the ledger allows it.
    fn add(&mut self, request: &Request, moment: &Moment<'_>) -> Result<(), RequestError> {
        match (moment.tip_standing, opened(&request.operations).next()) {
            (TipStanding::Stale, Some(contract)) => {
                return Err(RequestError::TipStale { contract });
            }
            (TipStanding::Stale, None) | (TipStanding::Current, _) => {}
        }
        let list = self.numbered(request.operations.as_slice(), moment.tip)?;
        self.ledger.apply_all(&list, &mut self.ctx).map_err(RequestError::Ledger)?;
        self.bytes += encoded_len_max(&list);
        self.operations.extend_from_slice(&list);
        self.requests.push(request.carried());
        Ok(())
    }

    /// A lock gets its number here: whoever asked for it cannot know which is next. One that has expired while it waited
    /// would only make this node close; and a peer that chooses a lock's hash could choose one of its own revocation
    /// hashes, whose preimage is then a secret of the channel.
    fn numbered<'l>(
        &self,
        list: &'l [Operation],
        tip: BlockHeight,
    ) -> Result<Cow<'l, [Operation]>, RequestError> {
        if !list.iter().any(|operation| matches!(operation, Operation::AddLock { .. })) {
            return Ok(list.into());
        }
        let mut numbers = self.ledger.next_locks(self.ctx.proposer);
        let mut list = list.to_vec();
        for operation in &mut list {
            if let Operation::AddLock { lock, expiry, payment_hash, .. } = operation {
                if *expiry <= tip {
                    return Err(RequestError::LockExpired { expiry: *expiry, tip });
                }
                if self.live.is_revocation_hash(self.signer, payment_hash) {
                    return Err(RequestError::RevocationHash { payment_hash: *payment_hash });
                }
                *lock = numbers.next().expect("a channel has fewer than 2^64 locks");
            }
        }
        Ok(list.into())
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

/// True if an operation settles a lock that the other party has offered and that is there.
pub(crate) fn is_due(operation: &Operation, ledger: &Ledger, own: Party) -> bool {
    match operation {
        Operation::ClaimLock { lock, .. } | Operation::CancelLock { lock, .. } => {
            ledger.lock(!own, *lock).is_some()
        }
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => false,
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
