//! Contracts: agreeing with the peer, opening, acting, settling.

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_channel::{Channel, ContractAnswer};
use strait_contract::Terms;
use strait_primitives::{ChannelId, ContractId, RequestKey};
use strait_wire::{ContractBytes, Operation};

use crate::answer::{Answer, CommandError};
use crate::command::CommandId;
use crate::engine::{Engine, Moment, Step};
use crate::limits::CONTRACT_HOMES_MAX;
use crate::payments::{About, Asked, reply};
use crate::views::ContractStage;

impl Engine {
    /// Offers a contract to the peer, and opens it once the peer agrees. The contract's name follows from the request's
    /// key, so asking again finds the same contract.
    pub(crate) fn command_open_contract(
        &mut self,
        id: CommandId,
        key: RequestKey,
        channel: ChannelId,
        terms: Terms,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let contract = contract_id(channel, &key, &terms);
        if let Some(view) = self.find_contract(&contract) {
            return match view.stage {
                ContractStage::Offered if self.is_ending(&channel) => {
                    reply(id, Err(CommandError::ChannelClosed(channel)), out);
                }
                ContractStage::Offered => {
                    self.waiters.contracts.entry(contract).or_default().push(id);
                }
                ContractStage::Agreed => self.open_agreed(id, channel, contract, out),
                ContractStage::Open | ContractStage::Final => {
                    reply(id, Ok(Answer::Contract(Box::new(view))), out);
                }
            };
        }
        if self.book.requests.find(&opening_key(contract)).is_some() {
            // Opened, and settled since.
            return reply(id, Err(CommandError::UnknownContract(contract)), out);
        }
        let listed = self.config.contract_modules.as_ref();
        let is_listed = listed.is_none_or(|listed| listed.contains(&terms.module));
        if !is_listed || !self.book.modules.contains_key(&terms.module) {
            return reply(id, Err(CommandError::UnknownModule(terms.module)), out);
        }
        if !self.channels.contains_key(&channel) {
            return reply(id, Err(CommandError::UnknownChannel(channel)), out);
        }
        if let Err(error) = self.check_disk() {
            return reply(id, Err(error), out);
        }
        let mut offered = Ok(());
        self.with_channel(channel, moment, out, |machine, moment, decision| {
            offered = machine.offer_contract(contract, terms, moment.tip, decision);
        });
        match offered {
            Ok(()) => self.waiters.contracts.entry(contract).or_default().push(id),
            Err(source) => reply(id, Err(CommandError::Channel { channel, source }), out),
        }
    }

    /// True if the peer will answer no offer on this channel any more.
    fn is_ending(&self, channel: &ChannelId) -> bool {
        let live = self.channels.get(channel).and_then(|channel| channel.state().live());
        live.is_none_or(|live| {
            !live.is_running() || matches!(live.funded, strait_channel::Funded::Spent { .. })
        })
    }

    /// The peer has answered an offer: opens the contract, or tells why not.
    pub(crate) fn tell_contract_answer(
        &mut self,
        channel: ChannelId,
        contract: ContractId,
        answer: ContractAnswer,
        out: &mut Step,
    ) {
        let waiting = self.waiters.contracts.remove(&contract).unwrap_or_default();
        match answer {
            ContractAnswer::Agreed => {
                for id in waiting {
                    self.open_agreed(id, channel, contract, out);
                }
            }
            ContractAnswer::Refused(note) => {
                for id in waiting {
                    let reason = note.as_str().to_owned();
                    reply(id, Err(CommandError::ContractRefused { contract, reason }), out);
                }
            }
        }
    }

    fn open_agreed(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        contract: ContractId,
        out: &mut Step,
    ) {
        let key = opening_key(contract);
        let asked = Asked { id, key, channel, about: About::Contract(contract) };
        self.ask(asked, vec![Operation::OpenContract { contract }], out);
    }

    pub(crate) fn command_act(
        &mut self,
        id: CommandId,
        key: RequestKey,
        contract: ContractId,
        actions: Vec<ContractBytes>,
        out: &mut Step,
    ) {
        if actions.is_empty() {
            return reply(id, Err(CommandError::Empty), out);
        }
        let operations =
            actions.into_iter().map(|action| Operation::Act { contract, action }).collect();
        self.ask_contract(id, key, contract, operations, out);
    }

    pub(crate) fn command_settle(
        &mut self,
        id: CommandId,
        key: RequestKey,
        contract: ContractId,
        out: &mut Step,
    ) {
        self.ask_contract(id, key, contract, vec![Operation::SettleContract { contract }], out);
    }

    fn ask_contract(
        &mut self,
        id: CommandId,
        key: RequestKey,
        contract: ContractId,
        operations: Vec<Operation>,
        out: &mut Step,
    ) {
        // A settled contract is gone, yet the request that settled it is remembered.
        let known = self.book.requests.find(&key).and_then(|known| known.fate.done());
        let channel = match (self.home_of(contract), known) {
            (Some(channel), _) => channel,
            (None, Some(done)) => done.channel,
            (None, None) => return reply(id, Err(CommandError::UnknownContract(contract)), out),
        };
        self.ask(Asked { id, key, channel, about: About::Operations }, operations, out);
    }

    pub(crate) fn find_contract(&self, contract: &ContractId) -> Option<crate::ContractView> {
        let home = self.channels.values().find(|channel| holds(channel, contract))?;
        let all = self.contract_views(&home.state().id);
        all.into_iter().find(|view| view.contract == *contract)
    }

    /// True if a channel other than this one has a contract of this name. Users name contracts alone: with two of one name,
    /// what they do in one of them would be done in the other, on terms of whoever chose the name.
    pub(crate) fn is_named_elsewhere(&self, channel: ChannelId, contract: &ContractId) -> bool {
        self.channels.values().any(|other| other.id() != channel && holds(other, contract))
    }

    /// The channel that a contract lives in. Looked up once: with thousands of channels, calls come faster than a search.
    fn home_of(&mut self, contract: ContractId) -> Option<ChannelId> {
        let known = self.contract_homes.get(&contract);
        let known = known.and_then(|id| self.channels.get(id));
        let home = known
            .filter(|channel| holds(channel, &contract))
            .or_else(|| self.channels.values().find(|channel| holds(channel, &contract)));
        let Some(home) = home.map(|channel| channel.state().id) else {
            self.contract_homes.remove(&contract);
            return None;
        };
        if self.contract_homes.len() >= CONTRACT_HOMES_MAX {
            self.contract_homes.clear();
        }
        self.contract_homes.insert(contract, home);
        Some(home)
    }
}

/// True if a contract is offered, agreed or open in a channel.
fn holds(channel: &Channel, contract: &ContractId) -> bool {
    channel.state().live().is_some_and(|live| {
        live.rounds.ledger.contract(contract).is_some()
            || live.agreements.contains_key(contract)
            || live.offers.contains_key(contract)
    })
}

/// A contract's name: a hash of the channel, the request and the terms.
pub(crate) fn contract_id(channel: ChannelId, key: &RequestKey, terms: &Terms) -> ContractId {
    let mut engine = sha256::Hash::engine();
    engine.input(b"strait/contract/1");
    engine.input(channel.as_bytes());
    engine.input(key.as_bytes());
    engine.input(terms.digest().as_bytes());
    ContractId::from_bytes(sha256::Hash::from_engine(engine).to_byte_array())
}

/// The key of the request that opens an agreed contract.
pub(crate) fn opening_key(contract: ContractId) -> RequestKey {
    let mut engine = sha256::Hash::engine();
    engine.input(b"strait/contract/open");
    engine.input(contract.as_bytes());
    crate::payments::short(engine)
}
