//! Messages to channels, and what channels want done.

use std::error::Error;

use strait_channel::{
    AbandonReason, Channel, ChannelEffect, ChannelEvent, Decision, ForceReason, Notice, Reaction,
};
use strait_primitives::{ChannelId, NodeId};
use strait_wallet::Purpose;
use strait_wire::{Fault, FaultCode, Message, Note, OfferContract, Operations, RefuseContract};

use crate::effect::{Effect, Report};
use crate::engine::{Engine, Moment, Policy, Step, derive_entropy};
use crate::event::Event;
use crate::peers::Greeting;
use crate::state::placed;

impl Engine {
    pub(crate) fn handle_peer_message(
        &mut self,
        peer: NodeId,
        message: Message,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let before = out.events.len();
        self.hear(peer, message, moment, out);
        let events = out.events.len().saturating_sub(before);
        self.note_heard(peer, events, moment.now, out);
    }

    fn hear(&mut self, peer: NodeId, message: Message, moment: &Moment<'_>, out: &mut Step) {
        match (self.greeting(&peer), &message) {
            // What is left of a connection that is gone.
            (None | Some(Greeting::Dismissed), _) => {}
            (Some(Greeting::Awaited | Greeting::Done), Message::Hello(hello)) => {
                self.handle_hello(peer, hello, out);
            }
            (Some(Greeting::Awaited), _) => {
                let what = format!("{} before a greeting", message.name());
                self.fault(peer, None, FaultCode::Violation, &what, out);
                self.dismiss(peer, out);
            }
            (Some(Greeting::Done), Message::Fault(complaint)) => {
                self.handle_complaint(peer, complaint, moment, out);
            }
            (Some(Greeting::Done), _) => self.route(peer, message, moment, out),
        }
    }

    fn route(&mut self, peer: NodeId, message: Message, moment: &Moment<'_>, out: &mut Step) {
        let Some(id) = message.channel() else { return };
        if let Message::OpenChannel(open) = message {
            return self.handle_open_channel(peer, open, moment, out);
        }
        if self.channels.get(&id).is_none_or(|channel| channel.peer() != peer) {
            let what = format!("{} for a channel that is not known here", message.name());
            let code = self.code_for_unknown(&id, &message);
            self.fault(peer, Some(id), code, &what, out);
            // It hears why, in case it has a channel that this node has settled and forgotten.
            if self.is_stranger(peer) {
                self.dismiss(peer, out);
            }
            return;
        }
        if let Message::OfferContract(OfferContract { contract, .. }) = message
            && self.is_named_elsewhere(id, &contract)
        {
            let note = Note::cut("another channel has a contract of this name");
            crate::peers::send(peer, RefuseContract { channel: id, contract, note }, out);
        } else if let Message::Propose(propose) = message {
            // Before it is weighed: whatever becomes of it, a preimage in it is known.
            self.learn_from(id, &propose, out);
            self.weigh_proposal(peer, propose, moment, out);
        } else if let Message::AcceptChannel(accept) = message {
            self.handle_accept_channel(id, accept, moment, out);
        } else if let Message::SignOpening(sign) = message {
            self.handle_sign_opening(id, &sign, moment, out);
        } else {
            self.pass_on(peer, id, message, moment, out);
        }
        self.dirty.insert(id);
    }

    /// Hands a message to its channel, and carries out what a fault of the peer asks for.
    pub(crate) fn pass_on(
        &mut self,
        peer: NodeId,
        id: ChannelId,
        message: Message,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let mut failed = None;
        self.with_channel(id, moment, out, |channel, moment, decision| {
            if let Err(reaction) = channel.handle_message(message, moment, decision) {
                channel.react(&reaction, decision);
                failed = Some(reaction);
            }
        });
        if let Some(reaction) = failed {
            self.report_fault(peer, id, &reaction, out);
        }
    }

    /// A peer says that something is wrong. Its word moves nothing of value: it is heard where an opening fails, where
    /// nothing was ever funded, and where it asks for a close because it lost its data or has nothing to pay for it with.
    fn handle_complaint(
        &mut self,
        peer: NodeId,
        complaint: &Fault,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        self.report_complaint(peer, complaint, out);
        if self.is_stranger(peer) {
            return self.dismiss(peer, out);
        }
        let what = complaint.note.as_str().to_owned();
        let Some(id) = complaint.channel else { return };
        if self.channels.get(&id).is_none_or(|channel| channel.peer() != peer) {
            return;
        }
        let asked = match complaint.code {
            FaultCode::DataLost => Some(ForceReason::PeerLost),
            FaultCode::CloseAsked => Some(ForceReason::Asked),
            FaultCode::Violation
            | FaultCode::Refused
            | FaultCode::UnknownChannel
            | FaultCode::Incompatible
            | _ => None,
        };
        if let Some(reason) = asked {
            self.with_channel(id, moment, out, |channel, _, decision| {
                channel.force_close(reason, decision);
            });
            return;
        }
        self.fail_opening(id, &what, moment, out);
        if complaint.code == FaultCode::UnknownChannel {
            // An opener that gave up has forgotten what its acceptor has signed.
            self.forsake(id, AbandonReason::Peer, moment, out);
        }
    }

    /// Lets a channel act, and carries out what it decides.
    pub(crate) fn with_channel(
        &mut self,
        id: ChannelId,
        moment: &Moment<'_>,
        out: &mut Step,
        act: impl FnOnce(&mut Channel, &strait_channel::Moment<'_>, &mut Decision),
    ) {
        let (tip, close_fee_rate) = (self.tip().height, self.fee_rate());
        let policy = Policy {
            modules: &self.book.modules,
            contracts: moment.contracts,
            collateral_max: self.config.contract_collateral_max,
            allowed: self.config.contract_modules.as_ref(),
            disk: self.disk,
        };
        let settlements = self.payments.settlements(id, self.showing());
        let tip_standing = self.tip_standing();
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let inner = strait_channel::Moment {
            now: moment.now,
            tip,
            tip_standing,
            contracts: moment.contracts,
            policy: &policy,
            settlements: &settlements,
            close_fee_rate,
            entropy: derive_entropy(&moment.entropy, id.as_bytes()),
        };
        let mut decision = Decision::default();
        act(channel, &inner, &mut decision);
        self.absorb(id, decision, moment, out);
    }

    /// Takes a channel's decision into the node's step.
    pub(crate) fn absorb(
        &mut self,
        id: ChannelId,
        decision: Decision,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let Some(peer) = self.channels.get(&id).map(Channel::peer) else { return };
        for event in decision.events {
            self.note_event(id, peer, &event, out);
            out.events.push(Event::Channel { channel: id, event });
        }
        for effect in decision.effects {
            match effect {
                ChannelEffect::Send(message) => {
                    out.effects.push(Effect::Send(peer, Box::new(message)));
                }
                ChannelEffect::Disconnect => out.effects.push(Effect::Disconnect(peer)),
                ChannelEffect::Broadcast(transaction) => {
                    self.broadcast_for(id, transaction, moment, out);
                }
                ChannelEffect::Notice(notice) => self.handle_notice(id, notice, out),
            }
        }
        self.dirty.insert(id);
        self.drop_if_over(id, peer, out);
    }

    fn note_event(&mut self, id: ChannelId, peer: NodeId, event: &ChannelEvent, out: &mut Step) {
        self.book.note_channel_event(id, event);
        self.note_lock_event(id, event);
        let mut report = |report| out.effects.push(Effect::Report(report));
        if let ChannelEvent::Opened { funding, .. } = event {
            self.funding_outputs.insert(funding.outpoint(), id);
            report(Report::ChannelOpened(id));
            if self.is_sought(peer) {
                self.keep_connected(peer, out);
            }
        } else if let ChannelEvent::FundingConfirmed { .. } = event {
            self.keep_connected(peer, out);
        } else if let ChannelEvent::ForceClosed { .. } = event {
            report(Report::ForceClosed(id));
        } else if let ChannelEvent::Proposed { operations, .. } = event {
            let payments = crate::payments::payments_in(operations.as_slice());
            self.proposed_payments.insert(id, payments);
        } else if let ChannelEvent::Resolved { .. } = event {
            report(Report::ChannelResolved(id));
        }
    }

    /// Forgets a channel whose end is final. The address it would have paid is free again, unless it did.
    fn drop_if_over(&mut self, id: ChannelId, peer: NodeId, out: &mut Step) {
        if let Some(channel) = self.channels.get(&id)
            && channel.state().is_over()
        {
            self.book.ended.note(channel.state());
            if let Some(change) = self.wallet.release(Purpose::Payout(id)) {
                self.record(Event::Wallet(change), out);
            }
            self.channels.remove(&id);
            self.watchers.remove(&id);
            self.dirty.remove(&id);
            self.last_rounds_told.remove(&id);
            self.proposed_payments.remove(&id);
            self.forget_waiting(id);
            self.funding_outputs.retain(|_, channel| *channel != id);
            if !self.is_sought(peer) {
                out.effects.push(Effect::Forget(peer));
            }
        }
    }

    /// Tells a peer, and this node's operator, how it broke the protocol.
    pub(crate) fn report_fault(
        &mut self,
        peer: NodeId,
        id: ChannelId,
        reaction: &Reaction,
        out: &mut Step,
    ) {
        let code = match reaction {
            Reaction::Close(_) => FaultCode::Violation,
            Reaction::Refuse { code, .. } => *code,
            Reaction::Retry(_) => return,
        };
        self.fault(peer, Some(id), code, &chain_of(reaction), out);
    }

    fn handle_notice(&mut self, id: ChannelId, notice: Notice, out: &mut Step) {
        match notice {
            Notice::Irrevocable { number, operations, requests } => {
                self.tell_irrevocable(id, number, placed(operations, &requests), out);
            }
            Notice::Received { number: _, operations } => {
                report_received(id, &operations, out);
            }
            Notice::Refused { request, reason } => self.tell_refused(id, request, reason, out),
            Notice::Opened => self.tell_opened(id, out),
            Notice::Abandoned => self.tell_abandoned(id, "the peer did not go on", out),
            Notice::ContractAnswered { contract, answer } => {
                self.tell_contract_answer(id, contract, answer, out);
            }
            Notice::CloseAgreed => self.tell_closing(id, out),
            Notice::CloseRefused { reason } => self.tell_close_refused(id, &reason, out),
        }
    }
}

/// An error and all its causes in one line.
fn chain_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn report_received(id: ChannelId, operations: &Operations, out: &mut Step) {
    let list = operations.as_slice();
    let (count, total) = crate::payments::payments_in(list);
    if count > 0 {
        let report = Report::PaymentsReceived { channel: id, count, total };
        out.effects.push(Effect::Report(report));
    }
    out.effects.push(Effect::Report(Report::Round { operations: list.len() as u64 }));
}
