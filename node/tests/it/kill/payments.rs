//! Killed while money moves.

use std::time::Duration;

use strait_api_types::{ContractLimits, OpenChannelRequest, OpenContractRequest, PaymentRequest};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::harness::{Side, World, in_world, until_answered, wait_for};
use super::work::{Order, Receipt, terms_hex};

/// Kills in a run.
const KILLS: u32 = 100;
/// A kill comes at most this long after the callers have begun.
const BURST: Duration = Duration::from_millis(80);
/// Requests of each caller in a burst, one after another.
const ORDERS_PER_CALLER: u32 = 5;
/// Every so many kills the node is killed once more while it recovers.
const TWICE_EVERY: u64 = 8;
/// What Alice puts into the channel, and what of it Bob has before the kills begin.
const CAPACITY_SAT: u64 = 10_000_000;
const BOBS_MSAT: u64 = 4_000_000_000;
/// What Alice puts into the contract.
const COLLATERAL_MSAT: u64 = 50_000_000;
const MODULE: &[u8] = include_bytes!("../../../../contracts/metered/metered.wasm");

/// The channel, its contract, and what both must show when everything that was asked is answered.
struct Book {
    channel_id: String,
    contract_id: String,
    alice_msat: u64,
    bob_msat: u64,
    metered_msat: u64,
    receipts: Vec<(Order, Receipt)>,
}

/// Goal: no moment at which either node dies loses an acknowledged payment or carries one out twice.
/// Method: callers on both sides pay and use a contract, each request under a key of its own that is asked again until
/// it is answered. A node dies amid that, comes back, and both must show the sum of all answers, to the millisatoshi.
/// At the end every request of the run is asked once more, and must be found done where it was done first.
#[test]
fn payments_and_a_contract_survive_a_hundred_kills_of_either_node() {
    in_world(kill_during_payments);
}

async fn kill_during_payments(mut world: World) {
    let mut dice = Dice::roll("payments and a contract");
    let mut book = prepare(&world).await;
    let begun = Instant::now();
    let mut restarts = Vec::new();
    let mut answered = Vec::new();
    let (mut kills, mut hits) = (0, 0);
    while kills < KILLS {
        let victim = dice.either(Side::Alice, Side::Bob);
        let mut burst = start_burst(&world, &book, kills, &mut dice);
        sleep(dice.moment(BURST)).await;
        world.machine_mut(victim).kill();
        while let Some(done) = burst.try_join_next() {
            book.enter_all(done.unwrap());
        }
        hits += u32::from(!burst.is_empty());
        let down = Instant::now();
        world.machine_mut(victim).start(&[]);
        kills += 1;
        if dice.between(1, TWICE_EVERY) == 1 {
            sleep(dice.moment(Duration::from_millis(400))).await;
            world.machine_mut(victim).kill();
            world.machine_mut(victim).start(&[]);
            kills += 1;
        }
        restarts.push(world.machine_mut(victim).ready().await);
        while let Some(done) = burst.join_next().await {
            book.enter_all(done.unwrap());
        }
        answered.push(down.elapsed());
        book.compare(&world).await;
    }
    let requests = book.receipts.len();
    println!("{kills} kills, {hits} amid work, in {:?}, {requests} requests", begun.elapsed());
    assert!(hits >= KILLS / 4, "kills of nodes that rest prove nothing: {hits} of {kills} hit");
    println!("restart to ready: {}", figures(restarts));
    println!("kill to everything answered: {}", figures(answered));
    for (order, first) in &book.receipts {
        let again = order.carry_out(&world.client(order.payer)).await;
        assert_eq!(again, *first, "{order:?} was done more than once");
    }
    book.compare(&world).await;
    settle(&world, &mut book).await;
    for side in Side::BOTH {
        world.machine_mut(side).kill();
        world.machine_mut(side).start(&[]);
        world.machine_mut(side).ready().await;
    }
    book.compare(&world).await;
}

/// A channel with money on both sides and a contract in it.
async fn prepare(world: &World) -> Book {
    let client = &world.client(Side::Alice);
    let request = &OpenChannelRequest {
        node_id: world.bob.node_id().to_owned(),
        address: None,
        capacity_sat: CAPACITY_SAT,
        fee_rate_sat_per_kvb: None,
    };
    let channel =
        until_answered("open", |key| async move { client.open_channel(&key, request).await });
    let channel_id = channel.await.unwrap().channel_id;
    wait_for("the funding transaction", async || (world.waiting_transactions() > 0).then_some(()))
        .await;
    world.bury();
    world.agreed(&channel_id).await;
    let payment = &PaymentRequest::single(channel_id.clone(), BOBS_MSAT);
    let paid = until_answered("first", |key| async move { client.pay(&key, payment).await });
    paid.await.unwrap();
    let mut module_hash = String::new();
    for side in Side::BOTH {
        module_hash = world.client(side).add_module(MODULE.to_vec()).await.unwrap().module_hash;
    }
    let request = &OpenContractRequest {
        channel_id: channel_id.clone(),
        module_hash,
        params_hex: terms_hex(COLLATERAL_MSAT),
        collateral_opener_msat: COLLATERAL_MSAT,
        collateral_acceptor_msat: 0,
        limits: ContractLimits::default(),
    };
    let contract =
        until_answered("contract", |key| async move { client.open_contract(&key, request).await });
    let contract_id = contract.await.unwrap().contract_id;
    let channel = world.agreed(&channel_id).await;
    Book {
        channel_id,
        contract_id,
        alice_msat: channel.holder_balance_msat,
        bob_msat: channel.counterparty_balance_msat,
        metered_msat: 0,
        receipts: Vec::new(),
    }
}

type Burst = JoinSet<Vec<(Order, Receipt)>>;

/// Callers on both sides at once: two of each pay, one uses the contract.
fn start_burst(world: &World, book: &Book, turn: u32, dice: &mut Dice) -> Burst {
    let mut burst = JoinSet::new();
    for (caller, side) in
        [Side::Alice, Side::Bob, Side::Alice, Side::Bob, Side::Alice].into_iter().enumerate()
    {
        let orders = (0..ORDERS_PER_CALLER).map(|place| {
            let key = format!("kill-{turn}-{caller}-{place}");
            match caller {
                4 => Order::calls(key, &book.contract_id, dice),
                _ => Order::pay(side, key, &book.channel_id, dice),
            }
        });
        let orders: Vec<Order> = orders.collect();
        let client = world.client(side);
        burst.spawn(async move {
            let mut done = Vec::new();
            for order in orders {
                let receipt = order.carry_out(&client).await;
                done.push((order, receipt));
            }
            done
        });
    }
    burst
}

impl Book {
    fn enter_all(&mut self, done: Vec<(Order, Receipt)>) {
        for (order, receipt) in done {
            self.enter(order, receipt);
        }
    }

    fn enter(&mut self, order: Order, receipt: Receipt) {
        let paid_msat = order.paid_msat();
        match order.payer {
            Side::Alice => {
                self.alice_msat -= paid_msat;
                self.bob_msat += paid_msat;
            }
            Side::Bob => {
                self.bob_msat -= paid_msat;
                self.alice_msat += paid_msat;
            }
        }
        self.metered_msat += order.metered_msat();
        self.receipts.push((order, receipt));
    }

    /// Both sides agree, and on what the answers add up to.
    async fn compare(&self, world: &World) {
        let channel = world.agreed(&self.channel_id).await;
        assert_eq!(
            (channel.holder_balance_msat, channel.counterparty_balance_msat),
            (self.alice_msat, self.bob_msat),
            "Alice's and Bob's millisatoshis are not what the answered requests leave them"
        );
        if channel.contracts == 0 {
            return;
        }
        let mut states = Vec::new();
        for side in Side::BOTH {
            let contract = world.client(side).contract(&self.contract_id).await.unwrap();
            let (holder, counterparty) =
                (contract.outcome_holder_msat, contract.outcome_counterparty_msat);
            let bobs = if side == Side::Alice { counterparty } else { holder };
            assert_eq!(bobs, self.metered_msat, "what {side:?} says that Bob has earned");
            assert_eq!(holder + counterparty, COLLATERAL_MSAT, "{side:?}");
            states.push(contract.state_hex);
        }
        assert_eq!(states[0], states[1], "the contract's states differ");
    }
}

/// Ends the contract: its collateral is in the balances again.
async fn settle(world: &World, book: &mut Book) {
    const CLOSE_HEX: &str = "03";
    let (client, contract_id) = (&world.client(Side::Alice), &book.contract_id);
    let close = &strait_api_types::ActRequest::single(CLOSE_HEX.to_owned());
    let closed =
        until_answered("close", |key| async move { client.act(&key, contract_id, close).await });
    closed.await.unwrap();
    let settled =
        until_answered("settle", |key| async move { client.settle(&key, contract_id).await });
    settled.await.unwrap();
    book.alice_msat += COLLATERAL_MSAT - book.metered_msat;
    book.bob_msat += book.metered_msat;
    book.compare(world).await;
    assert_eq!(book.alice_msat + book.bob_msat, CAPACITY_SAT * 1_000, "money lost or made");
}

fn figures(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("median {:?}, p90 {:?}, most {:?}", at(50), at(90), at(100))
}
