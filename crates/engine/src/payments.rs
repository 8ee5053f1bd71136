//! Requests that rounds carry out: payments, and actions in contracts.
//!
//! A command waits here until its operations are irrevocable, however often it is asked: the same key joins the wait,
//! and a key that was carried out long ago is answered at once. Waiting is memory; what is known is in the log.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_channel::{CarriedRequest, Outstanding, Request, RequestError};
use strait_payment::LockKey;
use strait_primitives::{ChannelId, CommitmentNumber, ContractId, MilliSats, RequestKey};
use strait_wire::{Operation, Operations};

use crate::answer::{Answer, CommandError, PaymentDone};
use crate::command::{CommandId, Payment};
use crate::effect::{Effect, Report};
use crate::engine::{Engine, Step};
use crate::limits::REQUESTS_MAX;
use crate::requests::{PlacedRequest, RequestFate};

/// Commands that wait for an outcome.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// By the key of a request that a round carries or will carry.
    requests: BTreeMap<RequestKey, Pending>,
    /// By the channel being opened.
    pub(crate) openings: BTreeMap<ChannelId, Vec<CommandId>>,
    /// By the channel being closed.
    pub(crate) closings: BTreeMap<ChannelId, Vec<CommandId>>,
    /// By the lock being claimed or given back.
    pub(crate) locks: BTreeMap<LockKey, Vec<CommandId>>,
    /// By the contract being opened.
    pub(crate) contracts: BTreeMap<ContractId, Vec<CommandId>>,
}

/// A request that waits for its round.
#[derive(Debug)]
struct Pending {
    digest: RequestKey,
    commands: Vec<CommandId>,
    /// What the answer shows.
    about: About,
}

/// What a request is about, beside its operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) id: CommandId,
    pub(crate) key: RequestKey,
    pub(crate) channel: ChannelId,
    /// What the answer shows.
    pub(crate) about: About,
}

/// What the answer to a request shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    /// Where its operations are.
    Operations,
    /// The contract that it opens or changes.
    Contract(ContractId),
    /// The lock that it offers.
    Lock,
}

impl Waiters {
    /// Everyone who waits for a request.
    pub(crate) fn take(&mut self, key: &RequestKey) -> Vec<CommandId> {
        self.requests.remove(key).map(|pending| pending.commands).unwrap_or_default()
    }

    /// True if a request with this key waits for a round, or for the end of one.
    pub(crate) fn has_request(&self, key: &RequestKey) -> bool {
        self.requests.contains_key(key)
    }
}

impl Engine {
    pub(crate) fn command_pay(
        &mut self,
        id: CommandId,
        key: RequestKey,
        channel: ChannelId,
        payments: &[Payment],
        out: &mut Step,
    ) {
        let asked = Asked { id, key, channel, about: About::Operations };
        match self.check_payments(channel, payments) {
            Ok(()) => {
                let operations = payments.iter().map(|payment| Operation::Pay {
                    amount: payment.amount,
                    reference: payment.reference.clone(),
                });
                self.ask(asked, operations.collect(), out);
            }
            Err(error) => reply(id, Err(error), out),
        }
    }

    fn check_payments(&self, channel: ChannelId, payments: &[Payment]) -> Result<(), CommandError> {
        if payments.is_empty() {
            return Err(CommandError::Empty);
        }
        if let Some(index) = payments.iter().position(|p| p.amount == MilliSats::ZERO) {
            return Err(CommandError::Zero { index });
        }
        let Some(live) = self.channels.get(&channel).and_then(|c| c.state().live()) else {
            // Asking the channel itself says what it is instead.
            return Ok(());
        };
        let capacity = live.setup.funding.value.to_millisats();
        let total = MilliSats::checked_sum(payments.iter().map(|payment| payment.amount));
        match total {
            Some(amount) if amount <= capacity => Ok(()),
            Some(amount) => Err(CommandError::AboveCapacity { amount, capacity }),
            None => Err(CommandError::AboveCapacity { amount: MilliSats::MAX, capacity }),
        }
    }

    /// Has operations carried out once, whoever asks how often under the same key.
    pub(crate) fn ask(&mut self, asked: Asked, operations: Vec<Operation>, out: &mut Step) {
        let Asked { id, key, channel, about } = asked;
        let digest = digest_of(channel, &operations);
        if let Some(known) = self.book.requests.find(&key) {
            let (known_digest, fate) = (known.digest, known.fate);
            if known_digest != digest {
                return reply(id, Err(CommandError::KeyReused), out);
            }
            return self.join_or_answer(asked, digest, &fate, out);
        }
        if let Some(pending) = self.waiters.requests.get_mut(&key) {
            if pending.digest != digest {
                return reply(id, Err(CommandError::KeyReused), out);
            }
            pending.commands.push(id);
            return;
        }
        let queued = self
            .check_room()
            .and_then(|()| self.check_disk_for(&operations))
            .and_then(|()| self.enqueue(channel, key, digest, operations));
        if let Err(error) = queued {
            return reply(id, Err(error), out);
        }
        let pending = Pending { digest, commands: vec![id], about };
        self.waiters.requests.insert(key, pending);
        self.dirty.insert(channel);
    }

    /// Refuses a new key while no known one may be forgotten for it.
    pub(crate) fn check_room(&self) -> Result<(), CommandError> {
        let known = self.book.requests.len().saturating_add(self.waiters.requests.len());
        if known >= REQUESTS_MAX {
            return Err(CommandError::TooManyRequests { limit: REQUESTS_MAX });
        }
        Ok(())
    }

    pub(crate) fn enqueue(
        &mut self,
        channel: ChannelId,
        key: RequestKey,
        digest: RequestKey,
        operations: Vec<Operation>,
    ) -> Result<(), CommandError> {
        let refused = |source| CommandError::Channel { channel, source };
        let operations =
            Operations::new(operations).map_err(|e| refused(RequestError::TooLarge(e)))?;
        let machine =
            self.channels.get_mut(&channel).ok_or(CommandError::UnknownChannel(channel))?;
        machine.request(Request { key, digest, operations }).map_err(refused)
    }

    /// A request that is known: answered if its round is over, else it waits with those who asked before.
    fn join_or_answer(
        &mut self,
        asked: Asked,
        digest: RequestKey,
        fate: &RequestFate,
        out: &mut Step,
    ) {
        let Asked { id, key, channel, about } = asked;
        let done = match (fate, fate.done()) {
            (_, Some(done)) => done,
            (RequestFate::Failed(channel), None) => {
                return reply(id, Err(CommandError::ChannelClosed(*channel)), out);
            }
            (RequestFate::Became(_) | RequestFate::InRound { .. }, None) => {
                return reply(id, Err(CommandError::KeyReused), out);
            }
        };
        if self.is_in_flight(channel, done.number) {
            let pending = self.waiters.requests.entry(key).or_insert_with(|| Pending {
                digest,
                commands: Vec::new(),
                about,
            });
            pending.commands.push(id);
        } else {
            self.answer_done(id, key, about, done, out);
        }
    }

    fn is_in_flight(&self, channel: ChannelId, number: CommitmentNumber) -> bool {
        if self.last_rounds_told.contains(&channel) {
            return false;
        }
        let live = self.channels.get(&channel).and_then(|channel| channel.state().live());
        live.is_some_and(|live| {
            matches!(&live.rounds.outstanding,
                Some(Outstanding::Proposed { number: proposed, .. }) if *proposed == number)
        })
    }

    /// Requests are irrevocable: tells everyone who waits for them.
    pub(crate) fn tell_irrevocable(
        &mut self,
        channel: ChannelId,
        number: CommitmentNumber,
        requests: impl Iterator<Item = PlacedRequest>,
        out: &mut Step,
    ) {
        let mut operations = 0_u64;
        for PlacedRequest { key, digest: _, first_index, count } in requests {
            operations += u64::from(count);
            let Some(pending) = self.waiters.requests.remove(&key) else { continue };
            let done = PaymentDone { channel, number, first_index, count };
            for id in pending.commands {
                self.answer_done(id, key, pending.about, done, out);
            }
        }
        if let Some((count @ 1.., total)) = self.proposed_payments.remove(&channel) {
            out.effects.push(Effect::Report(Report::PaymentsSent { channel, count, total }));
        }
        out.effects.push(Effect::Report(Report::Round { operations }));
        self.dirty.insert(channel);
    }

    fn answer_done(
        &self,
        id: CommandId,
        key: RequestKey,
        about: About,
        done: PaymentDone,
        out: &mut Step,
    ) {
        let answer = match about {
            About::Operations => None,
            About::Contract(contract) => {
                let mut all = self.contract_views(&done.channel).into_iter();
                all.find(|view| view.contract == contract).map(Box::new).map(Answer::Contract)
            }
            About::Lock => {
                let lock = self.payments.offered_by(&key);
                let view = lock.and_then(|lock| self.lock_view(&lock));
                view.map(Box::new).map(Answer::Lock)
            }
        };
        reply(id, Ok(answer.unwrap_or(Answer::Done(done))), out);
    }

    /// A request cannot be proposed any more: nothing of it was done, and those who wait are told why.
    pub(crate) fn tell_refused(
        &mut self,
        channel: ChannelId,
        request: CarriedRequest,
        reason: RequestError,
        out: &mut Step,
    ) {
        self.note_not_forwarded(&request.key, out);
        self.credit_refused(request.key, out);
        let Some(pending) = self.waiters.requests.remove(&request.key) else { return };
        for id in pending.commands {
            let error = CommandError::Channel { channel, source: reason.clone() };
            reply(id, Err(error), out);
        }
    }
}

/// How many of these operations are payments, and of how much.
pub(crate) fn payments_in(operations: &[Operation]) -> (u64, MilliSats) {
    let mut count = 0;
    let mut total = MilliSats::ZERO;
    for operation in operations {
        if let Operation::Pay { amount, .. } = operation {
            count += 1;
            total = total.checked_add(*amount).unwrap_or(MilliSats::MAX);
        }
    }
    (count, total)
}

/// The hash of what a request asks for: the same key with another hash is another request.
pub(crate) fn digest_of(channel: ChannelId, operations: &[Operation]) -> RequestKey {
    let mut engine = sha256::Hash::engine();
    engine.input(channel.as_bytes());
    engine.input(&minicbor::to_vec(operations).expect("writing to memory cannot fail"));
    short(engine)
}

/// The first half of a hash.
pub(crate) fn short(engine: sha256::HashEngine) -> RequestKey {
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    let (head, _) = hash.split_first_chunk::<16>().expect("a hash has 32 bytes");
    RequestKey::from_bytes(*head)
}

/// Answers a command.
pub(crate) fn reply(id: CommandId, answer: Result<Answer, CommandError>, out: &mut Step) {
    out.effects.push(Effect::Reply(id, answer));
}
