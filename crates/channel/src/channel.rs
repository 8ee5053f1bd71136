//! The machine: durable state, secrets, and what a restart may forget.

use std::collections::VecDeque;

use bitcoin::hashes::{Hash, sha256};
use strait_primitives::{
    BlockHeight, ChannelId, CommitmentNumber, Digest, Millis, NodeId, RequestKey, SchnorrSignature,
    Timestamp,
};
use strait_signer::ChannelSigner;
use strait_wire::{Fault, FaultCode, Message, Note, Operations, Propose, TurnWish};

use crate::closing::CloseSession;
use crate::commitments::Commitments;
use crate::decision::{ChannelEffect, Decision, Moment, Notice, Reaction, RequestError, Violation};
use crate::event::{AbandonReason, CarriedRequest, ChannelEvent, ForceReason};
use crate::limits::{
    ANSWER_WITHIN, OPENING_WITHIN, QUEUE_OPERATIONS_MAX, STALLED_WITHIN, STALLS_MAX,
};
use crate::state::{ChannelState, Closing, Funded, Live, Outstanding, Phase};

/// The state of the connection, as far as this channel cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// No connection.
    Down,
    /// Connected; the peer has not said where it stands.
    Greeting,
    /// Both have said where they stand: rounds may run.
    Up,
    /// Both have said where they stand, and the store of one is not whole: no round runs, but a close may be agreed.
    Restoring,
}

/// Operations of one caller, carried out by one round or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The hash of the caller's idempotency key.
    pub key: RequestKey,
    /// The hash of what is asked.
    pub digest: RequestKey,
    /// What is asked. Locks in it are numbered when a round carries them, whatever number they have here.
    pub operations: Operations,
}

impl Request {
    /// How a proposal names this request.
    #[must_use]
    pub fn carried(&self) -> CarriedRequest {
        let operations = u32::try_from(self.operations.as_slice().len())
            .expect("a round carries a few thousand operations");
        CarriedRequest { key: self.key, digest: self.digest, operations }
    }
}

/// What a restart forgets.
#[derive(Debug)]
pub(crate) struct Volatile {
    /// The connection.
    pub(crate) link: Link,
    /// Requests that wait for a round, oldest first.
    pub(crate) queue: VecDeque<Request>,
    /// Operations in the queue.
    pub(crate) queued_operations: usize,
    /// Whether the peer asked for the turn that this node holds.
    pub(crate) peer_wish: TurnWish,
    /// This node has asked for the turn that the peer holds.
    pub(crate) asked_for_turn: bool,
    /// A proposal that waits for depth or for a block.
    pub(crate) held: Option<Propose>,
    /// Since when the peer owes something: its account, its part of a round, the turn, its part of a close.
    pub(crate) waiting_since: Option<Timestamp>,
    /// How long it has owed that on connections before this one. Time without a connection is nobody's.
    pub(crate) owed: Millis,
    /// Connections in a row in which the peer owed something for too long; set back when it does its part.
    pub(crate) stalls: u32,
    /// When the first of those was found out.
    pub(crate) stalled_since: Option<Timestamp>,
    /// The best block's height when it was found out that the peer may not accept any more what was proposed to it.
    pub(crate) overdue_since: Option<BlockHeight>,
    /// Since when an opening runs.
    pub(crate) opening_since: Option<Timestamp>,
    /// The operator has asked for a cooperative close.
    pub(crate) close_wanted: bool,
    /// How far the peer said it is, while this node's own account is not trusted.
    pub(crate) told_number: Option<CommitmentNumber>,
    /// Nonces and offers of a cooperative close.
    pub(crate) close: CloseSession,
    /// Nonces made since the last start: with the entropy of the moment it makes each one new.
    pub(crate) nonces: u64,
}

impl Volatile {
    pub(crate) fn new() -> Self {
        Self {
            link: Link::Down,
            queue: VecDeque::new(),
            queued_operations: 0,
            peer_wish: TurnWish::Content,
            asked_for_turn: false,
            held: None,
            waiting_since: None,
            owed: Millis(0),
            stalls: 0,
            stalled_since: None,
            overdue_since: None,
            opening_since: None,
            close_wanted: false,
            told_number: None,
            close: CloseSession::default(),
            nonces: 0,
        }
    }
}

/// A channel of this node.
///
/// ```text
/// offer ──▶ Offered ──▶ OpeningSigned ──▶ Live { Running ──▶ ShuttingDown ──▶ Agreed } ──▶ Resolved
/// answer ─▶ Answered ───────────────────▶ Live {    └── Forced, or Lost ──────────┘  }
///             └── any of these before Live ──▶ Abandoned
/// ```
///
/// Inputs are the `handle_*` methods, [`Channel::request`], [`Channel::close`] and [`Channel::offer_contract`]; after
/// them [`Channel::poll`]. Outputs are events and effects in a [`Decision`]. Laws: an event is in the state before it
/// is handed out; an effect waits for every event before it; an error of a `handle_*` leaves the state as it was.
#[derive(Debug)]
pub struct Channel {
    /// The fold of all events handed out.
    pub(crate) state: ChannelState,
    /// The secrets of this channel alone.
    pub(crate) signer: ChannelSigner,
    /// Builders of both sides' commitments; there from the moment the funding output is known.
    pub(crate) commitments: Option<Commitments>,
    /// What a restart forgets.
    pub(crate) volatile: Volatile,
}

impl Channel {
    /// Takes a channel up again after a restart.
    ///
    /// # Panics
    /// If the state holds key material that was never checked, or the signer is another channel's.
    #[must_use]
    pub fn restore(state: ChannelState, signer: ChannelSigner) -> Self {
        let commitments = state.live().map(|live| {
            Commitments::new(&live.setup)
                .expect("a live channel's keys were checked when it opened")
        });
        Self { state, signer, commitments, volatile: Volatile::new() }
    }

    /// The durable state.
    #[must_use]
    pub const fn state(&self) -> &ChannelState {
        &self.state
    }

    /// The secrets of this channel, for the watcher's signatures.
    #[must_use]
    pub const fn signer(&self) -> &ChannelSigner {
        &self.signer
    }

    /// The builders of both sides' commitments, once the funding output is known.
    #[must_use]
    pub const fn commitments(&self) -> Option<&Commitments> {
        self.commitments.as_ref()
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ChannelId {
        self.state.id
    }

    /// The other node.
    #[must_use]
    pub const fn peer(&self) -> NodeId {
        self.state.peer
    }

    /// The state of the connection.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.volatile.link
    }

    /// Operations that wait for a round.
    #[must_use]
    pub const fn queued_operations(&self) -> usize {
        self.volatile.queued_operations
    }

    /// Folds an event into the state at once, and hands it out to be saved.
    pub(crate) fn record(&mut self, event: ChannelEvent, out: &mut Decision) {
        self.state.apply(&event);
        out.events.push(event);
    }

    pub(crate) fn live(&self) -> &Live {
        self.state.live().expect("the caller has checked that the channel lives")
    }

    /// Queues operations for the next round. They are checked against the ledger as it stands; whether they fit when
    /// their round comes is told by a [`Notice`].
    ///
    /// # Errors
    /// [`RequestError`]: nothing was queued.
    pub fn request(&mut self, request: Request) -> Result<(), RequestError> {
        let Phase::Live(live) = &self.state.phase else {
            return Err(RequestError::NotOpen { state: self.state.phase.name() });
        };
        self.check_stores()?;
        // While something live forbids the close that is wanted, it is requests that end it.
        let closes = self.volatile.close_wanted && live.rounds.ledger.is_plain();
        if !live.is_running() || closes {
            return Err(RequestError::NotOpen { state: "closing" });
        }
        if matches!(live.funded, Funded::Spent { .. }) {
            return Err(RequestError::NotOpen { state: "closed" });
        }
        let count = request.operations.as_slice().len();
        let queued = self.volatile.queued_operations;
        if queued.saturating_add(count) > QUEUE_OPERATIONS_MAX {
            return Err(RequestError::QueueFull { queued, limit: QUEUE_OPERATIONS_MAX });
        }
        self.volatile.queued_operations = queued + count;
        self.volatile.queue.push_back(request);
        Ok(())
    }

    /// Takes back a request that no round carries yet; `None` if it does not wait here.
    pub fn withdraw(&mut self, key: &RequestKey) -> Option<Request> {
        let place = self.volatile.queue.iter().position(|request| request.key == *key)?;
        let request = self.volatile.queue.remove(place)?;
        self.volatile.queued_operations -= request.operations.as_slice().len();
        Some(request)
    }

    /// The requests that a restart would forget: for those who wait for them when the channel ends.
    pub fn drain_queue(&mut self) -> Vec<Request> {
        self.volatile.queued_operations = 0;
        self.volatile.queue.drain(..).collect()
    }

    /// A connection to the peer is up: says where this channel stands.
    pub fn handle_connected(&mut self, now: Timestamp, out: &mut Decision) {
        self.handle_disconnected(now, out);
        match &self.state.phase {
            Phase::Offered(offered) => out.send(offered.open.clone()),
            Phase::OpeningSigned(signed) => {
                let message = signed.message(self.id());
                out.send(message);
            }
            Phase::Live(live) => {
                self.volatile.link = Link::Greeting;
                if live.owes() {
                    self.wait_on(now);
                }
                out.send(self.reestablish_message());
                self.ask_peer(out);
            }
            Phase::Answered(_) | Phase::Abandoned | Phase::Resolved => {}
        }
        if self.state.live().is_none() {
            self.volatile.opening_since.get_or_insert(now);
        }
    }

    /// The connection is gone: forgets what belonged to it, but for how long the peer has owed its part. A peer that
    /// reconnects again and again owes it all the same.
    pub fn handle_disconnected(&mut self, now: Timestamp, out: &mut Decision) {
        self.pause_waiting(now);
        self.reset_connection();
        if self.volatile.owed >= ANSWER_WITHIN {
            self.note_stall(now, out);
        }
    }

    fn reset_connection(&mut self) {
        let volatile = &mut self.volatile;
        volatile.link = Link::Down;
        volatile.peer_wish = TurnWish::Content;
        volatile.asked_for_turn = false;
        volatile.held = None;
        volatile.close = CloseSession::default();
    }

    /// The channel acts: asks for the turn, proposes, starts or goes on with a close.
    pub fn poll(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        if self.state.live().is_none() {
            return;
        }
        self.lapse_agreements(moment.tip, out);
        self.close_unanswered(moment, out);
        if matches!(self.volatile.link, Link::Down | Link::Restoring) {
            return;
        }
        if self.volatile.link == Link::Greeting {
            // Nothing can be done for those who wait before the peer says where it stands.
            if !self.volatile.queue.is_empty() {
                self.wait_on(moment.now);
            }
            return;
        }
        if let Some(held) = self.volatile.held.take()
            && let Err(reaction) = self.handle_propose(held, moment, out)
        {
            self.react(&reaction, out);
            out.send(fault(self.id(), &reaction));
            return;
        }
        self.poll_close(moment, out);
        self.poll_round(moment, out);
    }

    /// Carries out what a peer's fault asks for.
    pub fn react(&mut self, reaction: &Reaction, out: &mut Decision) {
        match reaction {
            Reaction::Close(_) if self.state.live().is_some() => {
                self.force_close(ForceReason::Violation, out);
            }
            Reaction::Close(_) => self.abandon(AbandonReason::Peer, out),
            Reaction::Refuse { .. } => self.abandon(AbandonReason::Peer, out),
            Reaction::Retry(_) => out.effects.push(ChannelEffect::Disconnect),
        }
    }

    /// Time has passed: drops connections whose peer does not do its part, closes a channel whose peer never does, and
    /// gives openings up.
    pub fn handle_time(&mut self, now: Timestamp, out: &mut Decision) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.state.live().is_none() {
            self.abandon(AbandonReason::Expired, out);
            return;
        }
        out.effects.push(ChannelEffect::Disconnect);
        self.note_stall(now, out);
    }

    /// The clock was set back: what was begun keeps the time that has passed since.
    pub fn handle_clock_set_back(&mut self, by: Millis) {
        let Volatile { waiting_since, stalled_since, opening_since, .. } = &mut self.volatile;
        for since in [waiting_since, stalled_since, opening_since].into_iter().flatten() {
            *since = since.before(by);
        }
    }

    /// The peer has owed its part for too long; if that was so again and again, the channel closes without it.
    fn note_stall(&mut self, now: Timestamp, out: &mut Decision) {
        let volatile = &mut self.volatile;
        volatile.waiting_since = None;
        volatile.owed = Millis(0);
        volatile.stalls = volatile.stalls.saturating_add(1);
        let since = *volatile.stalled_since.get_or_insert(now);
        if volatile.stalls >= STALLS_MAX && now.since(since) >= STALLED_WITHIN {
            self.force_close(ForceReason::Deadline, out);
        }
    }

    /// When [`Channel::handle_time`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state.phase {
            Phase::Offered(_) | Phase::Answered(_) | Phase::OpeningSigned(_) => {
                self.volatile.opening_since.map(|since| since.after(OPENING_WITHIN))
            }
            Phase::Live(_) => {
                let left = Millis(ANSWER_WITHIN.0.saturating_sub(self.volatile.owed.0));
                self.volatile.waiting_since.map(|since| since.after(left))
            }
            Phase::Abandoned | Phase::Resolved => None,
        }
    }

    /// Gives an opening up while nothing of value hangs on it.
    pub(crate) fn abandon(&mut self, reason: AbandonReason, out: &mut Decision) {
        if self.state.live().is_none() && !self.state.is_over() {
            self.record(ChannelEvent::Abandoned { reason }, out);
            out.notice(Notice::Abandoned);
        }
    }

    /// Decides to close without the peer, on this node's latest commitment.
    ///
    /// Says nothing if the channel cannot be closed so: it is not live, quarantined, or closing so already. An agreed close is
    /// final, pays for itself and is better for both than a commitment: only the operator gives it up, never what a
    /// peer says or leaves undone.
    pub fn force_close(&mut self, reason: ForceReason, out: &mut Decision) {
        let Some(live) = self.state.live().filter(|live| !live.is_quarantined()) else { return };
        match (&live.closing, reason) {
            (Closing::Forced(_) | Closing::Lost, _)
            | (
                Closing::Agreed { .. },
                ForceReason::Violation
                | ForceReason::Deadline
                | ForceReason::PeerLost
                | ForceReason::Asked,
            ) => return,
            (Closing::Running | Closing::ShuttingDown { .. }, _)
            | (Closing::Agreed { .. }, ForceReason::Operator) => {}
        }
        self.record(ChannelEvent::ForceClosed { reason }, out);
        self.volatile.waiting_since = None;
        self.volatile.held = None;
        self.volatile.close_wanted = false;
        self.volatile.close = CloseSession::default();
        out.effects.push(ChannelEffect::Broadcast(self.holder_transaction()));
        self.refuse_queue("closing", out);
    }

    /// Tells everyone who waits in the queue that their round will not come.
    pub(crate) fn refuse_queue(&mut self, state: &'static str, out: &mut Decision) {
        for request in self.drain_queue() {
            let reason = RequestError::NotOpen { state };
            out.notice(Notice::Refused { request: request.carried(), reason });
        }
    }

    /// This node's latest commitment, signed by both: what a force close broadcasts.
    ///
    /// # Panics
    /// Unless the channel closes by force: a commitment that leaves before the log says so could be revoked after.
    #[must_use]
    pub fn holder_transaction(&self) -> bitcoin::Transaction {
        let live = self.live();
        assert!(matches!(live.closing, Closing::Forced(_)), "only a force close broadcasts");
        let commitments = self.commitments.as_ref().expect("a live channel can build commitments");
        commitments.holder_transaction(live, &self.signer)
    }

    /// One message of the peer about this channel.
    ///
    /// # Errors
    /// [`Reaction`]: what the peer's fault calls for; the caller passes it to [`Channel::react`] and tells the peer.
    pub fn handle_message(
        &mut self,
        message: Message,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        match message {
            Message::Propose(m) => self.handle_propose(m, moment, out),
            Message::Accept(m) => self.handle_accept(&m, out),
            Message::Finalize(m) => self.handle_finalize(&m, out),
            Message::RequestTurn(m) => self.handle_request_turn(&m),
            Message::OfferContract(m) => {
                self.handle_offer_contract(&m, moment.tip, moment.policy, out)
            }
            Message::AgreeContract(m) => self.handle_agree_contract(&m, out),
            Message::RefuseContract(m) => self.handle_refuse_contract(m, out),
            Message::Shutdown(m) => self.handle_shutdown(&m, moment, out),
            Message::CloseOffer(m) => self.handle_close_offer(&m, moment, out),
            Message::CloseSign(m) => self.handle_close_sign(&m, out),
            Message::CloseTerms(m) => self.handle_close_terms(m),
            Message::Reestablish(m) => self.handle_reestablish(&m, moment, out),
            Message::Hello(_)
            | Message::Fault(_)
            | Message::OpenChannel(_)
            | Message::AcceptChannel(_)
            | Message::SignOpening(_) => {
                Err(Violation::Unexpected { message: message.name(), state: "routing" }.into())
            }
        }
    }

    /// The peer owes something new from now on.
    pub(crate) const fn wait_afresh(&mut self, now: Timestamp) {
        self.volatile.waiting_since = Some(now);
        self.volatile.owed = Millis(0);
    }

    /// The peer owes what it may have owed before, on this connection or an earlier one.
    pub(crate) fn wait_on(&mut self, now: Timestamp) {
        self.volatile.waiting_since.get_or_insert(now);
    }

    /// It is not the peer that is waited for: the clock stops, and what it has used up stays used.
    pub(crate) fn pause_waiting(&mut self, now: Timestamp) {
        if let Some(since) = self.volatile.waiting_since.take() {
            let spent = now.since(since);
            self.volatile.owed = Millis(self.volatile.owed.0.saturating_add(spent.0));
        }
    }

    /// The peer has done its part of a round or a close: the clock stops.
    pub(crate) const fn answered(&mut self) {
        self.volatile.waiting_since = None;
        self.volatile.owed = Millis(0);
        self.volatile.stalls = 0;
        self.volatile.stalled_since = None;
    }
}

impl Phase {
    /// What to call this phase in an error.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Offered(_) | Self::Answered(_) | Self::OpeningSigned(_) => "opening",
            Self::Live(_) => "live",
            Self::Abandoned => "abandoned",
            Self::Resolved => "resolved",
        }
    }
}

impl Live {
    /// True if the peer has something to do as soon as it is connected: end a round, or go on with a close.
    pub(crate) const fn owes(&self) -> bool {
        if self.is_quarantined() {
            return false;
        }
        match self.closing {
            Closing::Running => {
                self.rounds.outstanding.is_some() && !matches!(self.funded, Funded::Spent { .. })
            }
            Closing::ShuttingDown { .. } => !matches!(self.funded, Funded::Spent { .. }),
            Closing::Agreed { .. } | Closing::Forced(_) | Closing::Lost => false,
        }
    }

    /// The round in flight, in short.
    pub(crate) const fn round_name(&self) -> &'static str {
        match self.rounds.outstanding {
            None => "between rounds",
            Some(Outstanding::Proposed { .. }) => "awaiting an acceptance",
            Some(Outstanding::Accepted { .. }) => "awaiting the end of a round",
        }
    }
}

/// What names a proposal: the hash of its signature, which commits to all that it changes.
pub(crate) fn proposal_digest(signature: &SchnorrSignature) -> Digest {
    Digest::from_bytes(sha256::Hash::hash(signature.as_bytes()).to_byte_array())
}

/// Tells the peer what was wrong with a message that was judged late.
pub(crate) fn fault(channel: ChannelId, reaction: &Reaction) -> Fault {
    let code = match reaction {
        Reaction::Close(_) | Reaction::Retry(_) => FaultCode::Violation,
        Reaction::Refuse { code, .. } => *code,
    };
    Fault { channel: Some(channel), code, note: Note::cut(&reaction.to_string()) }
}
