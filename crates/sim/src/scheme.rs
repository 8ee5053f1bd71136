//! Proposals that their proposer's own engine would never make, signed as if it had: what a node can do that has its seed
//! and has thrown its rules away. Nothing but the victim's own rules stands in the way.
//!
//! A scheme says one thing, and is signed over what a victim who did not look would make of it. The node's engine knows
//! nothing of it: whatever the victim answers, the channel does not outlive a scheme, unless the ledger comes out as the
//! engine had it.

use strait_channel::{
    Commitments, Contracts, Ledger, LedgerError, Live, Outstanding, RoundContext, Rules,
};
use strait_contract::ScriptedRuntime;
use strait_primitives::{
    BlockDelta, BlockHeight, CommitmentNumber, Digest, LockId, MilliSats, Party, PaymentHash,
    Preimage,
};
use strait_signer::{SigningEvent, SigningState};
use strait_wire::{Operation, Operations, Propose, Reference, Route};

use crate::choices::Choices;
use crate::host::Host;

/// Locks that are added where more stand than may.
const LOCKS: u64 = 40;
/// Locks of commitments, however little their owner minds.
const LOCKS_MAX: u16 = 90;

/// What a scheme tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// To pay more than there is.
    Overdraw,
    /// To pay what has to stay.
    Reserve,
    /// To take a lock without its preimage.
    Claim,
    /// To take an own lock back.
    TakeBack,
    /// To offer a lock that is too small, or ends when none may.
    OddLock,
    /// To offer more locks than may stand.
    ManyLocks,
    /// To have a lock passed on for more than is in it. The ledger looks at no route: the round may come to its end.
    Route,
    /// To name a block that nobody has seen.
    Height,
}

const AIMS: [Aim; 8] = [
    Aim::Overdraw,
    Aim::Reserve,
    Aim::Claim,
    Aim::TakeBack,
    Aim::OddLock,
    Aim::ManyLocks,
    Aim::Route,
    Aim::Height,
];

/// A proposal in the making.
struct Scheme<'a> {
    live: &'a Live,
    own: Party,
    tip: BlockHeight,
    /// The ledger as a victim who did not look would have it.
    ledger: Ledger,
    said: Vec<Operation>,
}

/// Another proposal in the place of this one; none if there is nothing to be had.
pub(crate) fn scheme(host: &Host, proposal: &Propose, choices: &mut Choices) -> Option<Propose> {
    let state = host.durable.state.channels.get(&proposal.channel)?;
    let live = state.live()?;
    let Some(Outstanding::Proposed { number, .. }) = &live.rounds.outstanding else { return None };
    if *number != proposal.number {
        return None;
    }
    let tip = host.durable.state.book.tip()?.height;
    let own = live.setup.party;
    let wanted = *choices.pick(&AIMS);
    // Not every aim is to be had at any time.
    let scheme = core::iter::once(&wanted).chain(&AIMS).find_map(|aim| {
        let ledger = live.rounds.ledger.clone();
        let mut scheme = Scheme { live, own, tip, ledger, said: Vec::new() };
        scheme.plot(*aim, proposal, choices).map(|()| scheme)
    })?;
    let operations = Operations::new(scheme.said).ok()?;
    let commitments = Commitments::new(&live.setup).ok()?;
    let [_, hash] = live.rounds.counterparty_hashes;
    let counterparty = strait_primitives::Side::Counterparty;
    let commitment = commitments.build(counterparty, &live.setup, *number, hash, &scheme.ledger);
    let signer = host.identity.seed().channel_signer(&state.salt);
    let context = commitments.of(counterparty);
    let signed =
        signer.sign_counterparty_commitment(&forgetful(*number), context, &commitment).ok()?;
    Some(Propose { operations, signature: signed.signature, ..proposal.clone() })
}

/// The rules of signing as a store has them that has gone through all rounds before this one, and no other.
fn forgetful(number: CommitmentNumber) -> SigningState {
    let mut state = SigningState::new();
    let mut next = Some(CommitmentNumber::FIRST);
    while let Some(signed) = next.filter(|signed| *signed < number) {
        let digest = Digest::from_bytes([0; 32]);
        state.apply(SigningEvent::CounterpartySigned { number: signed, digest });
        state.apply(SigningEvent::HolderVerified { number: signed });
        if let Some(revoked) = signed.previous() {
            state.apply(SigningEvent::CounterpartyRevoked { number: revoked });
        }
        next = signed.next();
    }
    state
}

/// The same operations, with a lock that is to be passed on for as much as is in it, or for as long.
fn rerouted(proposal: &Propose, choices: &mut Choices) -> Option<Vec<Operation>> {
    let mut operations = proposal.operations.as_slice().to_vec();
    let mut found = None;
    for operation in &mut operations {
        let Operation::AddLock { amount, expiry, route, .. } = operation else { continue };
        let mut hops = route.hops().to_vec();
        let Some(hop) = hops.first_mut() else { continue };
        if choices.chance(500) {
            hop.amount = *amount;
        } else {
            hop.expiry = *expiry;
        }
        *route = Route::new(hops)?;
        found = Some(());
    }
    found.map(|()| operations)
}

impl Scheme<'_> {
    fn plot(&mut self, aim: Aim, proposal: &Propose, choices: &mut Choices) -> Option<()> {
        match aim {
            Aim::Overdraw => {
                let balance = self.ledger.balance(self.own);
                let more = MilliSats::new(choices.between(1, 1_000_000_000)).ok()?;
                self.say(pay(balance.checked_add(more)?));
            }
            Aim::Reserve => {
                let operation = pay(self.ledger.balance(self.own));
                self.mean(self.own, &operation)?;
                self.say(operation);
            }
            Aim::Claim => {
                let (lock, amount) = self.lock_of(!self.own)?;
                let reason = strait_wire::CancelReason::Declined;
                // To the ledger a claim is a lock given back, and its amount paid.
                self.mean(self.own, &Operation::CancelLock { lock, reason })?;
                self.mean(!self.own, &pay(amount))?;
                let mut preimage = [0; 32];
                preimage.fill(u8::try_from(choices.below(256)).expect("a byte"));
                self.say(Operation::ClaimLock { lock, preimage: Preimage::from_bytes(preimage) });
            }
            Aim::TakeBack => {
                let (lock, _) = self.lock_of(self.own)?;
                let operation =
                    Operation::CancelLock { lock, reason: strait_wire::CancelReason::Declined };
                self.mean(!self.own, &operation)?;
                self.say(operation);
            }
            Aim::OddLock => self.odd_lock(choices)?,
            Aim::ManyLocks => {
                let parameters = &self.live.setup.parameters;
                let amount = parameters.opener.lock_min.max(parameters.acceptor.lock_min);
                let expiry = self.tip.saturating_add(BlockDelta::new(300));
                for _ in 0..LOCKS {
                    self.offer(amount, expiry)?;
                }
            }
            Aim::Height => {
                let ahead = u32::try_from(choices.between(1, 100)).expect("a few blocks");
                let height = self.tip.saturating_add(BlockDelta::new(ahead));
                let operation = Operation::RaiseHeight { height };
                self.mean(self.own, &operation)?;
                self.say(operation);
            }
            Aim::Route => {
                for operation in proposal.operations.as_slice() {
                    self.mean(self.own, operation)?;
                }
                self.said = rerouted(proposal, choices)?;
            }
        }
        Some(())
    }

    fn odd_lock(&mut self, choices: &mut Choices) -> Option<()> {
        let height = self.tip.max(self.ledger.height());
        let soon = height.saturating_add(BlockDelta::new(300));
        if choices.chance(700) {
            let msat = *choices.pick(&[1, 1_000, 999_000]);
            return self.offer(MilliSats::new(msat).ok()?, soon);
        }
        let far = u32::try_from(choices.between(2_100, 3_000)).expect("a month");
        let far = height.saturating_add(BlockDelta::new(far));
        let amount = self.live.setup.parameters.opener.lock_min;
        // The bound on expiries goes by the ledger's height, which stands in no commitment.
        let height = far.saturating_sub(BlockDelta::new(300));
        self.mean(self.own, &Operation::RaiseHeight { height })?;
        self.offer(amount, far)
    }

    /// Adds a lock, in word and in meaning.
    fn offer(&mut self, amount: MilliSats, expiry: BlockHeight) -> Option<()> {
        let lock = self.next_lock(amount, expiry)?;
        let operation = added(lock, amount, expiry);
        self.mean(self.own, &operation)?;
        self.say(operation);
        Some(())
    }

    /// The number of the next lock: a ledger that is asked for another says so.
    fn next_lock(&self, amount: MilliSats, expiry: BlockHeight) -> Option<LockId> {
        let mut copy = self.ledger.clone();
        let guess = LockId(u64::MAX);
        match apply(&mut copy, self.live, self.own, &added(guess, amount, expiry)) {
            Err(LedgerError::LockNumber { expected, .. }) => Some(expected),
            Ok(()) | Err(_) => None,
        }
    }

    fn lock_of(&self, offerer: Party) -> Option<(LockId, MilliSats)> {
        let mut locks = self.ledger.locks().filter(|(by, ..)| *by == offerer);
        locks.next().map(|(_, id, lock)| (id, lock.amount))
    }

    fn say(&mut self, operation: Operation) {
        self.said.push(operation);
    }

    /// What the ledger would be if `party` had proposed this, and nobody minded.
    fn mean(&mut self, party: Party, operation: &Operation) -> Option<()> {
        apply(&mut self.ledger, self.live, party, operation).ok()
    }
}

/// Applies an operation by rules that allow whatever a commitment can show.
fn apply(
    ledger: &mut Ledger,
    live: &Live,
    proposer: Party,
    operation: &Operation,
) -> Result<(), LedgerError> {
    let rules = Rules {
        reserve: MilliSats::ZERO,
        locks_max: LOCKS_MAX,
        lock_min: MilliSats::from_const(1),
        dust_exposure_max: MilliSats::MAX,
        contract_locks_max: 0,
    };
    let runtime = ScriptedRuntime::with_purse();
    let (number, contracts) = (live.rounds.number, Contracts::Run(&runtime));
    let mut ctx = RoundContext::new(&rules, proposer, number, &live.agreements, contracts);
    ledger.apply_all(core::slice::from_ref(operation), &mut ctx)
}

fn pay(amount: MilliSats) -> Operation {
    Operation::Pay { amount, reference: Reference::default() }
}

fn added(lock: LockId, amount: MilliSats, expiry: BlockHeight) -> Operation {
    let payment_hash = PaymentHash::from_bytes([0x5c; 32]);
    Operation::AddLock { lock, amount, payment_hash, expiry, route: Route::default() }
}
