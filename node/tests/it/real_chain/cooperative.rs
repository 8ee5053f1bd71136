//! The good life of a channel: opened, used by both sides, closed by agreement, and the coins exact to the satoshi.

use std::fs;
use std::path::Path;

use strait_api_types::{
    ActRequest, ChannelOutcome, ChannelPhase, CloseMode, ContractLimits, OpenContractRequest,
};

use super::world::{CAPACITY_SAT, FINAL_BLOCKS, World, mine, pay};

/// The contract's cap and the customer's collateral.
const CAP_MSAT: u64 = 1_000_000_000;
/// What one call costs.
const PRICE_MSAT: u64 = 1_000;

/// The opener pays for calls at one price, up to the cap; the encoding is in `docs/contracts.md`.
fn metered_params() -> String {
    let (opener, steps, from) = (0_u8, 1_u8, 0_u64);
    format!("{opener:02x}{CAP_MSAT:016x}{steps:02x}{from:016x}{PRICE_MSAT:016x}")
}

/// Pays for calls, closes the contract and settles it; returns what was spent.
async fn run_contract(world: &mut World, channel_id: &str) -> u64 {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/metered/metered.wasm");
    let wasm = fs::read(file).unwrap();
    let module = world.alice.client().add_module(wasm.clone()).await.unwrap();
    assert_eq!(world.bob.client().add_module(wasm).await.unwrap(), module);
    let request = OpenContractRequest {
        channel_id: channel_id.to_owned(),
        module_hash: module.module_hash,
        params_hex: metered_params(),
        collateral_opener_msat: CAP_MSAT,
        collateral_acceptor_msat: 0,
        limits: ContractLimits::default(),
    };
    let alice = &mut world.alice;
    let key = alice.key();
    let contract = alice.client().open_contract(&key, &request).await.unwrap().contract_id;
    let uses: Vec<String> = (1..=100_u32).map(|calls| format!("01{calls:08x}")).collect();
    let key = alice.key();
    let acted = alice.client().act(&key, &contract, &ActRequest::batch(uses)).await.unwrap();
    assert_eq!(acted.count, 100);
    let spent_msat = 5_050 * PRICE_MSAT;
    let seen = world.bob.client().contract(&contract).await.unwrap();
    assert_eq!(seen.outcome_holder_msat, spent_msat);
    let key = world.alice.key();
    let close = ActRequest::single("03".to_owned());
    world.alice.client().act(&key, &contract, &close).await.unwrap();
    let key = world.alice.key();
    let settled = world.alice.client().settle(&key, &contract).await.unwrap();
    assert_eq!(settled.counterparty_msat, Some(spent_msat));
    assert_eq!(settled.holder_msat, Some(CAP_MSAT - spent_msat));
    spent_msat
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_payments_and_a_contract_close_to_the_satoshi() {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    let funding = world.seen(channel.funding_txid.as_deref().unwrap());
    // 10,000 payments: 4,096 + 4,000 and 4 single ones from the opener, 1,896 and 4 single ones from the acceptor.
    pay(&mut world.alice, id, 1_000_000, 4_096).await;
    pay(&mut world.bob, id, 500_000, 1_896).await;
    pay(&mut world.alice, id, 1_000, 4_000).await;
    for _ in 0..4 {
        pay(&mut world.alice, id, 7_000, 1).await;
        pay(&mut world.bob, id, 5_000, 1).await;
    }
    let spent_msat = run_contract(&mut world, id).await;
    let to_bob_msat = 4_096 * 1_000_000 + 4_000 * 1_000 + 4 * 7_000 + spent_msat;
    let bob_msat = to_bob_msat - 1_896 * 500_000 - 4 * 5_000;
    let alice_msat = CAPACITY_SAT * 1_000 - bob_msat;
    let (alice_sees, bob_sees) = (world.alice.channel(id).await, world.bob.channel(id).await);
    assert_eq!(alice_sees.holder_balance_msat, alice_msat);
    assert_eq!(alice_sees.counterparty_balance_msat, bob_msat);
    assert_eq!(bob_sees.holder_balance_msat, bob_msat);
    assert_eq!(bob_sees.counterparty_balance_msat, alice_msat);

    let key = world.alice.key();
    let closing = world.alice.client().close_channel(&key, id, CloseMode::Cooperative).await;
    let closing = world.unconfirmed(closing.unwrap().closing_txid.as_deref().unwrap()).await;
    assert_eq!(closing.spends, [funding.txid.as_str()]);
    world.judge.learn(&world.bitcoind.client());
    world.judge.accepts(&closing.hex);
    world.both_reach(id, ChannelPhase::Closing).await;
    mine(&world.bitcoind, FINAL_BLOCKS);
    for node in [&world.alice, &world.bob] {
        assert_eq!(world.resolved(node, id).await, ChannelOutcome::Cooperative);
        node.follows().await;
    }
    // The opener has more and pays the fee of the closing; that of the funding it has paid before.
    let fees_sat = world.fee_sat(&funding) + world.fee_sat(&closing);
    let funds_sat = World::funds_sat();
    assert_eq!(world.bob.confirmed_sat().await, funds_sat + bob_msat / 1_000);
    assert_eq!(world.alice.confirmed_sat().await, funds_sat - bob_msat / 1_000 - fees_sat);
}
