//! What nodes that play foul do to their messages, and the ghosts they raise.

use bitcoin::Address;
use strait_primitives::{ChannelId, EventSeq};
use strait_wire::Message;

use super::{World, hash};
use crate::agenda::Happening;
use crate::choices::Choices;
use crate::ghost::{Ghost, Intent, Road};
use crate::host::Host;
use crate::oracle::Violation;
use crate::place::Place;
use crate::scheme::scheme;
use crate::tamper::{alter, garble, readdress};

/// Frames that a node remembers of what it said, to say them again.
const SAID_MAX: usize = 64;
/// Ghosts of one node at a time; the oldest goes.
const GHOSTS_MAX: usize = 3;

/// Writes that a young copy lacks at most.
const YOUNG_WRITES: usize = 40;

/// What a node that plays foul keeps.
#[derive(Debug, Default)]
pub(crate) struct Foul {
    /// What it said of late, to anybody.
    said: Vec<Vec<u8>>,
    /// What it holds back, for whom.
    held: Vec<(Place, Vec<u8>)>,
    ghosts: Vec<Ghost>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trick {
    Honest,
    Drop,
    Repeat,
    Delay,
    Garble,
    Alter,
    Replay,
    Misdirect,
    Scheme,
}

impl World {
    /// What really leaves when a node that plays foul has something to say.
    pub(super) fn tampered(&mut self, from: Place, to: Place, message: &Message) -> Vec<Vec<u8>> {
        let trick = self.trick(message);
        let frame = message.to_frame();
        // What its peer has with others is of more use than what nobody there knows.
        let mut channels: Vec<ChannelId> = self.history.channels_of(to).collect();
        if self.choices.chance(200) {
            channels = self.history.channels.keys().copied().collect();
        }
        let (choices, foul) = (&mut self.choices, self.foul.at_mut(from));
        let mut leaving = match trick {
            Trick::Honest => vec![frame.clone()],
            Trick::Drop => Vec::new(),
            Trick::Repeat => vec![frame.clone(), frame.clone()],
            Trick::Delay => {
                foul.held.push((to, frame.clone()));
                Vec::new()
            }
            Trick::Garble => {
                let mut garbled = frame.clone();
                garble(&mut garbled, choices);
                vec![garbled]
            }
            Trick::Alter => {
                vec![alter(&frame, &foul.said, choices).unwrap_or_else(|| frame.clone())]
            }
            Trick::Replay => replayed(&foul.said, &frame, choices),
            Trick::Misdirect => vec![misdirected(message, &frame, &channels, choices)],
            Trick::Scheme => vec![schemed(self.hosts.at(from), message, choices)],
        };
        if trick != Trick::Delay {
            // What was held back comes after what came after it.
            let held = core::mem::take(&mut foul.held);
            let (due, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|(peer, _)| *peer == to);
            foul.held = kept;
            leaving.extend(due.into_iter().map(|(_, frame)| frame));
        }
        foul.said.push(frame);
        if foul.said.len() > SAID_MAX {
            foul.said.remove(0);
        }
        if trick != Trick::Honest {
            self.tally.tricks += 1;
            self.tell(&format!("{from} plays foul with {}: {trick:?}", message.name()));
        }
        leaving
    }

    fn trick(&mut self, message: &Message) -> Trick {
        let malice = &self.weather.malice;
        if matches!(message, Message::Propose(_)) && self.choices.chance(malice.scheme) {
            return Trick::Scheme;
        }
        let table = [
            (malice.drop, Trick::Drop),
            (malice.repeat, Trick::Repeat),
            (malice.delay, Trick::Delay),
            (malice.garble, Trick::Garble),
            (malice.alter, Trick::Alter),
            (malice.replay, Trick::Replay),
            (malice.misdirect, Trick::Misdirect),
        ];
        let foul: u64 = table.iter().map(|(weight, _)| weight).sum();
        if !self.choices.chance(foul.min(1_000)) {
            return Trick::Honest;
        }
        self.choices.weighed(&table).unwrap_or(Trick::Honest)
    }

    /// One who plays foul starts an old copy of its disk.
    pub(super) fn raise_ghost(&mut self) {
        let hostile: Vec<Place> = self.topology.hostile().collect();
        if hostile.is_empty() {
            return;
        }
        let place = *self.choices.pick(&hostile);
        let ends = self.hosts.at(place).durable.ends.clone();
        // The younger the copy, the likelier that its channels are still there.
        let ends = if self.choices.chance(700) { newest(&ends) } else { ends.as_slice() };
        if ends.is_empty() {
            return;
        }
        let upto = *self.choices.pick(ends);
        let address = self
            .users
            .addresses
            .at(place)
            .first()
            .and_then(|script| Address::from_script(script, bitcoin::Network::Regtest).ok());
        let intent = match address {
            Some(address) if self.choices.chance(250) => {
                Intent::Spend { address: address.to_string() }
            }
            Some(_) | None => Intent::Close,
        };
        let road = *self.choices.pick(&[Road::Mempool, Road::Miner]);
        let Some(ghost) = Ghost::conjure(self.hosts.at(place), upto, &intent, road) else { return };
        let foul = self.foul.at_mut(place);
        let is_first = foul.ghosts.is_empty();
        foul.ghosts.push(ghost);
        if foul.ghosts.len() > GHOSTS_MAX {
            foul.ghosts.remove(0);
        }
        self.tally.ghosts += 1;
        self.tell(&format!("{place} raises a ghost of event {upto} ({intent:?}, {road:?})"));
        if is_first {
            self.plan(1, Happening::Ghosts(place));
        }
    }

    /// One who plays foul loses its disk, and comes back from a backup: openly, so that its engine trusts no channel in it.
    pub(super) fn restore(&mut self) -> Result<(), Violation> {
        let hostile: Vec<Place> = self.topology.hostile().collect();
        if hostile.is_empty() {
            return Ok(());
        }
        let place = *self.choices.pick(&hostile);
        let ends = self.hosts.at(place).durable.ends.clone();
        let ends = newest(&ends);
        if ends.is_empty() || self.hosts.at(place).running.is_none() {
            return Ok(());
        }
        let upto = *self.choices.pick(ends);
        self.die(place);
        self.tell(&format!("{place} is restored from a backup that ends with event {upto}"));
        self.hosts.at_mut(place).restore(upto, &mut self.history)
    }

    /// The ghosts of a node look at the chain.
    pub(super) fn haunt(&mut self, place: Place) {
        let (now, now_s) = (self.agenda.now(), self.agenda.now_s());
        self.drawn += 1;
        let entropy = hash(&self.root, "ghost", self.drawn);
        self.chain.now_s = now_s;
        let (chain, foul) = (&mut self.chain, self.foul.at_mut(place));
        foul.ghosts.retain_mut(|ghost| ghost.haunt(chain, now, entropy));
        if !self.foul.at(place).ghosts.is_empty() {
            self.plan_between(100, 3_000, Happening::Ghosts(place));
        }
    }

    /// Nobody plays foul any more. What ghosts have begun goes on.
    pub(super) fn lay_foul_play_down(&mut self, place: Place) {
        self.foul.at_mut(place).held.clear();
    }
}

/// The last of the places where a copy can end.
fn newest(ends: &[EventSeq]) -> &[EventSeq] {
    ends.get(ends.len().saturating_sub(YOUNG_WRITES)..).unwrap_or_default()
}

/// Something said before, to whomever; the message itself if nothing was.
fn replayed(said: &[Vec<u8>], frame: &[u8], choices: &mut Choices) -> Vec<Vec<u8>> {
    if said.is_empty() {
        return vec![frame.to_vec()];
    }
    let old = choices.pick(said).clone();
    if choices.chance(500) { vec![old] } else { vec![old, frame.to_vec()] }
}

/// The message, about another channel.
fn misdirected(
    message: &Message,
    frame: &[u8],
    channels: &[ChannelId],
    choices: &mut Choices,
) -> Vec<u8> {
    let Some(channel) = message.channel().filter(|_| !channels.is_empty()) else {
        return frame.to_vec();
    };
    readdress(frame, channel.as_bytes(), choices.pick(channels).as_bytes())
}

/// Another proposal, if the message is one and there is something to be had by it; else the message as it is.
fn schemed(host: &Host, message: &Message, choices: &mut Choices) -> Vec<u8> {
    let Message::Propose(proposal) = message else { return message.to_frame() };
    match scheme(host, proposal, choices) {
        Some(other) => Message::from(other).to_frame(),
        None => message.to_frame(),
    }
}
