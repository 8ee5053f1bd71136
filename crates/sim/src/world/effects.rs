//! Writes, and the effects that a write's receipt opens.

use strait_engine::{Effect, Report};
use strait_log::WriteNumber;
use strait_primitives::EventSeq;
use strait_wire::{FaultCode, Message};

use super::{World, short};
use crate::agenda::Happening;
use crate::host::{Batch, Chore, Step, records_of};
use crate::oracle::Violation;
use crate::place::Place;

/// How a node begins to tell its peer that it broke the protocol, so that the channel closes.
const ACCUSATION: &str = "the peer broke the protocol";

/// Writes between two looks at what a start from the disk would give.
const REFOLD_WRITES: u64 = 25;

impl World {
    /// The disk takes what waits, in one write; then the effects happen, in the order they were decided.
    pub(super) fn write(&mut self, place: Place) -> Result<(), Violation> {
        let takes_all = self.choices.chance(800);
        let host = self.hosts.at_mut(place);
        let Some(running) = &mut host.running else { return Ok(()) };
        running.planned.remove(&Chore::Write);
        let waiting = running.outbox.len();
        let count = if takes_all || waiting < 2 { waiting } else { waiting / 2 };
        let group: Vec<Batch> = running.outbox.drain(..count).collect();
        let records: Vec<_> = group.iter().flat_map(records_of).collect();
        let appended = running.writer.append(&records);
        host.durable.advance(&host.disk, &host.config, &records, &mut self.history)?;
        host.check_settlement()?;
        let made = self.history.take_fresh();
        self.users.check_made(&made)?;
        let outlays = self.hosts.at_mut(place).durable.take_outlays();
        self.users.note_outlays(place, &outlays)?;
        let receipt = match appended {
            Ok(receipt) => receipt,
            Err(error) => {
                self.tell(&format!("{place} cannot write: {error}: {}", error.source));
                self.die(place);
                return Ok(());
            }
        };
        if !records.is_empty() {
            self.tell(&format!("{place} has event {} on disk", receipt.durable()));
            let host = self.hosts.at(place);
            if host.disk.next_write().0.is_multiple_of(REFOLD_WRITES) {
                host.check_fold()?;
            }
        }
        for batch in group {
            for Step { unsaved, told } in batch.steps {
                let waits_for = unsaved.waits_for();
                for effect in unsaved.saved(&receipt) {
                    if self.dies_midway() {
                        self.tell(&format!("{place} dies between two effects"));
                        self.die(place);
                        return Ok(());
                    }
                    self.perform(place, effect, told, waits_for)?;
                }
            }
            if let Some(snapshot) = batch.snapshot
                && let Some(running) = &mut self.hosts.at_mut(place).running
                && let Err(error) = running.writer.put_snapshot(&snapshot)
            {
                self.tell(&format!("{place} cannot keep a snapshot: {error}"));
                self.die(place);
                return Ok(());
            }
        }
        self.plan_write(place);
        self.plan_engine(place);
        Ok(())
    }

    fn dies_midway(&mut self) -> bool {
        self.weather.die_midway > 0 && self.choices.chance(3)
    }

    fn perform(
        &mut self,
        place: Place,
        effect: Effect,
        told: u64,
        waits_for: EventSeq,
    ) -> Result<(), Violation> {
        let durable = self.hosts.at(place).durable.head;
        if durable < waits_for {
            let node = place.to_string();
            let effect = short(&format!("{effect:?}")).to_owned();
            return Err(Violation::Unsaved { node, effect, waits_for, durable });
        }
        if let Effect::Send(peer, _) | Effect::Disconnect(peer) = &effect
            && self.hosts.at(place).running.as_ref().is_some_and(|r| r.is_newer(peer, told))
        {
            let peer = self.history.place_of(peer);
            self.tell(&format!("{place} keeps back what was for an older link with {peer}"));
            return Ok(());
        }
        match effect {
            Effect::Send(peer, message) => {
                self.send(place, self.history.place_of(&peer), &message)?;
            }
            Effect::Disconnect(peer) => self.hang_up(place, self.history.place_of(&peer)),
            Effect::KeepConnected(peer, _) => {
                self.keep_connected(place, self.history.place_of(&peer));
            }
            // Whoever is connected here dials as long as it lives, and nobody shows it the mempool.
            Effect::Forget(_) | Effect::LookFor(_) => {}
            Effect::Broadcast(transactions) => {
                let names: Vec<String> =
                    transactions.iter().map(|t| t.compute_txid().to_string()).collect();
                self.tell(&format!("{place} broadcasts {}", names.join(" and ")));
                if let Some(running) = &mut self.hosts.at_mut(place).running {
                    running.orders.push_back(transactions);
                }
            }
            Effect::Reply(id, answer) => {
                let durable = &self.hosts.at(place).durable;
                let told = self.users.judge_answer(id, &answer, &self.history, durable)?;
                self.tell(&format!("{place} answers {}: {}", id.0, short(&told)));
            }
            Effect::Report(report) => self.report(place, &report),
        }
        Ok(())
    }

    fn send(&mut self, place: Place, peer: Place, message: &Message) -> Result<(), Violation> {
        self.hosts.at(place).durable.explain(message)?;
        if let Message::Fault(fault) = message
            && fault.code == FaultCode::Violation
            && fault.note.as_str().starts_with(ACCUSATION)
            && !self.topology.is_hostile(peer)
            && !self.topology.is_hostile(place)
        {
            let what = fault.note.as_str().to_owned();
            return Err(Violation::Accused { node: place.to_string(), what });
        }
        self.tally.messages += 1;
        let frames = if self.topology.is_hostile(place) {
            self.tampered(place, peer, message)
        } else {
            vec![message.to_frame()]
        };
        let mut is_on_its_way = true;
        for frame in frames {
            let delay = self.choices.below(self.weather.latency_ms_max + 1);
            let earliest = self.agenda.now().after(strait_primitives::Millis(delay));
            match self.network.send(place, peer, frame, earliest) {
                Some((connection, arrival)) => {
                    self.agenda.at(arrival, Happening::Arrival(peer, connection));
                }
                None => is_on_its_way = false,
            }
        }
        let fate = if is_on_its_way { "" } else { " into nothing" };
        self.tell(&format!("{place} says to {peer}: {}{fate}", describe(message)));
        Ok(())
    }

    fn report(&self, place: Place, report: &Report) {
        match report {
            Report::Overview(_)
            | Report::Round { .. }
            | Report::PaymentsSent { .. }
            | Report::PaymentsReceived { .. } => {}
            Report::ChannelOpened(_)
            | Report::ChannelResolved(_)
            | Report::ForceClosed(_)
            | Report::FundingSpent { .. }
            | Report::PeerFault { .. }
            | Report::PeerRepeats { .. }
            | Report::PeerComplaint { .. } => {
                self.tell(&format!("{place} reports {}", short(&format!("{report:?}"))));
            }
        }
    }

    /// The next write of a disk goes wrong.
    pub(super) fn spoil_write(&mut self, place: Place) {
        use strait_log::Fault;
        let ahead = self.choices.below(4);
        let faults = [Fault::CrashBefore, Fault::CrashTorn, Fault::CrashAfter, Fault::Full];
        let fault = *self.choices.pick(&faults);
        let disk = &self.hosts.at(place).disk;
        let write = WriteNumber(disk.next_write().0 + ahead);
        disk.lay(write, fault);
        self.tell(&format!("{place}'s write {} will be {fault:?}", write.0));
    }
}

/// A message in few words.
pub(super) fn describe(message: &Message) -> String {
    let name = message.name();
    match message {
        Message::Propose(m) => format!("{name} {} ({})", m.number, m.operations.as_slice().len()),
        Message::Accept(m) => format!("{name} {} {:?}", m.number, m.turn),
        Message::Finalize(m) => format!("{name} {} {:?}", m.number, m.turn),
        Message::Reestablish(m) => {
            let round = m.outstanding.map(|round| (round.role, round.number));
            format!("{name} at {} {round:?}", m.agreed)
        }
        Message::Fault(m) => format!("{name} {:?}: {}", m.code, m.note.as_str()),
        Message::Hello(_)
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
        | Message::CloseTerms(_) => name.to_owned(),
    }
}
