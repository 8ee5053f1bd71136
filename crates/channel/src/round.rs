//! A round: from the agreed number n to n+1 (protocol section 6).
//!
//! ```text
//! proposer                                             receiver
//! poll_round ── Proposed ──▶ Propose ───────────────▶ handle_propose ── Accepted
//! handle_accept ◀──────────────────────── Accept ◀──┘
//!   └─ Revoked ──▶ Finalize (and the next Propose) ──▶ handle_finalize ── Finalized
//! ```
//!
//! Each arrow leaves only after the event before it is saved. One signature and one verification on each side, whatever
//! the number of operations.

use strait_primitives::{CommitmentNumber, RevocationSecret, Side};
use strait_wire::limits::{OPERATIONS_BYTES_MAX, OPERATIONS_MAX};
use strait_wire::{Accept, Finalize, Operation, Operations, Propose, RequestTurn, TurnMove, TurnWish};

use crate::channel::{Channel, Link, reads_height};
use crate::commitments::Content;
use crate::decision::{Decision, Moment, Notice, Reaction, RequestError, Violation};
use crate::event::{CarriedRequest, ChannelEvent};
use crate::ledger::{ContractChange, Contracts, Ledger, LedgerError, RoundContext};
use crate::state::{Funded, Live, Outstanding};

/// What a round about to be proposed holds.
struct Draft {
    operations: Vec<Operation>,
    bytes: usize,
    requests: Vec<CarriedRequest>,
    ledger: Ledger,
}

impl Channel {
    /// Proposes a round if there is something to propose and the turn is here; else asks for the turn.
    pub(crate) fn poll_round(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let live = self.live();
        if !live.is_running() || !live.is_deep(moment.tip) || live.rounds.outstanding.is_some() {
            return;
        }
        match live.rounds.turn {
            Side::Counterparty => self.ask_for_turn(out),
            Side::Holder if self.volatile.queue.is_empty() && !self.volatile.peer_wants_turn => {}
            Side::Holder => self.propose(moment, out),
        }
    }

    fn ask_for_turn(&mut self, out: &mut Decision) {
        if self.wants_turn() == TurnWish::Wanted && !self.volatile.asked_for_turn {
            self.volatile.asked_for_turn = true;
            out.send(RequestTurn { channel: self.id(), number: self.live().rounds.number });
        }
    }

    fn wants_turn(&self) -> TurnWish {
        if self.volatile.queue.is_empty() && !self.volatile.close_wanted {
            TurnWish::Content
        } else {
            TurnWish::Wanted
        }
    }

    fn propose(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let live = self.live();
        let number = live.rounds.number.next().expect("a channel ends before its numbers do");
        let (draft, contracts) = self.draft(number, moment, out);
        if draft.operations.is_empty() && !self.volatile.peer_wants_turn {
            return;
        }
        let operations = Operations::new(draft.operations).expect("the draft kept to the limits");
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let live = self.live();
        let [_, hash] = live.rounds.counterparty_hashes;
        let content = Content { number, hash, ledger: &draft.ledger };
        let signed =
            commitments.sign_counterparty(&live.setup, &live.signing, &self.signer, content);
        let signature = signed.signature;
        let event = ChannelEvent::Proposed {
            number,
            operations: operations.clone(),
            contracts,
            requests: draft.requests,
            signature: signed,
        };
        self.record(event, out);
        self.volatile.waiting_since = Some(moment.now);
        out.send(Propose { channel: self.id(), number, operations, signature });
    }

    /// Takes from the queue what fits one round. A request that the ledger does not allow is refused, whole.
    fn draft(
        &mut self,
        number: CommitmentNumber,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> (Draft, Vec<ContractChange>) {
        let Self { state, volatile, .. } = self;
        let live = state.live().expect("the caller has checked that the channel lives");
        let rules = live.setup.rules();
        let mut ctx = live.round_context(&rules, Side::Holder, number, moment);
        let mut draft = Draft {
            operations: Vec::new(),
            bytes: 0,
            requests: Vec::new(),
            ledger: live.rounds.ledger.clone(),
        };
        draft.raise_height(volatile.queue.iter(), moment, &mut ctx);
        while let Some(request) = volatile.queue.front() {
            let list = request.operations.as_slice();
            let bytes: usize = list.iter().map(Operation::encoded_len_max).sum();
            if draft.operations.len() + list.len() > OPERATIONS_MAX
                || draft.bytes + bytes > OPERATIONS_BYTES_MAX
            {
                break;
            }
            let request = volatile.queue.pop_front().expect("the front was just seen");
            volatile.queued_operations -= list_len(&request);
            let carried = request.carried();
            match draft.ledger.apply_all(request.operations.as_slice(), &mut ctx) {
                Ok(()) => {
                    draft.operations.extend_from_slice(request.operations.as_slice());
                    draft.bytes += bytes;
                    draft.requests.push(carried);
                }
                Err(error) => {
                    let reason = RequestError::Ledger(error);
                    out.notice(Notice::Refused { request: carried, reason });
                }
            }
        }
        (draft, ctx.into_changes())
    }

    /// A proposal has come. Held back, unanswered, while the funding output is not deep enough or the proposal names a
    /// height this node has not seen.
    pub(crate) fn handle_propose(
        &mut self,
        propose: Propose,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_up("Propose")?;
        if self.is_repeated(&propose)? {
            self.resend_accept(out);
            return Ok(());
        }
        if !live.is_running() {
            return Err(unexpected("Propose", "closing"));
        }
        if live.rounds.turn != Side::Counterparty || live.rounds.outstanding.is_some() {
            return Err(unexpected("Propose", live.round_name()));
        }
        let expected = live.rounds.number.next().expect("a channel ends before its numbers do");
        if propose.number != expected {
            return Err(Violation::Number { actual: propose.number, expected }.into());
        }
        if !live.is_deep(moment.tip) || names_later_height(&propose, moment) {
            self.volatile.held = Some(propose);
            return Ok(());
        }
        self.accept(propose, moment, out)
    }

    fn accept(
        &mut self,
        propose: Propose,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let Propose { channel: _, number, operations, signature: holder_signature } = propose;
        let live = self.live();
        let rules = live.setup.rules();
        let mut ctx = live.round_context(&rules, Side::Counterparty, number, moment);
        let mut ledger = live.rounds.ledger.clone();
        ledger.apply_all(operations.as_slice(), &mut ctx).map_err(ledger_reaction)?;
        let contracts = ctx.into_changes();
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let own = Content { number, hash: self.signer.revocation_hash(number), ledger: &ledger };
        if !commitments.verify_holder(&live.setup, own, &holder_signature) {
            return Err(Violation::Signature { number }.into());
        }
        let [_, hash] = live.rounds.counterparty_hashes;
        let theirs = Content { number, hash, ledger: &ledger };
        let counterparty_signature =
            commitments.sign_counterparty(&live.setup, &live.signing, &self.signer, theirs);
        let turn = self.wants_turn();
        let event = ChannelEvent::Accepted {
            number,
            operations,
            contracts,
            holder_signature,
            counterparty_signature,
            turn,
        };
        self.record(event, out);
        self.volatile.waiting_since = Some(moment.now);
        self.resend_accept(out);
        Ok(())
    }

    /// Says again what this node answered to the proposal it has accepted: the same bytes each time.
    pub(crate) fn resend_accept(&mut self, out: &mut Decision) {
        let live = self.live();
        let Some(Outstanding::Accepted { signature, turn, .. }) = &live.rounds.outstanding else {
            panic!("only an accepted proposal is answered");
        };
        let (signature, turn) = (*signature, *turn);
        let number = live.rounds.number;
        let secret = self.release(number);
        let next_hash = self.signer.revocation_hash(after(number));
        out.send(Accept { channel: self.id(), number, signature, secret, next_hash, turn });
    }

    /// The secret of the commitment before `number`.
    ///
    /// # Panics
    /// Unless this node holds the counterparty's signature on `number`: it would be left with nothing to enforce.
    fn release(&self, number: CommitmentNumber) -> RevocationSecret {
        let live = self.live();
        assert_eq!(live.rounds.number, number, "a secret is released for a held commitment only");
        self.signer
            .release_secret(&live.signing, before(number))
            .expect("a newer commitment is held and none is published")
    }

    /// The peer has accepted: this node revokes its own commitment before, and the payments are irrevocable.
    pub(crate) fn handle_accept(
        &mut self,
        accept: &Accept,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_up("Accept")?;
        let Some(Outstanding::Proposed { number, ledger, requests, .. }) = &live.rounds.outstanding
        else {
            return Err(unexpected("Accept", live.round_name()));
        };
        let number = *number;
        if accept.number != number {
            return Err(Violation::Number { actual: accept.number, expected: number }.into());
        }
        self.check_secret(live, number, &accept.secret)?;
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let own = Content { number, hash: self.signer.revocation_hash(number), ledger };
        if !commitments.verify_holder(&live.setup, own, &accept.signature) {
            return Err(Violation::Signature { number }.into());
        }
        let requests = requests.clone();
        let yields = accept.turn == TurnWish::Wanted || self.volatile.peer_wants_turn;
        let turn = if yields { TurnMove::Yield } else { TurnMove::Keep };
        let event = ChannelEvent::Revoked {
            number,
            holder_signature: accept.signature,
            secret: accept.secret,
            next_hash: accept.next_hash,
            turn,
        };
        self.record(event, out);
        self.answered();
        self.volatile.peer_wants_turn = false;
        self.volatile.asked_for_turn = false;
        self.resend_finalize(out);
        out.notice(Notice::Irrevocable { number, requests });
        Ok(())
    }

    /// Says again how this node ended its last round: the same bytes each time.
    pub(crate) fn resend_finalize(&mut self, out: &mut Decision) {
        let Some((number, turn)) = self.live().rounds.last_finalize else {
            panic!("only a round that was proposed here is finalized here");
        };
        let secret = self.release(number);
        let next_hash = self.signer.revocation_hash(after(number));
        out.send(Finalize { channel: self.id(), number, secret, next_hash, turn });
    }

    /// The proposer has revoked: the round is over and its payments may be reported.
    pub(crate) fn handle_finalize(
        &mut self,
        finalize: &Finalize,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_up("Finalize")?;
        let Some(Outstanding::Accepted { operations, turn, .. }) = &live.rounds.outstanding else {
            return Err(unexpected("Finalize", live.round_name()));
        };
        let number = live.rounds.number;
        if finalize.number != number {
            return Err(Violation::Number { actual: finalize.number, expected: number }.into());
        }
        self.check_secret(live, number, &finalize.secret)?;
        if *turn == TurnWish::Wanted && finalize.turn == TurnMove::Keep {
            return Err(Violation::TurnKept.into());
        }
        let operations = operations.clone();
        let event = ChannelEvent::Finalized {
            number,
            secret: finalize.secret,
            next_hash: finalize.next_hash,
            turn: finalize.turn,
        };
        self.record(event, out);
        self.answered();
        self.volatile.asked_for_turn = false;
        out.notice(Notice::Received { number, operations });
        Ok(())
    }

    /// The peer would like to propose.
    pub(crate) fn handle_request_turn(&mut self, _: &RequestTurn) -> Result<(), Reaction> {
        let live = self.expect_up("RequestTurn")?;
        // A request that crossed with the end of a round may come late; it then asks for what the peer has.
        if live.rounds.turn == Side::Holder {
            self.volatile.peer_wants_turn = true;
        }
        Ok(())
    }

    /// A secret must open the hash that was shown, and fit all secrets before.
    fn check_secret(
        &self,
        live: &Live,
        number: CommitmentNumber,
        secret: &RevocationSecret,
    ) -> Result<(), Reaction> {
        let revoked = before(number);
        let [shown, _] = live.rounds.counterparty_hashes;
        let mut secrets = live.rounds.secrets.clone();
        secrets
            .insert(revoked, *secret, &shown)
            .map_err(|_| Violation::Secret { number: revoked }.into())
    }

    /// The live part, if the connection has got so far that rounds may run.
    pub(crate) fn expect_up(&self, message: &'static str) -> Result<&Live, Reaction> {
        match self.state.live() {
            Some(live) if self.volatile.link == Link::Up => Ok(live),
            Some(_) => Err(unexpected(message, "not re-established")),
            None => Err(unexpected(message, self.state.phase.name())),
        }
    }

    /// True if this very proposal has been accepted already.
    fn is_repeated(&self, propose: &Propose) -> Result<bool, Reaction> {
        let rounds = &self.live().rounds;
        let Some(Outstanding::Accepted { operations, .. }) = &rounds.outstanding else {
            return Ok(false);
        };
        if propose.number != rounds.number {
            return Ok(false);
        }
        if *operations == propose.operations && rounds.holder_signature == propose.signature {
            Ok(true)
        } else {
            Err(Violation::Changed { message: "Propose" }.into())
        }
    }
}

impl Draft {
    /// Brings the ledger up to the tip before the first action that may read its height.
    fn raise_height<'a>(
        &mut self,
        queue: impl Iterator<Item = &'a crate::Request>,
        moment: &Moment<'_>,
        ctx: &mut RoundContext<'_>,
    ) {
        let mut waiting = queue.flat_map(|request| request.operations.as_slice());
        if moment.tip <= self.ledger.height() || !waiting.any(reads_height) {
            return;
        }
        let raise = Operation::RaiseHeight { height: moment.tip };
        self.ledger
            .apply_all(core::slice::from_ref(&raise), ctx)
            .expect("a height above the ledger's own may be set");
        self.bytes += raise.encoded_len_max();
        self.operations.push(raise);
    }
}

impl Live {
    /// True if the funding output is as deep as this node demands.
    #[must_use]
    pub fn is_deep(&self, tip: strait_primitives::BlockHeight) -> bool {
        match self.funded {
            Funded::Waiting | Funded::Spent { .. } => false,
            Funded::Mined(height) => height.depth_at(tip) >= self.setup.depth(),
        }
    }

    fn round_context<'a>(
        &'a self,
        rules: &'a crate::Rules,
        proposer: Side,
        number: CommitmentNumber,
        moment: &Moment<'a>,
    ) -> RoundContext<'a> {
        RoundContext {
            rules,
            proposer: self.setup.party.on(proposer),
            number,
            agreements: &self.agreements,
            contracts: Contracts::Run(moment.contracts),
            used: Default::default(),
            changes: Default::default(),
        }
    }
}

fn list_len(request: &crate::Request) -> usize {
    request.operations.as_slice().len()
}

/// A node whose tip is behind waits for the block instead of calling a higher ledger height wrong.
fn names_later_height(propose: &Propose, moment: &Moment<'_>) -> bool {
    propose.operations.as_slice().iter().any(
        |operation| matches!(operation, Operation::RaiseHeight { height } if *height > moment.tip),
    )
}

/// A peer's operation that the ledger refuses is a violation; one that this node cannot judge is not.
fn ledger_reaction(error: LedgerError) -> Reaction {
    if matches!(error, LedgerError::LocalFault { .. }) {
        Reaction::Retry(error)
    } else {
        Violation::Ledger(error).into()
    }
}

pub(crate) fn unexpected(message: &'static str, state: &'static str) -> Reaction {
    Violation::Unexpected { message, state }.into()
}

fn before(number: CommitmentNumber) -> CommitmentNumber {
    number.previous().expect("a round leads to at least one")
}

fn after(number: CommitmentNumber) -> CommitmentNumber {
    number.next().expect("a channel ends before its numbers do")
}

/// What a side shows ahead of a secret.
pub(crate) fn secret_hash(secret: &RevocationSecret) -> strait_primitives::RevocationHash {
    use bitcoin::hashes::{Hash, sha256};
    strait_primitives::RevocationHash::from_bytes(
        sha256::Hash::hash(secret.as_bytes()).to_byte_array(),
    )
}
