//! The spans of the runtime: from a command or a peer's message through decision, append and effects to the answer.
//!
//! Only what is traced has spans: a command whose request the API drew, and a message of a round that the sampler picks.
//! Everything else passes disabled spans on, which cost nothing. The engine knows of none of this: a span begins before
//! it is asked and ends when it has answered.
//!
//! ```text
//! api ── command ── decide, append, send, broadcast, reply     ends with the answer
//! receive ── decide, append, send, broadcast, reply            of what a peer sent: ends with the last effect
//! ```
//!
//! A round takes messages both ways: each is a trace of its own, linked to the others, on both nodes, by channel and number.
//!
//! **Invariant:** fields are ids, counts and names; never a key, a preimage, or what a reference says.

use strait_engine::{Answer, Command, Effect, Event};
use strait_log::Unsaved;
use strait_net::LinkId;
use strait_primitives::{ChannelId, CommitmentNumber, EventSeq, NodeId, RequestKey};
use strait_telemetry::{Sampler, TARGET};
use strait_wire::Message;
use tracing::field::Empty;
use tracing::{Level, Span, span};

use crate::observe::command_name;

/// A step of the engine, what it knew of links, and the span of what caused it; a disabled one if that is not traced.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) unsaved: Unsaved<Event, Effect>,
    pub(crate) span: Span,
    /// The newest link that the engine had been told of.
    pub(crate) told: LinkId,
}

impl From<Unsaved<Event, Effect>> for Traced {
    fn from(unsaved: Unsaved<Event, Effect>) -> Self {
        Self { unsaved, span: Span::none(), told: LinkId::NONE }
    }
}

/// The span of a command, from the question to the answer, within the request's.
pub(crate) fn command(command: &Command) -> Span {
    let request = Span::current();
    if request.is_disabled() {
        return request;
    }
    let span = span!(
        target: TARGET,
        parent: &request,
        Level::DEBUG,
        "command",
        command = command_name(command).name(),
        key = Empty,
        channel = Empty,
        payments = Empty,
        reference_bytes = Empty,
        number = Empty,
        outcome = Empty,
    );
    let (key, channel) = ids_of(command);
    if let Some(key) = key {
        span.record("key", tracing::field::display(key));
    }
    if let Some(channel) = channel {
        span.record("channel", tracing::field::display(channel));
    }
    if let Command::Pay { payments, .. } = command {
        let bytes = payments.iter().map(|payment| payment.reference.as_bytes().len());
        span.record("payments", payments.len());
        span.record("reference_bytes", bytes.sum::<usize>());
    }
    span
}

/// Notes how a command ended.
pub(crate) fn answered<E>(span: &Span, answer: &Result<Answer, E>) {
    if span.is_disabled() {
        return;
    }
    span.record("outcome", if answer.is_ok() { "done" } else { "refused" });
    if let Ok(Answer::Done(done)) = answer {
        span.record("number", done.number.to_u64());
    }
}

/// The span of what a peer sent: a trace of its own, if its round is picked.
pub(crate) fn receive(sampler: &Sampler, peer: NodeId, message: &Message) -> Span {
    let Some((channel, number)) = round_of(message) else { return Span::none() };
    if !sampler.picks(&channel, number) {
        return Span::none();
    }
    span!(
        target: TARGET,
        parent: None,
        Level::DEBUG,
        "receive",
        message = message.name(),
        %peer,
        %channel,
        number = number.to_u64(),
    )
}

/// The span of a decision.
pub(crate) fn decide(cause: &Span) -> Span {
    if cause.is_disabled() {
        return Span::none();
    }
    span!(target: TARGET, parent: cause, Level::DEBUG, "decide", first_seq = Empty, events = Empty)
}

/// Notes what was decided.
pub(crate) fn decided(span: &Span, unsaved: &Unsaved<Event, Effect>) {
    if !span.is_disabled() && !unsaved.events().is_empty() {
        span.record("first_seq", unsaved.first().to_u64());
        span.record("events", unsaved.events().len());
    }
}

/// Takes one more cause in: the first stands for all, and follows from the others.
pub(crate) fn join(cause: &mut Span, other: &Span) {
    if other.is_disabled() {
        return;
    }
    if cause.is_disabled() {
        *cause = other.clone();
    } else {
        cause.follows_from(other);
    }
}

/// The span of a write of so many events to the log, if it makes a traced decision durable.
pub(crate) fn append(cause: &Span, events: usize) -> Option<Span> {
    let write = || span!(target: TARGET, parent: cause, Level::DEBUG, "append", events, durable_seq = Empty);
    (!cause.is_disabled()).then(write)
}

/// The write is over: ends its spans.
pub(crate) fn appended(writes: Vec<Span>, durable: EventSeq) {
    for write in writes {
        write.record("durable_seq", durable.to_u64());
    }
}

/// The span of an effect, for those that leave the node or end a wait.
pub(crate) fn effect(cause: &Span, effect: &Effect) -> Span {
    if cause.is_disabled() {
        return Span::none();
    }
    match effect {
        Effect::Send(peer, message) => {
            let (channel, number) = round_of(message).unzip();
            span!(
                target: TARGET,
                parent: cause,
                Level::DEBUG,
                "send",
                message = message.name(),
                %peer,
                channel = channel.map(tracing::field::display),
                number = number.map(CommitmentNumber::to_u64),
            )
        }
        Effect::Reply(id, _) => {
            span!(target: TARGET, parent: cause, Level::DEBUG, "reply", command_id = id.0)
        }
        Effect::Broadcast(transactions) => {
            let count = transactions.len();
            span!(target: TARGET, parent: cause, Level::DEBUG, "broadcast", transactions = count)
        }
        Effect::Disconnect(_)
        | Effect::KeepConnected(..)
        | Effect::Forget(_)
        | Effect::LookFor(_)
        | Effect::Report(_) => Span::none(),
    }
}

/// The round that a message belongs to.
const fn round_of(message: &Message) -> Option<(ChannelId, CommitmentNumber)> {
    match message {
        Message::Propose(m) => Some((m.channel, m.number)),
        Message::Accept(m) => Some((m.channel, m.number)),
        Message::Finalize(m) => Some((m.channel, m.number)),
        Message::Hello(_)
        | Message::Fault(_)
        | Message::OpenChannel(_)
        | Message::AcceptChannel(_)
        | Message::SignOpening(_)
        | Message::RequestTurn(_)
        | Message::OfferContract(_)
        | Message::AgreeContract(_)
        | Message::RefuseContract(_)
        | Message::Shutdown(_)
        | Message::CloseOffer(_)
        | Message::CloseSign(_)
        | Message::CloseTerms(_)
        | Message::Reestablish(_) => None,
    }
}

/// The key of a request and the channel it is about.
fn ids_of(command: &Command) -> (Option<RequestKey>, Option<ChannelId>) {
    match command {
        Command::OpenChannel { key, .. }
        | Command::Act { key, .. }
        | Command::Settle { key, .. }
        | Command::SendCoins { key, .. } => (Some(*key), None),
        Command::CloseChannel { key, channel, .. }
        | Command::Pay { key, channel, .. }
        | Command::OfferLock { key, channel, .. }
        | Command::OpenContract { key, channel, .. } => (Some(*key), Some(*channel)),
        Command::ClaimLock { key, lock, .. } | Command::CancelLock { key, lock } => {
            (Some(*key), Some(lock.channel))
        }
        Command::Channel(channel) | Command::Recover { channel, .. } => (None, Some(*channel)),
        Command::Lock(lock) => (None, Some(lock.channel)),
        Command::UnderToken { command, .. } => ids_of(command),
        Command::Status
        | Command::Peers
        | Command::ConnectPeer { .. }
        | Command::Channels
        | Command::Recoveries
        | Command::Locks
        | Command::Modules
        | Command::AddModule { .. }
        | Command::Contracts
        | Command::Contract(_)
        | Command::Wallet
        | Command::NewAddress
        | Command::Tokens
        | Command::IssueToken(_)
        | Command::RevokeToken(_) => (None, None),
    }
}
