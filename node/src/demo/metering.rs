//! The contract: `metered`, by which bob sells alice calls. Layouts are those of `docs/contracts.md`.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use strait_api_types::{ActRequest, ContractLimits, ContractPhase, OpenContractRequest};
use tokio::time::Instant;

use super::error::Trouble;
use super::node::{Node, same};
use super::payments::Ends;
use super::progress::Meter;

/// The compiled contract, as it is checked in.
const MODULE: &[u8] = include_bytes!("../../../contracts/metered/metered.wasm");
/// Calls that alice pays for, each an action of its own.
pub(super) const USES: u64 = 4_000;
/// Actions in one request.
const BATCH: u64 = 256;
/// Requests in flight.
const IN_FLIGHT: usize = 4;
/// What alice puts in: also the cap.
const COLLATERAL_MSAT: u64 = 5_000_000;
/// From which call on a call costs how much.
const TARIFF: [(u64, u64); 3] = [(0, 1_000), (1_000, 800), (2_500, 500)];
/// What bob gives back at the end.
const REFUND_MSAT: u64 = 25_000;
/// Beside the uses: one refund, one close.
const OTHER_ACTIONS: u64 = 2;
/// What all actions but uses begin with, and uses too.
const USE: u8 = 1;
const REFUND: u8 = 2;
const CLOSE: u8 = 3;

/// What the contract did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metered {
    /// Actions that both sides ran.
    pub(super) calls: u64,
    /// How long the uses took.
    pub(super) uses_took: Duration,
    /// What alice paid bob in the end.
    pub(super) spent_msat: u64,
}

impl Ends<'_> {
    /// Gives both nodes the module, runs a contract of it from its opening to its settlement.
    pub(super) async fn run_metered(&self, meter: &Meter) -> Result<Metered, Trouble> {
        let contract_id = self.open_metered().await?;
        let began = Instant::now();
        self.use_all(&contract_id, meter).await?;
        let uses_took = began.elapsed();
        act(self.bob, "refund", &contract_id, &[refund_hex(REFUND_MSAT)]).await?;
        act(self.alice, "close", &contract_id, &[hex::encode([CLOSE])]).await?;
        let spent_msat = price_msat(USES).checked_sub(REFUND_MSAT).ok_or(Trouble::Overflow)?;
        self.settle(&contract_id, spent_msat).await?;
        let calls = USES.checked_add(OTHER_ACTIONS).ok_or(Trouble::Overflow)?;
        Ok(Metered { calls, uses_took, spent_msat })
    }

    async fn open_metered(&self) -> Result<String, Trouble> {
        let mut module_hash = String::new();
        for node in [self.alice, self.bob] {
            let added = node.client.add_module(MODULE.to_vec()).await;
            module_hash = added.map_err(node.failed("take the module"))?.module_hash;
        }
        let request = OpenContractRequest {
            channel_id: self.channel_id.to_owned(),
            module_hash,
            params_hex: params_hex(),
            collateral_opener_msat: COLLATERAL_MSAT,
            collateral_acceptor_msat: 0,
            limits: ContractLimits::default(),
        };
        let what = "open the contract";
        let opened = self.alice.once(what, "demo-contract", async |client, key| {
            client.open_contract(key, &request).await
        });
        let contract = opened.await?;
        phase_is(ContractPhase::Open, contract.phase)?;
        Ok(contract.contract_id)
    }

    /// One action for each call, in batches, several in flight: their order does not matter.
    async fn use_all(&self, contract_id: &str, meter: &Meter) -> Result<(), Trouble> {
        let uses = async |(first, last): (u64, u64)| {
            let actions: Vec<String> = (first..last).map(|_| use_hex(1)).collect();
            act(self.alice, &format!("uses-{first}"), contract_id, &actions).await?;
            meter.add(last.saturating_sub(first));
            Ok(())
        };
        let starts = (0..USES).step_by(usize::try_from(BATCH).expect("a small constant"));
        stream::iter(starts.map(|first| (first, first.saturating_add(BATCH).min(USES))))
            .map(uses)
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await
    }

    /// Checks that the contract says the right thing, and divides the collateral as it says.
    async fn settle(&self, contract_id: &str, spent_msat: u64) -> Result<(), Trouble> {
        let left_msat = COLLATERAL_MSAT.checked_sub(spent_msat).ok_or(Trouble::Overflow)?;
        let shown = self.alice.client.contract(contract_id).await;
        let shown = shown.map_err(self.alice.failed("show the contract"))?;
        phase_is(ContractPhase::Open, shown.phase)?;
        same("what the contract gives alice", left_msat, shown.outcome_holder_msat)?;
        same("what the contract gives bob", spent_msat, shown.outcome_counterparty_msat)?;
        let settled = self.alice.once("settle the contract", "demo-settle", async |client, key| {
            client.settle(key, contract_id).await
        });
        settled.await.map(drop)
    }
}

async fn act(
    node: &Node,
    name: &str,
    contract_id: &str,
    actions_hex: &[String],
) -> Result<(), Trouble> {
    let request = ActRequest::batch(actions_hex.to_vec());
    let key = format!("demo-{name}");
    let acted = node.once("act on the contract", &key, async |client, key| {
        client.act(key, contract_id, &request).await
    });
    let expect = u64::try_from(actions_hex.len()).expect("lengths fit in 64 bits");
    same("actions of a batch", expect, acted.await?.count.into())
}

fn phase_is(expect: ContractPhase, found: ContractPhase) -> Result<(), Trouble> {
    if expect == found { Ok(()) } else { Err(Trouble::Contract { expect, found }) }
}

/// Alice, who opened it, pays at most her collateral, by the tariff.
fn params_hex() -> String {
    const CUSTOMER_IS_OPENER: u8 = 0;
    let mut bytes = vec![CUSTOMER_IS_OPENER];
    bytes.extend(COLLATERAL_MSAT.to_be_bytes());
    bytes.push(u8::try_from(TARIFF.len()).expect("three steps"));
    for (from, price_msat) in TARIFF {
        bytes.extend(from.to_be_bytes());
        bytes.extend(price_msat.to_be_bytes());
    }
    hex::encode(bytes)
}

fn use_hex(calls: u32) -> String {
    let mut bytes = vec![USE];
    bytes.extend(calls.to_be_bytes());
    hex::encode(bytes)
}

fn refund_hex(amount_msat: u64) -> String {
    let mut bytes = vec![REFUND];
    bytes.extend(amount_msat.to_be_bytes());
    hex::encode(bytes)
}

/// What the first calls cost by the tariff, worked out here so that the contract's answer is not taken on trust.
fn price_msat(calls: u64) -> u64 {
    let price = |call: u64| {
        let step = TARIFF.iter().rev().find(|(from, _)| *from <= call);
        step.map_or(0, |(_, price_msat)| *price_msat)
    };
    (0..calls).map(price).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_documentation() {
        assert_eq!(use_hex(25), "0100000019");
        assert_eq!(refund_hex(9), "020000000000000009");
        assert_eq!(
            params_hex(),
            "00\
             00000000004c4b40\
             03\
             0000000000000000\
             00000000000003e8\
             00000000000003e8\
             0000000000000320\
             00000000000009c4\
             00000000000001f4"
        );
    }

    #[test]
    fn the_uses_cost_what_the_tariff_says_and_stay_below_the_cap() {
        assert_eq!(price_msat(1_001), 1_000 * 1_000 + 800);
        assert_eq!(price_msat(USES), 1_000 * 1_000 + 1_500 * 800 + 1_500 * 500);
        assert!((REFUND_MSAT..=COLLATERAL_MSAT).contains(&price_msat(USES)));
    }
}
