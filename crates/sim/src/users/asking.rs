//! What users come to ask.

use strait_channel::channel_party;
use strait_contract::scripted::{PURSE, PurseAction};
use strait_contract::{Collateral, Limits, Params};
use strait_engine::{
    ChannelStage, ChannelView, CloseMode, Command, CommandId, ContractStage, ContractView, Engine,
    Payment, SendAmount,
};
use strait_primitives::{ChannelId, ContractId, MilliSats, NodeId, RequestKey, Sats, Timestamp};
use strait_wire::{ContractBytes, Operation, Reference};

use super::{Fate, MEMORY, Purpose, Request, RequestIndex, Users};
use crate::choices::Choices;
use crate::place::Place;
use crate::weather::{Habits, Weather};

/// Channels that users want at the same time.
const CHANNELS_WANTED: usize = 3;
/// Contracts that users want in one channel.
const CONTRACTS_WANTED: usize = 2;

/// One thing a user may feel like doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    Pay,
    Repeat,
    ReuseKey,
    Nonsense,
    Open,
    Contract,
    Lock,
    Unlock,
    WindUp,
    Send,
    Close,
    Force,
    Spend,
}

/// What a user sees of its node when it decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) place: Place,
    /// What the node's clock says.
    pub(crate) now: Timestamp,
    pub(crate) engine: &'a Engine,
    /// Those that the node is connected with.
    pub(crate) peers: &'a [(Place, NodeId)],
    /// Those whom its peers are connected with, and through which of them.
    pub(crate) beyond: &'a [(NodeId, NodeId)],
    /// Channels that the node ever had.
    pub(crate) channels: &'a [ChannelId],
}

impl Sight<'_> {
    pub(super) fn channel(&self, choices: &mut Choices) -> Option<ChannelView> {
        let views: Vec<ChannelView> =
            self.channels.iter().filter_map(|id| self.engine.channel_view(id)).collect();
        let open: Vec<ChannelView> =
            views.iter().filter(|view| view.stage == ChannelStage::Open).cloned().collect();
        // Now and then a request comes when it cannot be served.
        let among = if open.is_empty() || choices.chance(20) { views } else { open };
        (!among.is_empty()).then(|| choices.pick(&among).clone())
    }
}

impl Users {
    /// A user does something, or thinks better of it.
    pub(crate) fn act(
        &mut self,
        sight: Sight<'_>,
        weather: &Weather,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        match pick_habit(&weather.habits, choices)? {
            Habit::Pay => self.pay(sight, weather.batch_max, choices),
            Habit::Repeat => self.repeat(sight.place, choices),
            Habit::ReuseKey => self.reuse_key(sight, choices),
            Habit::Nonsense => self.nonsense(sight, choices),
            Habit::Open => self.open_channel(sight, choices),
            Habit::Contract => self.contract(sight, choices),
            Habit::Lock => self.lock(sight, choices),
            Habit::Unlock => self.unlock(sight, choices),
            Habit::WindUp => self.wind_up(sight),
            Habit::Send => self.send(sight, choices),
            Habit::Close => self.close(sight, CloseMode::Cooperative, choices),
            Habit::Force => self.close(sight, CloseMode::Force, choices),
            Habit::Spend => self.spend(sight, weather.batch_max, choices),
        }
    }

    /// A preparation, asked once.
    pub(crate) fn set_up(&mut self, place: Place, command: Command) -> (CommandId, Command) {
        let key = self.fresh_key();
        self.begin(new_request(place, key, command, Purpose::Setup, Vec::new()))
    }

    /// Asks a request again that waits and that no living node owes an answer to.
    pub(crate) fn insist(&mut self, place: Place) -> Option<(CommandId, Command)> {
        let waits = |request: &Request| {
            request.place == place && request.fate == Fate::Waiting && request.open == 0
        };
        let index = self.requests.iter().position(waits)?;
        Some(self.ask(RequestIndex(index)))
    }

    /// One small payment, if there is anything to pay with.
    pub(crate) fn probe(
        &mut self,
        place: Place,
        view: &ChannelView,
    ) -> Option<(CommandId, Command)> {
        let amount = MilliSats::from_const(1);
        (view.spendable >= amount).then(|| self.pay_now(place, view.channel, &[amount]))
    }

    fn pay(
        &mut self,
        sight: Sight<'_>,
        batch_max: u64,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let view = sight.channel(choices)?;
        let count = if choices.chance(700) { 1 } else { choices.between(1, batch_max) };
        let balance = view.balance.to_msat();
        let amounts: Vec<MilliSats> = (0..count)
            .map(|_| {
                let most = match choices.below(4) {
                    0 => 1_000,
                    1 => balance / 100,
                    2 => balance / 8,
                    _ => balance,
                };
                let msat = choices.between(1, most.max(1));
                MilliSats::new(msat).expect("below a capacity")
            })
            .collect();
        Some(self.pay_now(sight.place, view.channel, &amounts))
    }

    fn pay_now(
        &mut self,
        place: Place,
        channel: ChannelId,
        amounts: &[MilliSats],
    ) -> (CommandId, Command) {
        let (command, expects) = self.pay_command(channel, amounts);
        let Command::Pay { key, .. } = command else { panic!("a payment") };
        self.begin(new_request(place, key, command, Purpose::Operations, expects))
    }

    /// A payment, and the operations that carry it out.
    pub(super) fn pay_command(
        &mut self,
        channel: ChannelId,
        amounts: &[MilliSats],
    ) -> (Command, Vec<Operation>) {
        let key = self.fresh_key();
        let payments: Vec<Payment> = amounts
            .iter()
            .map(|amount| Payment { amount: *amount, reference: self.fresh_reference() })
            .collect();
        let expects = payments
            .iter()
            .map(|payment| Operation::Pay {
                amount: payment.amount,
                reference: payment.reference.clone(),
            })
            .collect();
        (Command::Pay { key, channel, payments }, expects)
    }

    pub(super) fn fresh_reference(&mut self) -> Reference {
        self.next_reference += 1;
        Reference::new(self.next_reference.to_be_bytes()).expect("eight bytes are few")
    }

    /// One of the last requests once more, answered or not.
    fn repeat(&mut self, place: Place, choices: &mut Choices) -> Option<(CommandId, Command)> {
        let index = self.recent(place, choices)?;
        let request = self.requests.get(index.0)?;
        // A token that was made, revoked and made again would be another one.
        let is_once = matches!(request.purpose, Purpose::Nonsense | Purpose::Token);
        let is_worth_it = !is_once && request.open < 3;
        is_worth_it.then(|| self.ask(index))
    }

    fn recent(&self, place: Place, choices: &mut Choices) -> Option<RequestIndex> {
        let back = usize::try_from(choices.below(MEMORY)).expect("a small number");
        let index = self.requests.len().checked_sub(back + 1)?;
        (self.requests.get(index)?.place == place).then_some(RequestIndex(index))
    }

    /// A key that has done its work, for something else.
    fn reuse_key(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let index = self.recent(sight.place, choices)?;
        let request = self.requests.get(index.0)?;
        if !matches!((request.fate, request.purpose), (Fate::Done(_), Purpose::Operations)) {
            return None;
        }
        let key = request.key;
        let channel = sight.channel(choices)?.channel;
        let payment =
            Payment { amount: MilliSats::from_const(1), reference: self.fresh_reference() };
        let command = Command::Pay { key, channel, payments: vec![payment] };
        Some(self.begin(new_request(sight.place, key, command, Purpose::Nonsense, Vec::new())))
    }

    fn nonsense(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let channel = sight.channel(choices)?;
        let key = self.fresh_key();
        let contract = ContractId::from_bytes([9; 32]);
        let pay = |amounts: &[MilliSats], channel| Command::Pay {
            key,
            channel,
            payments: amounts
                .iter()
                .map(|amount| Payment { amount: *amount, reference: Reference::default() })
                .collect(),
        };
        let one = MilliSats::from_const(1);
        let command = match choices.below(6) {
            0 => pay(&[], channel.channel),
            1 => pay(&[one, MilliSats::ZERO], channel.channel),
            2 => pay(&[MilliSats::MAX, MilliSats::MAX], channel.channel),
            3 => pay(&[one], ChannelId::from_bytes([7; 32])),
            4 => Command::Settle { key, contract },
            _ => Command::Act { key, contract, actions: Vec::new() },
        };
        Some(self.begin(new_request(sight.place, key, command, Purpose::Nonsense, Vec::new())))
    }

    fn open_channel(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let alive = sight.channels.iter().filter(|id| sight.engine.channel_view(id).is_some());
        if alive.count() >= CHANNELS_WANTED {
            return None;
        }
        let key = self.fresh_key();
        let capacity = Sats::new(choices.between(20_000, 1_000_000)).expect("a small amount");
        let (_, node) = *choices.pick(sight.peers);
        Some(self.open_now(sight.place, node, key, capacity))
    }

    /// A channel to begin with.
    pub(crate) fn open_first(
        &mut self,
        place: Place,
        node: NodeId,
        choices: &mut Choices,
    ) -> (CommandId, Command) {
        let capacity = Sats::new(choices.between(50_000, 1_000_000)).expect("a small amount");
        let key = self.fresh_key();
        self.open_now(place, node, key, capacity)
    }

    fn open_now(
        &mut self,
        place: Place,
        node: NodeId,
        key: RequestKey,
        capacity: Sats,
    ) -> (CommandId, Command) {
        let command = Command::OpenChannel { key, node, capacity, fee_rate: None };
        self.begin(new_request(place, key, command, Purpose::OpenChannel, Vec::new()))
    }

    /// A close by force, in the calm, of a channel with a peer that plays foul.
    pub(crate) fn part(&mut self, place: Place, channel: ChannelId) -> (CommandId, Command) {
        let key = self.fresh_key();
        let command = Command::CloseChannel { key, channel, mode: CloseMode::Force };
        self.begin(new_request(place, key, command, Purpose::CloseChannel, Vec::new()))
    }

    fn contract(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let view = sight.channel(choices)?;
        let contracts = sight.engine.contract_views(&view.channel);
        if contracts.len() < CONTRACTS_WANTED && choices.chance(300) {
            return Some(self.open_contract(sight.place, &view, choices));
        }
        let live: Vec<ContractView> = contracts
            .into_iter()
            .filter(|c| matches!(c.stage, ContractStage::Open | ContractStage::Final))
            .collect();
        if live.is_empty() {
            return None;
        }
        let contract = choices.pick(&live);
        if contract.stage == ContractStage::Final {
            return Some(self.settle(sight.place, contract.contract));
        }
        Some(self.act_in(sight.place, contract, choices))
    }

    /// One step towards the end of a contract, so that its channel can close.
    fn wind_up(&mut self, sight: Sight<'_>) -> Option<(CommandId, Command)> {
        let contracts = sight.channels.iter().flat_map(|id| sight.engine.contract_views(id));
        let is_live =
            |c: &ContractView| matches!(c.stage, ContractStage::Open | ContractStage::Final);
        let contract = contracts.into_iter().find(is_live)?;
        if contract.stage == ContractStage::Final {
            return Some(self.settle(sight.place, contract.contract));
        }
        Some(self.act_now(sight.place, contract.contract, &[PurseAction::Finish]))
    }

    fn open_contract(
        &mut self,
        place: Place,
        view: &ChannelView,
        choices: &mut Choices,
    ) -> (CommandId, Command) {
        let key = self.fresh_key();
        let mut part = |balance: MilliSats| {
            let msat = choices.between(1, balance.to_msat() / 4 + 1);
            MilliSats::new(msat).expect("below a capacity")
        };
        let (own, theirs) = (part(view.balance), part(view.peer_balance));
        let is_first = channel_party(strait_contract::Party::First) == view.party;
        let (first, second) = if is_first { (own, theirs) } else { (theirs, own) };
        let collateral = Collateral::new(first, second).expect("both from one capacity");
        let command = Command::OpenContract {
            key,
            channel: view.channel,
            module: PURSE,
            params: Params::new(&[]).expect("nothing is short"),
            collateral,
            limits: Limits::default(),
        };
        self.begin(new_request(place, key, command, Purpose::OpenContract, Vec::new()))
    }

    fn settle(&mut self, place: Place, contract: ContractId) -> (CommandId, Command) {
        let key = self.fresh_key();
        let expects = vec![Operation::SettleContract { contract }];
        let command = Command::Settle { key, contract };
        self.begin(new_request(place, key, command, Purpose::Operations, expects))
    }

    fn act_in(
        &mut self,
        place: Place,
        contract: &ContractView,
        choices: &mut Choices,
    ) -> (CommandId, Command) {
        let count = choices.between(1, 3);
        let actions: Vec<PurseAction> = (0..count)
            .map(|_| match choices.below(20) {
                0 => PurseAction::Finish,
                1 => PurseAction::Panic,
                2 => PurseAction::Mint { amount: MilliSats::from_const(1) },
                _ => {
                    let msat = choices.between(0, contract.outcome.to_msat());
                    let amount = MilliSats::new(msat).expect("below a collateral");
                    PurseAction::Give { amount }
                }
            })
            .collect();
        self.act_now(place, contract.contract, &actions)
    }

    fn act_now(
        &mut self,
        place: Place,
        contract: ContractId,
        actions: &[PurseAction],
    ) -> (CommandId, Command) {
        let key = self.fresh_key();
        let actions: Vec<ContractBytes> = actions
            .iter()
            .map(|action| {
                let bytes = action.to_action().as_bytes().to_vec();
                ContractBytes::new(bytes).expect("an action of the purse is short")
            })
            .collect();
        let expects = actions
            .iter()
            .map(|action| Operation::Act { contract, action: action.clone() })
            .collect();
        let command = Command::Act { key, contract, actions };
        self.begin(new_request(place, key, command, Purpose::Operations, expects))
    }

    fn send(&mut self, sight: Sight<'_>, choices: &mut Choices) -> Option<(CommandId, Command)> {
        let (peer, _) = *choices.pick(sight.peers);
        let script = self.addresses.at(peer).first()?.clone();
        let address = bitcoin::Address::from_script(&script, bitcoin::Network::Regtest).ok()?;
        let key = self.fresh_key();
        let amount = Sats::new(choices.between(1_000, 10_000_000)).expect("a small amount");
        let command = Command::SendCoins {
            key,
            address: address.to_string(),
            amount: SendAmount::Exactly(amount),
            fee_rate: None,
        };
        Some(self.begin(new_request(sight.place, key, command, Purpose::SendCoins, Vec::new())))
    }

    fn close(
        &mut self,
        sight: Sight<'_>,
        mode: CloseMode,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let channel = sight.channel(choices)?.channel;
        let key = self.fresh_key();
        let command = Command::CloseChannel { key, channel, mode };
        Some(self.begin(new_request(sight.place, key, command, Purpose::CloseChannel, Vec::new())))
    }
}

pub(super) fn new_request(
    place: Place,
    key: RequestKey,
    command: Command,
    purpose: Purpose,
    expects: Vec<Operation>,
) -> Request {
    Request { place, key, command, purpose, fate: Fate::Waiting, expects, open: 0 }
}

fn pick_habit(habits: &Habits, choices: &mut Choices) -> Option<Habit> {
    let table = [
        (habits.pay, Habit::Pay),
        (habits.repeat, Habit::Repeat),
        (habits.reuse_key, Habit::ReuseKey),
        (habits.nonsense, Habit::Nonsense),
        (habits.open, Habit::Open),
        (habits.contract, Habit::Contract),
        (habits.lock, Habit::Lock),
        (habits.unlock, Habit::Unlock),
        (habits.wind_up, Habit::WindUp),
        (habits.send, Habit::Send),
        (habits.close, Habit::Close),
        (habits.force, Habit::Force),
        (habits.spend, Habit::Spend),
    ];
    choices.weighed(&table)
}
