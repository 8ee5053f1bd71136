//! Connections: greeting, and what each channel with the peer says after it.

use strait_primitives::{ChannelId, NodeId};
use strait_wire::{Fault, FaultCode, Hello, Message, Note};

use crate::command::CommandId;
use crate::effect::{Effect, Report};
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::views::{PeerLink, PeerView};
use crate::{Answer, CommandError};

/// The protocol version this node speaks.
const VERSION: u16 = 1;

/// What a peer has said on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Nothing yet.
    Awaited,
    /// A greeting that fits ours.
    Done,
}

impl Engine {
    pub(crate) fn handle_connected(&mut self, peer: NodeId, moment: &Moment<'_>, out: &mut Step) {
        self.connected.insert(peer, Greeting::Awaited);
        let chain = self.config.opening.chain;
        send(peer, Hello { version: VERSION, chain }, out);
        for id in self.channels_of(peer) {
            self.with_channel(id, moment, out, |channel, moment, decision| {
                channel.handle_connected(moment.now, decision);
            });
        }
    }

    pub(crate) fn handle_disconnected(&mut self, peer: NodeId) {
        self.connected.remove(&peer);
        for id in self.channels_of(peer) {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.handle_disconnected();
            }
        }
    }

    pub(crate) fn channels_of(&self, peer: NodeId) -> Vec<ChannelId> {
        let with = self.channels.iter().filter(|(_, channel)| channel.peer() == peer);
        with.map(|(id, _)| *id).collect()
    }

    /// A peer's greeting: another chain or version ends the connection before anything is built on it.
    pub(crate) fn handle_hello(&mut self, peer: NodeId, hello: &Hello, out: &mut Step) {
        if hello.version == VERSION && hello.chain == self.config.opening.chain {
            self.connected.insert(peer, Greeting::Done);
            return;
        }
        let what = format!("version {} on chain {}", hello.version, hello.chain);
        fault(peer, None, FaultCode::Incompatible, &what, out);
        out.effects.push(Effect::Disconnect(peer));
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
        nodes.extend(self.channels.values().map(strait_channel::Channel::peer));
        nodes.into_iter().map(|node| self.peer_view(node)).collect()
    }

    fn peer_view(&self, node: NodeId) -> PeerView {
        let link = match self.connected.get(&node) {
            Some(Greeting::Done) => PeerLink::Connected,
            Some(Greeting::Awaited) | None => PeerLink::Disconnected,
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

/// Tells a peer, and this node's operator, what the peer did wrong.
pub(crate) fn fault(
    peer: NodeId,
    channel: Option<ChannelId>,
    code: FaultCode,
    what: &str,
    out: &mut Step,
) {
    send(peer, Fault { channel, code, note: Note::cut(what) }, out);
    let what = what.to_owned();
    out.effects.push(Effect::Report(Report::PeerFault { peer, channel, what }));
}
