//! The example contract in the channel: the opener pays the acceptor for calls.

use std::fs;
use std::path::Path;

use strait_api_types::{ActRequest, ContractLimits, OpenContractRequest};

use super::world::World;

/// The contract's cap and the customer's collateral.
pub(crate) const CAP_MSAT: u64 = 1_000_000_000;
/// What one call costs.
const PRICE_MSAT: u64 = 1_000;
/// What is spent once the contract was used: one call, two, and so on to a hundred at a time.
pub(crate) const SPENT_MSAT: u64 = 5_050 * PRICE_MSAT;

/// The opener pays for calls at one price, up to the cap; the encoding is in `docs/contracts.md`.
fn params() -> String {
    let (opener, steps, from) = (0_u8, 1_u8, 0_u64);
    format!("{opener:02x}{CAP_MSAT:016x}{steps:02x}{from:016x}{PRICE_MSAT:016x}")
}

/// Opens the contract and pays for calls; it stays open. Returns its id.
pub(crate) async fn open_and_use(world: &mut World, channel_id: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/metered/metered.wasm");
    let wasm = fs::read(file).unwrap();
    let module = world.alice.client().add_module(wasm.clone()).await.unwrap();
    assert_eq!(world.bob.client().add_module(wasm).await.unwrap(), module);
    let request = OpenContractRequest {
        channel_id: channel_id.to_owned(),
        module_hash: module.module_hash,
        params_hex: params(),
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
    let seen = world.bob.client().contract(&contract).await.unwrap();
    assert_eq!(seen.outcome_holder_msat, SPENT_MSAT);
    contract
}

/// Ends the contract and brings its money back into the channel.
pub(crate) async fn settle(world: &mut World, contract: &str) {
    let key = world.alice.key();
    let close = ActRequest::single("03".to_owned());
    world.alice.client().act(&key, contract, &close).await.unwrap();
    let key = world.alice.key();
    let settled = world.alice.client().settle(&key, contract).await.unwrap();
    assert_eq!(settled.counterparty_msat, Some(SPENT_MSAT));
    assert_eq!(settled.holder_msat, Some(CAP_MSAT - SPENT_MSAT));
}
