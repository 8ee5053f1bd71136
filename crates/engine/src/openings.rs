//! Opening channels: coins from the wallet, the peer's answers, and who waits.

use bitcoin::hashes::Hash;
use bitcoin::{Script, Weight};
use strait_channel::{AbandonReason, Answer as Answering, Channel, Decision, Offer, Reaction};
use strait_primitives::{ChannelId, Digest, FeeRate, KeySalt, NodeId, RequestKey, Sats};
use strait_wallet::{FundError, Purpose, SelectRequest};
use strait_wire::{
    AcceptChannel, Contribution, Fault, FaultCode, FundingInput, Note, OpenChannel, ScriptBytes,
    SignOpening,
};

use crate::admission::Place;
use crate::answer::{Answer, CommandError};
use crate::command::CommandId;
use crate::ended::EndedChannel;
use crate::engine::{Engine, Moment, Step, derive_entropy};
use crate::event::{Event, RequestSubject};
use crate::limits::{CAPACITY_MIN, INPUTS_MAX};
use crate::payments::{reply, short};
use crate::peers::Greeting;
use crate::requests::RequestFate;

/// Weight of an opening transaction beside its inputs: its frame, the funding output and two changes, all at their
/// longest, so that both sides reckon the same fee.
const OPENING_WEIGHT: Weight = Weight::from_wu((14 + 3 * 43) * 4 + 2);

/// What is asked of an opening.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) id: CommandId,
    pub(crate) key: RequestKey,
    pub(crate) node: NodeId,
    pub(crate) capacity: Sats,
    pub(crate) fee_rate: Option<FeeRate>,
}

impl Engine {
    pub(crate) fn command_open(&mut self, asked: Opening, moment: &Moment<'_>, out: &mut Step) {
        let digest = opening_digest(&asked);
        match self.book.requests.find(&asked.key) {
            Some(known) if known.digest != digest => {
                reply(asked.id, Err(CommandError::KeyReused), out);
            }
            Some(known) => {
                let fate = known.fate;
                self.answer_opening(asked.id, &fate, out);
            }
            None if self.waiters.has_request(&asked.key) => {
                reply(asked.id, Err(CommandError::KeyReused), out);
            }
            None => {
                let opened = self
                    .check_room()
                    .and_then(|()| self.check_disk())
                    .and_then(|()| self.open(&asked, digest, moment, out));
                if let Err(error) = opened {
                    reply(asked.id, Err(error), out);
                }
            }
        }
    }

    /// A repeated request: the channel as it is, or the wait for it.
    fn answer_opening(&mut self, id: CommandId, fate: &RequestFate, out: &mut Step) {
        let RequestFate::Became(RequestSubject::OpenChannel(channel)) = *fate else {
            return reply(id, Err(CommandError::KeyReused), out);
        };
        let state = self.channels.get(&channel).map(Channel::state);
        match state {
            None if self.book.ended.find(&channel).is_some_and(EndedChannel::is_settled) => {
                self.reply_channel(id, channel, out);
            }
            None => {
                let reason = "the opening came to nothing".into();
                reply(id, Err(CommandError::OpeningFailed { channel, reason }), out);
            }
            Some(state) if state.live().is_none() => {
                self.waiters.openings.entry(channel).or_default().push(id);
            }
            Some(_) => self.reply_channel(id, channel, out),
        }
    }

    fn open(
        &mut self,
        asked: &Opening,
        digest: RequestKey,
        moment: &Moment<'_>,
        out: &mut Step,
    ) -> Result<(), CommandError> {
        if asked.node == self.config.node {
            return Err(CommandError::OwnId);
        }
        if self.greeting(&asked.node) != Some(Greeting::Done) {
            return Err(CommandError::NotConnected(asked.node));
        }
        let (min, max) = (CAPACITY_MIN, self.config.opening.capacity_max);
        if asked.capacity < min || asked.capacity > max {
            return Err(CommandError::Capacity { actual: asked.capacity, min, max });
        }
        let nonce = Digest::from_bytes(derive_entropy(&moment.entropy, b"nonce"));
        let channel = strait_channel::channel_id(&self.config.node, &asked.node, &nonce);
        let fee_rate = self.asked_rate(asked.fee_rate)?;
        let contribution = self.contribute(channel, asked.capacity, fee_rate, moment, out)?;
        let subject = RequestSubject::OpenChannel(channel);
        self.record(Event::RequestBegun { key: asked.key, digest, subject }, out);
        let salt = KeySalt::from_bytes(derive_entropy(&moment.entropy, b"salt"));
        let offer = Offer {
            peer: asked.node,
            nonce,
            salt,
            contribution,
            fee_rate,
            wallet_script: self.own_script(Purpose::Payout(channel), out),
        };
        let mut decision = Decision::default();
        let machine = Channel::offer(
            &self.config.node,
            offer,
            &self.config.opening,
            self.seed.channel_signer(&salt),
            moment.now,
            &mut decision,
        );
        self.channels.insert(channel, machine);
        self.waiters.openings.entry(channel).or_default().push(asked.id);
        self.absorb(channel, decision, moment, out);
        Ok(())
    }

    /// Coins for a channel, held until it lives or is given up.
    fn contribute(
        &mut self,
        channel: ChannelId,
        amount: Sats,
        fee_rate: FeeRate,
        moment: &Moment<'_>,
        out: &mut Step,
    ) -> Result<Contribution, CommandError> {
        let request = SelectRequest {
            amount,
            other_weight: OPENING_WEIGHT,
            fee_rate,
            keep: self.reserve_of_one_more().amount,
            inputs_max: INPUTS_MAX,
            entropy: derive_entropy(&moment.entropy, b"coins"),
        };
        let (selection, change) = self
            .wallet
            .select(&request, Purpose::Opening(channel))
            .map_err(|error: FundError| CommandError::Funds(error))?;
        self.record(Event::Wallet(change), out);
        let back = selection.change.as_ref().and_then(|back| Sats::new(back.value.to_sat()).ok());
        if let Err(error) = self.check_reserve(back) {
            if let Some(change) = self.wallet.release(Purpose::Opening(channel)) {
                self.record(Event::Wallet(change), out);
            }
            return Err(error);
        }
        let change = match &selection.change {
            Some(output) => script_bytes(&output.script_pubkey),
            None => self.own_script(Purpose::Opening(channel), out),
        };
        let inputs = selection.inputs.iter().map(|coin| FundingInput {
            txid: Digest::from_bytes(coin.outpoint.txid.to_byte_array()),
            index: coin.outpoint.vout,
            value: Sats::new(coin.txout.value.to_sat()).expect("a mined coin is an amount"),
            script: script_bytes(&coin.txout.script_pubkey),
        });
        Ok(Contribution { amount, inputs: inputs.collect(), change })
    }

    /// The script of this node's wallet for a purpose. The log hears of it when it is a new one.
    fn own_script(&mut self, purpose: Purpose, out: &mut Step) -> ScriptBytes {
        let (script, change) = self.wallet.address_for(purpose);
        if !change.is_empty() {
            self.record(Event::Wallet(change), out);
        }
        script_bytes(&script)
    }

    pub(crate) fn handle_open_channel(
        &mut self,
        peer: NodeId,
        open: OpenChannel,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let id = open.channel;
        let mut decision = Decision::default();
        let done = match self.channels.get(&id) {
            Some(channel) if channel.peer() == peer => {
                channel.handle_open_again(&open, &mut decision)
            }
            Some(_) => return,
            None if self.book.ended.holds(&id) => {
                let note = format!("a channel {id} was here before: choose another nonce");
                return self.fault(peer, Some(id), FaultCode::Refused, &note, out);
            }
            None => match self.admit_opening(peer, moment.now) {
                Err(note) => {
                    return self.fault(peer, Some(id), FaultCode::Refused, &note, out);
                }
                Ok(place) => {
                    let answered = self.answer_open(peer, open, moment, &mut decision, out);
                    if let (Ok(()), Place::Of(victim)) = (&answered, place) {
                        self.give_place(victim, moment, out);
                    }
                    answered
                }
            },
        };
        if let Err(reaction) = done {
            self.report_fault(peer, id, &reaction, out);
        }
        self.absorb(id, decision, moment, out);
    }

    /// Judges a peer's request, and only then promises it anything: what is refused leaves no trace in log or wallet.
    fn answer_open(
        &mut self,
        peer: NodeId,
        open: OpenChannel,
        moment: &Moment<'_>,
        decision: &mut Decision,
        out: &mut Step,
    ) -> Result<(), Reaction> {
        let id = open.channel;
        let salt = KeySalt::from_bytes(derive_entropy(&moment.entropy, b"salt"));
        let purpose = Purpose::Payout(id);
        let wallet_script = script_bytes(&self.wallet.peek_address_for(purpose));
        let answering = Answering { peer, open, salt, wallet_script: wallet_script.clone() };
        let channel = Channel::answer(
            &self.config.node,
            answering,
            &self.config.opening,
            self.seed.channel_signer(&salt),
            moment.now,
            decision,
        )?;
        let promised = self.own_script(purpose, out);
        assert_eq!(promised, wallet_script, "what was shown is what is promised");
        self.answered_openings.push_back((moment.now, peer, id));
        self.channels.insert(id, channel);
        Ok(())
    }

    pub(crate) fn handle_accept_channel(
        &mut self,
        id: ChannelId,
        accept: AcceptChannel,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let mut decision = Decision::default();
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let done = channel.handle_accept_channel(accept, &self.config.opening, &mut decision);
        self.finish(id, done, decision, moment, out);
    }

    pub(crate) fn handle_sign_opening(
        &mut self,
        id: ChannelId,
        message: &SignOpening,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let mut decision = Decision::default();
        let tip = self.tip().height;
        let Self { channels, wallet, seed, .. } = self;
        let Some(channel) = channels.get_mut(&id) else { return };
        let sign = |funding: &strait_onchain::FundingTransaction| {
            crate::coins::sign(wallet, seed, funding.to_psbt())
        };
        let done = channel.handle_sign_opening(message, tip, sign, &mut decision);
        let refused = done.is_err();
        self.finish(id, done, decision, moment, out);
        if refused {
            // The opener never had this node's signature, and is told to give up: nobody will fund the channel.
            self.forsake(id, AbandonReason::Peer, moment, out);
        }
    }

    fn finish(
        &mut self,
        id: ChannelId,
        done: Result<(), Reaction>,
        mut decision: Decision,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        if let Err(reaction) = done {
            let Some(channel) = self.channels.get_mut(&id) else { return };
            let peer = channel.peer();
            channel.react(&reaction, &mut decision);
            self.report_fault(peer, id, &reaction, out);
        }
        self.absorb(id, decision, moment, out);
    }

    /// The peer says that an opening fails.
    pub(crate) fn fail_opening(
        &mut self,
        id: ChannelId,
        what: &str,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let live = self.channels.get(&id).is_none_or(|channel| channel.state().live().is_some());
        if live {
            return;
        }
        self.tell_abandoned(id, what, out);
        self.with_channel(id, moment, out, |channel, _, decision| {
            channel.give_up(AbandonReason::Peer, decision);
        });
    }

    /// An opening came to nothing: its coins are free again.
    pub(crate) fn tell_abandoned(&mut self, id: ChannelId, why: &str, out: &mut Step) {
        if let Some(change) = self.wallet.release(Purpose::Opening(id)) {
            self.record(Event::Wallet(change), out);
        }
        for command in self.waiters.openings.remove(&id).unwrap_or_default() {
            let reason = why.to_owned();
            reply(command, Err(CommandError::OpeningFailed { channel: id, reason }), out);
        }
    }

    /// The peer of an opening that this node gave up hears of it, so that it need not find out by itself.
    pub(crate) fn tell_given_up(&self, peer: NodeId, id: ChannelId, why: &str, out: &mut Step) {
        if self.greeting(&peer) == Some(Greeting::Done) {
            let (channel, code, note) = (Some(id), FaultCode::UnknownChannel, Note::cut(why));
            crate::peers::send(peer, Fault { channel, code, note }, out);
        }
    }

    /// A channel is signed, and its funding on its way.
    pub(crate) fn tell_opened(&mut self, id: ChannelId, out: &mut Step) {
        for command in self.waiters.openings.remove(&id).unwrap_or_default() {
            self.reply_channel(command, id, out);
        }
    }

    pub(crate) fn reply_channel(&self, id: CommandId, channel: ChannelId, out: &mut Step) {
        let view = self.channel_view(&channel).ok_or(CommandError::UnknownChannel(channel));
        reply(id, view.map(|view| Answer::Channel(Box::new(view))), out);
    }
}

pub(crate) fn script_bytes(script: &Script) -> ScriptBytes {
    ScriptBytes::new(script.as_bytes()).expect("a wallet's own scripts are short")
}

fn opening_digest(asked: &Opening) -> RequestKey {
    use bitcoin::hashes::{HashEngine, sha256};
    let mut engine = sha256::Hash::engine();
    engine.input(b"open");
    engine.input(asked.node.as_bytes());
    engine.input(&asked.capacity.to_sat().to_be_bytes());
    let rate = asked.fee_rate.map(FeeRate::to_sat_per_kvb);
    engine.input(&minicbor::to_vec(rate).expect("writing to memory cannot fail"));
    short(engine)
}
