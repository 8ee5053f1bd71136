//! A state of long ago: what it costs to keep in mind, and that it is punished like the last one.
//!
//! The two channel machines run their rounds alone, message by message, with real keys and secrets; then one is folded
//! from a snapshot and the events after it, as a node that restarts folds it, and given back to its engine.

use std::collections::VecDeque;

use bitcoin::{OutPoint, Transaction, TxOut};
use strait_channel::{
    Channel, ChannelEffect, ChannelEvent, ChannelState, ContractPolicy, Decision, Request,
};
use strait_contract::scripted::{PURSE, PurseAction};
use strait_contract::{Collateral, Limits, Params, ScriptedRuntime, Terms};
use strait_primitives::{
    BlockHeight, ChannelId, FeeRate, LockId, MilliSats, PaymentHash, RequestKey, Timestamp,
};
use strait_wire::{CancelReason, ContractBytes, Message, Operation, Operations, Reference, Route};

use super::tests::kept_commitment;
use crate::rig::{Rig, key, open, talk};
use crate::{Answer, Command};

/// How old the state is.
struct Span {
    /// Rounds between the thief's state and the last.
    rounds: u64,
    /// From this number to the last, numbers are written in as many bytes.
    long: u64,
}

/// Two thousand rounds; a hundred thousand, which take two minutes, where the test was built with `STRAIT_LONG` set.
const SPAN: Span = match option_env!("STRAIT_LONG") {
    Some(_) => Span { rounds: 100_000, long: 70_000 },
    None => Span { rounds: 2_000, long: 300 },
};
/// Rounds after the snapshot.
const TAIL: u64 = 10;

/// An operator who takes every contract.
struct Anything;

impl ContractPolicy for Anything {
    fn judge(&self, _: &Terms, _: MilliSats) -> Result<(), String> {
        Ok(())
    }
}

/// One side's machine, out of its engine.
struct Machine {
    channel: Channel,
    contracts: ScriptedRuntime,
    outbox: VecDeque<Message>,
    /// What it saved since the last snapshot.
    tail: Vec<ChannelEvent>,
    steps: u64,
}

impl Machine {
    fn take(rig: &mut Rig, id: ChannelId) -> Self {
        Self {
            channel: rig.engine.channels.remove(&id).unwrap(),
            contracts: ScriptedRuntime::with_purse(),
            outbox: VecDeque::new(),
            tail: Vec::new(),
            steps: 0,
        }
    }

    fn act(&mut self, act: impl FnOnce(&mut Channel, &strait_channel::Moment<'_>, &mut Decision)) {
        self.steps += 1;
        let mut entropy = [9; 32];
        entropy[..8].copy_from_slice(&self.steps.to_be_bytes());
        let moment = strait_channel::Moment {
            now: Timestamp::from_unix_ms(1_700_000_000_000),
            tip: BlockHeight::new(4),
            tip_standing: strait_channel::TipStanding::Current,
            contracts: &self.contracts,
            policy: &Anything,
            settlements: &[],
            close_fee_rate: FeeRate::from_sat_per_kvb(2_000),
            entropy,
        };
        let mut out = Decision::default();
        act(&mut self.channel, &moment, &mut out);
        self.tail.append(&mut out.events);
        self.outbox.extend(out.effects.into_iter().filter_map(|effect| match effect {
            ChannelEffect::Send(message) => Some(message),
            ChannelEffect::Broadcast(_) | ChannelEffect::Disconnect | ChannelEffect::Notice(_) => {
                None
            }
        }));
    }

    fn hear(&mut self, message: Message) {
        self.act(|channel, moment, out| {
            channel.handle_message(message, moment, out).expect("both keep the rules");
        });
        self.act(|channel, moment, out| channel.poll(moment, out));
    }

    fn ask(&mut self, operation: Operation) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.steps.to_be_bytes());
        let key = RequestKey::from_bytes(bytes);
        let operations = Operations::new(vec![operation]).unwrap();
        self.channel.request(Request { key, digest: key, operations }).unwrap();
        self.act(|channel, moment, out| channel.poll(moment, out));
    }

    fn rounds(&self) -> u64 {
        self.channel.state().live().unwrap().rounds.number.to_u64()
    }

    /// What its state takes in a snapshot beside the counterparty's secrets.
    fn size(&self) -> usize {
        let state = self.channel.state();
        let secrets = &state.live().unwrap().rounds.secrets;
        minicbor::to_vec(state).unwrap().len() - minicbor::to_vec(secrets).unwrap().len()
    }
}

/// One request of the first, and all that both say then.
fn round(asker: &mut Machine, other: &mut Machine, operation: Operation) {
    asker.ask(operation);
    loop {
        let (first, second) = (asker.outbox.pop_front(), other.outbox.pop_front());
        if first.is_none() && second.is_none() {
            return;
        }
        first.into_iter().for_each(|message| other.hear(message));
        second.into_iter().for_each(|message| asker.hear(message));
    }
}

fn pay() -> Operation {
    let reference = Reference::new([7]).unwrap();
    Operation::Pay { amount: MilliSats::from_const(1), reference }
}

fn lock(id: u64, hash: u8) -> Operation {
    Operation::AddLock {
        lock: LockId(id),
        amount: MilliSats::from_const(50_000_000),
        payment_hash: PaymentHash::from_bytes([hash; 32]),
        expiry: BlockHeight::new(300),
        route: Route::default(),
    }
}

fn cancel(id: u64) -> Operation {
    Operation::CancelLock { lock: LockId(id), reason: CancelReason::Unknown }
}

/// A contract in the channel whose outcome holds a lock.
fn open_contract(thief: &mut Rig, victim: &mut Rig, channel: ChannelId) {
    for rig in [&mut *thief, &mut *victim] {
        rig.ask(Command::AddModule { module: PURSE, size_bytes: 1 });
    }
    thief.ask(Command::OpenContract {
        key: key(50),
        channel,
        module: PURSE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(
            MilliSats::from_const(10_000_000),
            MilliSats::from_const(10_000_000),
        )
        .unwrap(),
        limits: Limits::default(),
    });
    talk(thief, victim);
    let Some(Ok(Answer::Contract(contract))) = thief.replies.last() else {
        panic!("{:?}", thief.replies.last())
    };
    let contract = contract.contract;
    let action = PurseAction::Lock {
        amount: MilliSats::from_const(6_000_000),
        payment_hash: PaymentHash::from_bytes([8; 32]),
        expiry: BlockHeight::new(400),
    };
    let action = ContractBytes::new(action.to_action().as_bytes().to_vec()).unwrap();
    thief.ask(Command::Act { key: key(51), contract, actions: vec![action] });
    talk(thief, victim);
}

/// Asks Bitcoin Core's interpreter about every input.
fn judge(penalty: &Transaction, revoked: &Transaction) {
    let bytes = bitcoin::consensus::serialize(penalty);
    for (index, input) in penalty.input.iter().enumerate() {
        let OutPoint { txid, vout } = input.previous_output;
        assert_eq!(txid, revoked.compute_txid());
        let TxOut { value, script_pubkey } = &revoked.output[usize::try_from(vout).unwrap()];
        bitcoinconsensus::verify(script_pubkey.as_bytes(), value.to_sat(), &bytes, None, index)
            .unwrap();
    }
}

#[test]
fn an_old_state_costs_nothing_and_is_punished_like_the_last() {
    let Span { rounds, long } = SPAN;
    let (mut thief, mut victim) = (Rig::new(1, 4), Rig::new(2, 3));
    let id = open(&mut thief, &mut victim);
    thief.pay(id, 7, MilliSats::from_const(300_000_000));
    talk(&mut thief, &mut victim);
    open_contract(&mut thief, &mut victim, id);

    let (mut first, mut second) = (Machine::take(&mut thief, id), Machine::take(&mut victim, id));
    round(&mut first, &mut second, lock(0, 6));
    round(&mut second, &mut first, lock(0, 5));
    let kept = first.channel.state().clone();
    round(&mut second, &mut first, cancel(0));
    round(&mut first, &mut second, cancel(0));
    let old = first.rounds();
    assert!(kept.live().unwrap().rounds.number.to_u64() < old);

    let mut sizes = [0; 2];
    let mut snapshot = Vec::new();
    while second.rounds() < old + rounds {
        round(&mut first, &mut second, pay());
        if second.rounds() == long {
            sizes[0] = second.size();
        }
        if second.rounds() <= old + rounds - TAIL {
            second.tail.clear();
        }
        if second.rounds() == old + rounds - TAIL {
            snapshot = minicbor::to_vec(second.channel.state()).unwrap();
        }
        first.tail.clear();
    }
    sizes[1] = second.size();
    assert_eq!(sizes[0], sizes[1], "revoked states take nothing but the shachain");
    let secrets = &second.channel.state().live().unwrap().rounds.secrets;
    assert!(minicbor::to_vec(secrets).unwrap().len() < 49 * 48, "at most 49 secrets");

    // The node restarts from its compacted log.
    let mut state: ChannelState = minicbor::decode(&snapshot).unwrap();
    second.tail.iter().for_each(|event| state.apply(event));
    assert_eq!(state, *second.channel.state());
    let signer = victim.engine.seed.channel_signer(&state.salt);
    victim.state.channels.insert(id, state.clone());
    victim.engine.channels.insert(id, Channel::restore(state, signer));

    let revoked = kept_commitment(&thief, kept);
    victim.sent();
    victim.mine(vec![revoked.clone()]);
    let sent = victim.sent();
    let [penalty] = sent.as_slice() else { panic!("{sent:?}") };
    let [penalty] = penalty.as_slice() else { panic!("alone: {penalty:?}") };
    assert_eq!(penalty.input.len(), 4, "the balance, a lock each way, and the contract's");
    judge(penalty, &revoked);
}
