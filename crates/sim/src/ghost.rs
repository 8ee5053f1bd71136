//! Ghosts: engines that live on an old copy of a node's disk, out of every peer's reach, as an operator would start them
//! who restores a backup, or means to steal.
//!
//! A ghost follows the chain and is told to close everything by force, or to spend all coins. It does so in good faith:
//! whatever commitment the node could ever sign and bring on chain, some ghost brings on chain, and claims what it gives
//! ([ADR-0008](../../../docs/adr/0008-no-door-for-cheating.md)).

use std::panic::{AssertUnwindSafe, catch_unwind};

use bitcoin::Transaction;
use strait_chain::{BlockId, ChainStep, Follower};
use strait_contract::ScriptedRuntime;
use strait_engine::{
    CloseMode, Command, CommandId, Effect, Engine, Event, Input, Moment, SendAmount, TipStanding,
};
use strait_log::{MemoryDisk, MemoryStore, Record, Unsaved, Writer};
use strait_primitives::{ChannelId, EventSeq, FeeRate, RequestKey, Timestamp};
use strait_store::{encode, replay};

use crate::chain::SimChain;
use crate::host::Host;

/// Blocks told in one go.
const STEPS_MAX: usize = 300;

/// What a ghost is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intent {
    /// To bring on chain the commitments that its disk holds.
    Close,
    /// To spend every coin that its disk knows, also those that the node has used since.
    Spend {
        /// To where.
        address: String,
    },
}

/// How a ghost brings its transactions on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// As everybody does.
    Mempool,
    /// Straight to the miner of the next block.
    Miner,
}

/// An engine on an old copy.
#[derive(Debug)]
pub(crate) struct Ghost {
    engine: Engine,
    /// The copy: a disk of its own from now on.
    writer: Writer<MemoryStore>,
    follower: Follower,
    contracts: ScriptedRuntime,
    /// What it has not been told yet.
    orders: Vec<Command>,
    road: Road,
    told: u64,
}

impl Ghost {
    /// Starts a copy of the disk as it was after this event; none if such a disk held no node.
    pub(crate) fn conjure(
        host: &Host,
        upto: EventSeq,
        intent: &Intent,
        road: Road,
    ) -> Option<Self> {
        let mut records = host.disk.durable_records();
        records.retain(|record| record.seq <= upto);
        let mut writer = Writer::new(MemoryDisk::new().open());
        let _ = writer.append(&records).ok()?;
        let replayed = replay(writer.store()).ok()?;
        let channels: Vec<ChannelId> = replayed.state.channels.keys().copied().collect();
        let (seed, account) = (host.identity.seed().clone(), host.identity.account());
        let config = host.config.clone();
        let engine = Engine::restore(config, seed, account, replayed.state, replayed.head).ok()?;
        let known = engine
            .recent_blocks()
            .map(|block| BlockId { height: block.height, hash: block.hash })
            .collect::<Vec<_>>();
        let follower = Follower::new(bitcoin::Network::Regtest, known).ok()?;
        let orders = match intent {
            Intent::Close => channels.into_iter().map(close).collect(),
            Intent::Spend { address } => vec![spend(address)],
        };
        let contracts = ScriptedRuntime::with_purse();
        Some(Self { engine, writer, follower, contracts, orders, road, told: 0 })
    }

    /// Lets it look at the chain and do what it is for. It pays as little as it can, so that what it brings stays stuck.
    /// False once it has come to its end: the node's own code refuses to go on with it.
    pub(crate) fn haunt(
        &mut self,
        chain: &mut SimChain,
        now: Timestamp,
        entropy: [u8; 32],
    ) -> bool {
        let decided = catch_unwind(AssertUnwindSafe(|| self.decide(chain, now, entropy)));
        let Ok(packages) = decided else { return false };
        for package in packages {
            match self.road {
                Road::Mempool => {
                    let _ = strait_chain::ChainSource::submit(chain, &package);
                }
                Road::Miner => chain.bribe(package),
            }
        }
        true
    }

    fn decide(
        &mut self,
        chain: &mut SimChain,
        now: Timestamp,
        entropy: [u8; 32],
    ) -> Vec<Vec<Transaction>> {
        let steps = self.follower.poll(chain, STEPS_MAX).unwrap_or_default();
        let mut inputs = vec![Input::FeeEstimate(FeeRate::RELAY_FLOOR)];
        let has_news = !steps.is_empty() || self.told == 0;
        inputs.extend(steps.into_iter().map(|step| match step {
            ChainStep::Connected { height, block } => {
                Input::BlockConnected { height, block: Box::new(block) }
            }
            ChainStep::Disconnected { height, hash } => Input::BlockDisconnected { height, hash },
        }));
        if has_news {
            inputs.push(Input::BlocksTold(TipStanding::Current));
        }
        for command in self.orders.drain(..) {
            self.told += 1;
            inputs.push(Input::Command(CommandId(self.told), Box::new(command)));
        }
        let mut packages = Vec::new();
        for input in inputs {
            let moment = Moment { now, entropy, contracts: &self.contracts };
            let step = self.engine.handle(input, &moment);
            packages.extend(self.carry_out(step, now));
        }
        packages
    }

    /// Saves a step on the copy; returns what it wants on chain, which is all of it that leaves.
    fn carry_out(&mut self, step: Unsaved<Event, Effect>, now: Timestamp) -> Vec<Vec<Transaction>> {
        let events = step.events().iter().zip(0_u64..);
        let first = step.first();
        let records: Vec<Record> =
            events.map(|(event, offset)| encode(event, first.advanced(offset), now)).collect();
        let receipt = self.writer.append(&records).expect("a copy's disk has no faults");
        let effects = step.saved(&receipt).into_iter();
        effects.filter_map(broadcast_of).collect()
    }
}

fn broadcast_of(effect: Effect) -> Option<Vec<Transaction>> {
    match effect {
        Effect::Broadcast(package) => Some(package),
        Effect::Send(..)
        | Effect::Disconnect(_)
        | Effect::KeepConnected(..)
        | Effect::Forget(_)
        | Effect::LookFor(_)
        | Effect::Reply(..)
        | Effect::Report(_) => None,
    }
}

fn close(channel: ChannelId) -> Command {
    let key = RequestKey::from_bytes([0xc1; 16]);
    Command::CloseChannel { key, channel, mode: CloseMode::Force }
}

fn spend(address: &str) -> Command {
    Command::SendCoins {
        key: RequestKey::from_bytes([0x5d; 16]),
        address: address.to_owned(),
        amount: SendAmount::Everything,
        fee_rate: None,
    }
}
