//! Answers, held against what the disks of both nodes say.

use strait_channel::{Funded, Spender};
use strait_engine::{Answer, Command, CommandError, CommandId, PaymentDone};
use strait_primitives::{RequestKey, TokenId};

use super::{Done, Fate, Purpose, Request, RequestIndex, Users};
use crate::durable::Durable;
use crate::history::History;
use crate::oracle::Violation;

impl Users {
    /// A node answers.
    pub(crate) fn judge_answer(
        &mut self,
        id: CommandId,
        answer: &Result<Answer, CommandError>,
        history: &History,
        durable: &Durable,
    ) -> Result<String, Violation> {
        let Some(index) = self.desk.remove(&id) else { return Ok("an answer to nobody".into()) };
        let request = self.requests.get_mut(index.0).expect("an index of a request");
        request.open = request.open.saturating_sub(1);
        self.answered += 1;
        if !durable.is_fair() {
            return Ok(self.believe(index, answer));
        }
        match answer {
            Ok(answer) => {
                let done = request.accept(answer, history, durable)?;
                if let (Fate::Done(before), true) = (request.fate, request.is_for_ever())
                    && before != done
                {
                    return Err(request.wrong(&format!("{done:?}"), "it was another answer before"));
                }
                request.fate = Fate::Done(done);
                let (key, place) = (request.key, request.place);
                let revoked = request.revokes();
                if let Done::Round(round) = done {
                    self.claim(key, round)?;
                }
                if let Answer::Address(script) = answer {
                    self.addresses.at_mut(place).push(script.clone());
                }
                if let Some(token) = revoked {
                    self.note_revoked(token);
                }
                Ok(format!("{key} done: {done:?}"))
            }
            Err(error) => {
                request.refuse(error, history, durable)?;
                Ok(format!("{} refused: {}", request.key, text_of(error)))
            }
        }
    }

    /// Takes a node's word that plays foul: its users must see to themselves.
    fn believe(&mut self, index: RequestIndex, answer: &Result<Answer, CommandError>) -> String {
        let request = self.requests.get_mut(index.0).expect("an index of a request");
        request.fate = if answer.is_ok() { Fate::Done(Done::Nothing) } else { Fate::Refused };
        if let Ok(Answer::Address(script)) = answer {
            let place = request.place;
            self.addresses.at_mut(place).push(script.clone());
        }
        "something to its user".to_owned()
    }

    /// No operation is told to two users as theirs.
    fn claim(&mut self, key: RequestKey, done: PaymentDone) -> Result<(), Violation> {
        for offset in 0..done.count {
            let place = (done.channel, done.number, done.first_index + offset);
            let before = *self.claimed.entry(place).or_insert(key);
            if before != key {
                let request = self.requests.iter().find(|request| request.key == key);
                let request = request.expect("an answered request is remembered");
                return Err(request.wrong(&format!("{done:?}"), "this is another request's"));
            }
        }
        Ok(())
    }
}

impl Request {
    /// The token that is good for nothing once this is done.
    const fn revokes(&self) -> Option<TokenId> {
        if let Command::RevokeToken(token) = self.command { Some(token) } else { None }
    }

    /// True if the first answer must be every answer.
    const fn is_for_ever(&self) -> bool {
        match self.purpose {
            Purpose::Operations
            | Purpose::OpenChannel
            | Purpose::OpenContract
            | Purpose::SendCoins => true,
            Purpose::Nonsense
            | Purpose::CloseChannel
            | Purpose::Lock
            | Purpose::Token
            | Purpose::Setup => false,
        }
    }

    fn accept(
        &self,
        answer: &Answer,
        history: &History,
        durable: &Durable,
    ) -> Result<Done, Violation> {
        match (self.purpose, answer) {
            (Purpose::Operations, Answer::Done(done)) => {
                self.check_done(done, history, durable)?;
                Ok(Done::Round(*done))
            }
            (Purpose::OpenChannel, Answer::Channel(view)) => Ok(Done::Channel(view.channel)),
            (Purpose::OpenContract, Answer::Contract(view)) => Ok(Done::Contract(view.contract)),
            (Purpose::Lock, Answer::Lock(_)) => Ok(Done::Nothing),
            (Purpose::SendCoins, Answer::Sent { txid, .. }) => Ok(Done::Coins(*txid)),
            (Purpose::CloseChannel | Purpose::Setup, _) | (Purpose::Token, Answer::Token(_)) => {
                Ok(Done::Nothing)
            }
            (
                Purpose::Operations
                | Purpose::Nonsense
                | Purpose::OpenChannel
                | Purpose::OpenContract
                | Purpose::Lock
                | Purpose::Token
                | Purpose::SendCoins,
                _,
            ) => Err(self.wrong(&format!("{answer:?}"), "this is no answer to it")),
        }
    }

    /// What is called irrevocable stands in the history of both nodes, as it was asked.
    fn check_done(
        &self,
        done: &PaymentDone,
        history: &History,
        durable: &Durable,
    ) -> Result<(), Violation> {
        let wrong = |fault| self.wrong(&format!("{done:?}"), fault);
        let channel =
            history.channels.get(&done.channel).ok_or_else(|| wrong("no such channel"))?;
        // The payer may hold less only where the chain has settled what it proposed: by the commitment of the other.
        let state = durable.state.channels.get(&done.channel);
        let by_peer = state.is_none_or(|state| {
            let funded = state.live().map(|live| live.funded);
            matches!(funded, Some(Funded::Spent { by: Spender::Counterparty, .. }))
        });
        let own = by_peer || channel.held(self.place) >= done.number;
        let peer = history.is_fair(&done.channel).then(|| channel.peer_of(self.place));
        if !own || peer.is_some_and(|peer| channel.held(peer) < done.number) {
            return Err(wrong("a node does not hold this round"));
        }
        let Some(round) = channel.rounds.get(&done.number) else {
            // A peer that plays foul may bring on chain what it never said that it accepts.
            let is_settled = by_peer && !history.is_fair(&done.channel);
            return if is_settled { Ok(()) } else { Err(wrong("no such round")) };
        };
        if channel.place_of(round.proposer) != self.place {
            return Err(wrong("the other node proposed this round"));
        }
        let first = usize::try_from(done.first_index).expect("an index fits memory");
        let count = usize::try_from(done.count).expect("a count fits memory");
        let found = round.operations.as_slice().iter().skip(first).take(count);
        if !found.eq(self.expects.iter()) {
            return Err(wrong("the round holds something else there"));
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        error: &CommandError,
        history: &History,
        durable: &Durable,
    ) -> Result<(), Violation> {
        let text = text_of(error);
        if let (Fate::Done(_), Purpose::Operations | Purpose::SendCoins) = (self.fate, self.purpose)
        {
            return Err(self.wrong(&text, "it was done before"));
        }
        if self.purpose == Purpose::Nonsense {
            self.fate = Fate::Done(Done::Nothing);
            return Ok(());
        }
        if *error == CommandError::KeyReused {
            return Err(self.wrong(&text, "the key was used for this alone"));
        }
        // With another asking under way the disk may already know more than this answer could.
        if self.open == 0 && self.purpose == Purpose::Operations {
            self.check_refused(&text, history, durable)?;
        }
        if !matches!(self.fate, Fate::Done(_)) {
            self.fate = Fate::Refused;
        }
        Ok(())
    }

    /// What is refused was not carried out, and is not on its way.
    fn check_refused(
        &self,
        text: &str,
        history: &History,
        durable: &Durable,
    ) -> Result<(), Violation> {
        let known = durable.state.book.requests.find(&self.key);
        let Some(done) = known.and_then(|known| known.fate.done()) else { return Ok(()) };
        let held = history.channels.get(&done.channel).map(|channel| channel.held(self.place));
        if held.is_some_and(|held| held >= done.number) {
            return Err(self.wrong(text, "it was carried out"));
        }
        let channel = durable.state.channels.get(&done.channel);
        if channel.is_some_and(|channel| channel.live().is_some()) {
            return Err(self.wrong(text, "its round may still be accepted"));
        }
        Ok(())
    }
}

/// An error with its causes, in one line.
fn text_of(error: &CommandError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
