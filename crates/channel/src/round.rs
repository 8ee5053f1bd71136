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

use strait_primitives::{BlockHeight, CommitmentNumber, RevocationSecret, Side};
use strait_wire::{
    Accept, FaultCode, Finalize, Note, Operation, Propose, RequestTurn, TurnMove, TurnWish,
};

use crate::channel::{Channel, Link};
use crate::commitments::Content;
use crate::decision::{ChannelEffect, Decision, Moment, Notice, Reaction, Violation};
use crate::draft::is_due;
use crate::event::ChannelEvent;
use crate::ledger::{Contracts, LedgerError, RoundContext};
use crate::limits::{AGREEMENT_GRACE, HEIGHT_LEAD_MAX, HELD_UNFUNDED_BYTES_MAX};
use crate::state::{Closing, Funded, Live, Outstanding};

impl Channel {
    /// Proposes a round if there is something to propose and the turn is here; else asks for the turn.
    pub(crate) fn poll_round(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let live = self.live();
        if !live.is_running() || !live.is_deep(moment.tip) || live.rounds.outstanding.is_some() {
            return;
        }
        match live.rounds.turn {
            Side::Counterparty => self.ask_for_turn(moment, out),
            Side::Holder => self.propose(moment, out),
        }
    }

    /// From here on the peer owes a round that yields the turn.
    fn ask_for_turn(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        if self.wants_turn(moment) == TurnWish::Wanted && !self.volatile.asked_for_turn {
            self.volatile.asked_for_turn = true;
            self.wait_on(moment.now);
            out.send(RequestTurn { channel: self.id(), number: self.live().rounds.number });
        }
    }

    fn wants_turn(&self, moment: &Moment<'_>) -> TurnWish {
        if self.has_to_propose(moment.settlements) { TurnWish::Wanted } else { TurnWish::Content }
    }

    /// True if a request waits here for the turn, or a close, or one of these claims and cancellations of locks. A close
    /// that something live still forbids does not: two nodes that both want it would hand the turn to and fro for ever.
    #[must_use]
    pub fn has_to_propose(&self, settlements: &[Operation]) -> bool {
        let Some(live) = self.state.live() else { return false };
        let may_close = self.volatile.close_wanted && live.rounds.ledger.is_plain();
        let (ledger, party) = (&live.rounds.ledger, live.setup.party);
        let settles = settlements.iter().any(|operation| is_due(operation, ledger, party));
        !self.volatile.queue.is_empty() || may_close || settles
    }

    fn propose(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let number = after(self.live().rounds.number);
        let draft = self.draft(number, moment, out);
        let is_empty = draft.requests.is_empty() && draft.operations.as_slice().is_empty();
        if is_empty && self.volatile.peer_wish == TurnWish::Content {
            return;
        }
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let live = self.live();
        let [_, hash] = live.rounds.counterparty_hashes;
        let contracts = draft.ledger.digest(&live.setup.nonce, number);
        let content = Content { number, hash, ledger: &draft.ledger, contracts };
        let signed =
            commitments.sign_counterparty(&live.setup, &live.signing, &self.signer, content);
        let signature = signed.signature;
        let operations = draft.operations;
        let event = ChannelEvent::Proposed {
            number,
            operations: operations.clone(),
            contracts: draft.contracts,
            requests: draft.requests,
            signature: signed,
        };
        self.record(event, out);
        let recorded = self.live().ledger_of(number);
        assert_eq!(recorded, Some(&draft.ledger), "what was signed is what the log leads to");
        self.wait_afresh(moment.now);
        out.send(Propose { channel: self.id(), number, operations, signature });
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
        match live.closing {
            Closing::Running => {}
            // What was under way when this node decided to close.
            Closing::Forced(_) => return Ok(()),
            Closing::ShuttingDown { .. } | Closing::Agreed { .. } | Closing::Lost => {
                return Err(unexpected("Propose", "closing"));
            }
        }
        if live.rounds.turn != Side::Counterparty || live.rounds.outstanding.is_some() {
            return Err(unexpected("Propose", live.round_name()));
        }
        let expected = after(live.rounds.number);
        if propose.number != expected {
            return Err(Violation::Number { actual: propose.number, expected }.into());
        }
        if self.volatile.held.as_ref().is_some_and(|held| *held != propose) {
            return Err(Violation::Changed { message: "Propose" }.into());
        }
        let height = highest(&propose);
        if !live.is_deep(moment.tip) || height > moment.tip {
            if live.funded == Funded::Waiting && is_bulky(&propose) {
                // A peer that knows of blocks before this node says it again; one that has paid for no channel gets no
                // memory for it.
                out.effects.push(ChannelEffect::Disconnect);
                return Ok(());
            }
            // It is this node that waits for blocks, unless the peer names one that nobody has.
            if height <= moment.tip.saturating_add(HEIGHT_LEAD_MAX) {
                self.pause_waiting(moment.now);
            }
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
        let agreements = live.agreements_named(&operations);
        let contracts = Contracts::Run(moment.contracts);
        let proposer = !live.setup.party;
        // What was proposed in time may have waited for a connection.
        let height = moment.tip.saturating_sub(AGREEMENT_GRACE);
        let mut ctx =
            RoundContext::new(&rules, proposer, number, &agreements, contracts).at(height);
        let mut ledger = live.rounds.ledger.clone();
        ledger.apply_all(operations.as_slice(), &mut ctx).map_err(ledger_reaction)?;
        let contracts = ctx.into_changes();
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let digest = ledger.digest(&live.setup.nonce, number);
        let hash = self.signer.revocation_hash(number);
        let own = Content { number, hash, ledger: &ledger, contracts: digest };
        if !commitments.verify_holder(&live.setup, own, &holder_signature) {
            return Err(Violation::Signature { number }.into());
        }
        let [_, hash] = live.rounds.counterparty_hashes;
        let theirs = Content { number, hash, ledger: &ledger, contracts: digest };
        let counterparty_signature =
            commitments.sign_counterparty(&live.setup, &live.signing, &self.signer, theirs);
        self.agree_by_round(&operations, out);
        let turn = self.wants_turn(moment);
        let event = ChannelEvent::Accepted {
            number,
            operations,
            contracts,
            holder_signature,
            counterparty_signature,
            turn,
        };
        self.record(event, out);
        let recorded = &self.live().rounds.ledger;
        assert_eq!(*recorded, ledger, "what was signed is what the log leads to");
        self.wait_afresh(moment.now);
        self.resend_accept(out);
        self.yield_to_contracts(out);
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
        let is_too_late = matches!(live.closing, Closing::Forced(_))
            || matches!(live.funded, Funded::Spent { .. });
        if is_too_late || live.knows(accept.number, &accept.secret) {
            // This node has given its last commitment to the chain, or the chain has settled the round: nothing is revoked
            // any more. Or it was heard before.
            return Ok(());
        }
        let Some(Outstanding::Proposed { number, ledger, requests, operations, .. }) =
            &live.rounds.outstanding
        else {
            return Err(unexpected("Accept", live.round_name()));
        };
        let (number, operations) = (*number, operations.as_slice().len());
        if accept.number != number {
            return Err(Violation::Number { actual: accept.number, expected: number }.into());
        }
        self.check_secret(live, number, &accept.secret)?;
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let hash = self.signer.revocation_hash(number);
        let contracts = ledger.digest(&live.setup.nonce, number);
        let own = Content { number, hash, ledger, contracts };
        if !commitments.verify_holder(&live.setup, own, &accept.signature) {
            return Err(Violation::Signature { number }.into());
        }
        let requests = requests.clone();
        let turn = match (accept.turn, self.volatile.peer_wish) {
            (TurnWish::Content, TurnWish::Content) => TurnMove::Keep,
            (TurnWish::Wanted, _) | (_, TurnWish::Wanted) => TurnMove::Yield,
        };
        let event = ChannelEvent::Revoked {
            number,
            holder_signature: accept.signature,
            secret: accept.secret,
            next_hash: accept.next_hash,
            turn,
        };
        self.record(event, out);
        self.answered();
        self.volatile.peer_wish = TurnWish::Content;
        self.volatile.asked_for_turn = false;
        self.resend_finalize(out);
        out.notice(Notice::Irrevocable { number, operations, requests });
        self.yield_to_contracts(out);
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
        if matches!(live.funded, Funded::Spent { .. })
            || live.knows(finalize.number, &finalize.secret)
        {
            // The chain has settled the round, with it or without it: a secret that comes now may come too late to punish
            // anything with, and must give nothing back upstream. Or it was heard before.
            return Ok(());
        }
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
            self.volatile.peer_wish = TurnWish::Wanted;
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

    /// The live part, if the connection has got so far that rounds may run. A message outside that is left over from
    /// another connection or hostile; it moves nothing, and no channel is worth closing for it. One that is quarantined
    /// takes part in nothing any more, for it would sign what it has signed otherwise before.
    pub(crate) fn expect_up(&self, message: &'static str) -> Result<&Live, Reaction> {
        match self.state.live() {
            Some(live) if self.volatile.link == Link::Up && !live.is_quarantined() => Ok(live),
            Some(_) => Err(out_of_place(message)),
            None => Err(unexpected(message, self.state.phase.name())),
        }
    }

    /// The live part, if a close may be agreed: as [`Self::expect_up`], or where one of the two stores is not whole.
    pub(crate) fn expect_closing(&self, message: &'static str) -> Result<&Live, Reaction> {
        match self.state.live() {
            Some(live)
                if self.volatile.link == Link::Restoring && live.closing != Closing::Lost =>
            {
                Ok(live)
            }
            Some(_) | None => self.expect_up(message),
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

impl Live {
    /// True if the round to this number has brought this very secret already. Where a disk is slow, what was decided for one
    /// connection leaves on the next, and is said again there: that moves nothing and is nobody's fault.
    fn knows(&self, number: CommitmentNumber, secret: &RevocationSecret) -> bool {
        let known = number.previous().and_then(|revoked| self.rounds.secrets.secret(revoked));
        known.as_ref() == Some(secret)
    }

    /// True if the funding output is as deep as this node demands.
    #[must_use]
    pub fn is_deep(&self, tip: BlockHeight) -> bool {
        match self.funded {
            Funded::Waiting | Funded::Spent { .. } => false,
            Funded::Mined(height) => height.depth_at(tip) >= self.setup.depth(),
        }
    }
}

/// The highest block that a proposal has seen. A node whose tip is behind waits for it instead of calling it wrong.
fn highest(propose: &Propose) -> BlockHeight {
    let heights = propose.operations.as_slice().iter().filter_map(|operation| match operation {
        Operation::RaiseHeight { height } => Some(*height),
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => None,
    });
    heights.max().unwrap_or_default()
}

/// True if a proposal takes more memory than a channel that is not on the chain is given.
fn is_bulky(propose: &Propose) -> bool {
    let operations = propose.operations.as_slice();
    operations.iter().map(Operation::encoded_len_max).sum::<usize>() > HELD_UNFUNDED_BYTES_MAX
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

/// What to do about a message that belongs to no moment of this connection: nothing.
pub(crate) fn out_of_place(message: &'static str) -> Reaction {
    let note = format!("{message} before or after its place in a connection");
    Reaction::Refuse { code: FaultCode::Violation, note: Note::cut(&note) }
}

fn before(number: CommitmentNumber) -> CommitmentNumber {
    number.previous().expect("a round leads to at least one")
}

pub(crate) fn after(number: CommitmentNumber) -> CommitmentNumber {
    number.next().expect("a channel ends before its numbers do")
}
