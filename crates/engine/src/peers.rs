//! Connections: greeting, and what each channel with the peer says after it.

use strait_channel::Channel;
use strait_primitives::{ChannelId, Millis, NodeId, Timestamp};
use strait_wire::{Fault, FaultCode, Hello, Message, Note};

use crate::admission::is_unfunded;
use crate::command::CommandId;
use crate::effect::{Effect, Report};
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::limits::{FAULTS_MAX, IDLE_MESSAGES_MAX, IDLE_PER_CHANNEL, IDLE_PER_STEP};
use crate::views::{PeerLink, PeerView};
use crate::{Answer, CommandError};

/// The protocol version this node speaks.
const VERSION: u16 = 1;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The peer has said nothing yet.
    Awaited,
    /// A greeting that fits ours.
    Done,
    /// This node has ended it: what is still on its way is not heard.
    Dismissed,
}

/// What is told of a peer once on each connection, however often it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It broke this rule.
    Fault(FaultCode),
    /// It complained of this.
    Complaint(FaultCode),
}

/// A peer's stream.
#[derive(Debug)]
pub(crate) struct Connection {
    greeting: Greeting,
    /// What was told of it: at most one of each kind.
    told: Vec<Told>,
    /// Faults and complaints so far.
    faults: u32,
    /// Messages that led to nothing, as far as others have not made up for them.
    idle: u32,
    /// When it last said something.
    heard_at: Timestamp,
}

impl Connection {
    const fn new(now: Timestamp) -> Self {
        let greeting = Greeting::Awaited;
        Self { greeting, told: Vec::new(), faults: 0, idle: 0, heard_at: now }
    }

    pub(crate) const fn set_back(&mut self, by: Millis) {
        self.heard_at = self.heard_at.before(by);
    }

    pub(crate) const fn heard_at(&self) -> Timestamp {
        self.heard_at
    }
}

impl Engine {
    pub(crate) fn handle_connected(&mut self, peer: NodeId, moment: &Moment<'_>, out: &mut Step) {
        self.connected.insert(peer, Connection::new(moment.now));
        let chain = self.config.opening.chain;
        send(peer, Hello { version: VERSION, chain }, out);
        for id in self.channels_of(peer) {
            self.forget_waiting(id);
            self.with_channel(id, moment, out, |channel, moment, decision| {
                channel.handle_connected(moment.now, decision);
            });
        }
    }

    pub(crate) fn handle_disconnected(
        &mut self,
        peer: NodeId,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        self.connected.remove(&peer);
        for id in self.channels_of(peer) {
            self.forget_waiting(id);
            self.with_channel(id, moment, out, |channel, moment, decision| {
                channel.handle_disconnected(moment.now, decision);
            });
        }
    }

    pub(crate) fn channels_of(&self, peer: NodeId) -> Vec<ChannelId> {
        let with = self.channels.iter().filter(|(_, channel)| channel.peer() == peer);
        with.map(|(id, _)| *id).collect()
    }

    /// How far the connection to a peer has come; `None` without one.
    pub(crate) fn greeting(&self, peer: &NodeId) -> Option<Greeting> {
        self.connected.get(peer).map(|connection| connection.greeting)
    }

    /// A peer's greeting: another chain or version ends the connection before anything is built on it.
    pub(crate) fn handle_hello(&mut self, peer: NodeId, hello: &Hello, out: &mut Step) {
        if hello.version == VERSION && hello.chain == self.config.opening.chain {
            if let Some(connection) = self.connected.get_mut(&peer) {
                connection.greeting = Greeting::Done;
            }
            return;
        }
        let what = format!("version {} on chain {}", hello.version, hello.chain);
        self.fault(peer, None, FaultCode::Incompatible, &what, out);
        self.dismiss(peer, out);
    }

    /// Tells a peer, and once this node's operator, what the peer did wrong.
    pub(crate) fn fault(
        &mut self,
        peer: NodeId,
        channel: Option<ChannelId>,
        code: FaultCode,
        what: &str,
        out: &mut Step,
    ) {
        send(peer, Fault { channel, code, note: Note::cut(what) }, out);
        let report = Report::PeerFault { peer, channel, what: what.to_owned() };
        self.report_once(peer, Told::Fault(code), report, out);
    }

    /// Tells this node's operator once what a peer complains of.
    pub(crate) fn report_complaint(&mut self, peer: NodeId, complaint: &Fault, out: &mut Step) {
        let what = complaint.note.as_str().to_owned();
        let report = Report::PeerComplaint { peer, what };
        self.report_once(peer, Told::Complaint(complaint.code), report, out);
    }

    /// Whoever repeats itself on a connection is counted, and in the end hung up on: a log that others can write without
    /// end is theirs.
    fn report_once(&mut self, peer: NodeId, kind: Told, report: Report, out: &mut Step) {
        let Some(connection) = self.connected.get_mut(&peer) else { return };
        connection.faults = connection.faults.saturating_add(1);
        let too_many = connection.faults > FAULTS_MAX;
        if connection.told.contains(&kind) {
            out.effects.push(Effect::Report(Report::PeerRepeats { peer }));
        } else {
            connection.told.push(kind);
            out.effects.push(Effect::Report(report));
        }
        if too_many {
            self.dismiss(peer, out);
        }
    }

    /// A message was heard, and led to so many events. Each takes this node's time, which belongs to all its peers: whoever
    /// goes on saying what leads nowhere is hung up on.
    pub(crate) fn note_heard(
        &mut self,
        peer: NodeId,
        events: usize,
        now: Timestamp,
        out: &mut Step,
    ) {
        let Some(connection) = self.connected.get_mut(&peer) else { return };
        connection.heard_at = now;
        if events > 0 {
            connection.idle = connection.idle.saturating_sub(IDLE_PER_STEP);
            return;
        }
        connection.idle = connection.idle.saturating_add(1);
        let idle = connection.idle;
        if idle <= IDLE_MESSAGES_MAX || connection.greeting == Greeting::Dismissed {
            return;
        }
        let channels = u32::try_from(self.channels_of(peer).len()).unwrap_or(u32::MAX);
        let limit = IDLE_MESSAGES_MAX.saturating_add(channels.saturating_mul(IDLE_PER_CHANNEL));
        if idle > limit {
            self.fault(peer, None, FaultCode::Violation, "too many messages lead nowhere", out);
            self.dismiss(peer, out);
        }
    }

    /// Ends a connection after what was said on it.
    pub(crate) fn dismiss(&mut self, peer: NodeId, out: &mut Step) {
        let Some(connection) = self.connected.get_mut(&peer) else { return };
        if connection.greeting != Greeting::Dismissed {
            connection.greeting = Greeting::Dismissed;
            out.effects.push(Effect::Disconnect(peer));
        }
    }

    /// True if nothing binds this node to a peer: no channel, and no word of its operator.
    pub(crate) fn is_stranger(&self, peer: NodeId) -> bool {
        !self.book.peers.contains_key(&peer)
            && self.channels.values().all(|channel| channel.peer() != peer)
    }

    /// True if this node looks for a peer by itself: its operator named it, or a channel with it may be worth something.
    ///
    /// One that the peer asked for and no block has funded is not: whoever opens it has the wish and knows where this node
    /// is, and the addresses that it tells may be anybody's.
    pub(crate) fn is_sought(&self, peer: NodeId) -> bool {
        let is_bound = |channel: &Channel| channel.peer() == peer && !is_unfunded(channel);
        self.book.peers.contains_key(&peer) || self.channels.values().any(is_bound)
    }

    /// Stays connected to the peer of a channel that lives.
    pub(crate) fn keep_connected(&self, peer: NodeId, out: &mut Step) {
        let address = self.book.peers.get(&peer).cloned().flatten();
        out.effects.push(Effect::KeepConnected(peer, address.into_iter().collect()));
    }

    pub(crate) fn command_connect(
        &mut self,
        id: CommandId,
        node: NodeId,
        address: String,
        out: &mut Step,
    ) {
        if node == self.config.node {
            out.effects.push(Effect::Reply(id, Err(CommandError::OwnId)));
            return;
        }
        let event = Event::PeerKnown { node, address: Some(address.clone()) };
        if self.book.peers.get(&node) != Some(&Some(address.clone())) {
            self.record(event, out);
        }
        out.effects.push(Effect::KeepConnected(node, vec![address]));
        out.effects.push(Effect::Reply(id, Ok(Answer::Peers(vec![self.peer_view(node)]))));
    }

    /// All peers this node stays connected to, is connected to, or has channels with.
    #[must_use]
    pub fn peer_views(&self) -> Vec<PeerView> {
        let mut nodes: std::collections::BTreeSet<NodeId> =
            self.book.peers.keys().copied().collect();
        nodes.extend(self.connected.keys());
        nodes.extend(self.channels.values().map(Channel::peer));
        nodes.into_iter().map(|node| self.peer_view(node)).collect()
    }

    fn peer_view(&self, node: NodeId) -> PeerView {
        let link = match self.greeting(&node) {
            Some(Greeting::Done) => PeerLink::Connected,
            Some(Greeting::Awaited | Greeting::Dismissed) | None => PeerLink::Disconnected,
        };
        PeerView {
            node,
            address: self.book.peers.get(&node).cloned().flatten(),
            link,
            channels: self.channels_of(node).len(),
        }
    }
}

/// Says something to a peer.
pub(crate) fn send(peer: NodeId, message: impl Into<Message>, out: &mut Step) {
    out.effects.push(Effect::Send(peer, Box::new(message.into())));
}
