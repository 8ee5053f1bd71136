//! Did whoever brought a revoked commitment on chain lose all of it? Asked once all is at rest.

use std::collections::BTreeMap;

use bitcoin::{OutPoint, Transaction};
use strait_primitives::VBytes;
use strait_wallet::{AddressGap, Wallet};

use crate::chain::SimChain;
use crate::host::Host;
use crate::oracle::Violation;
use crate::wealth::blocks;

/// What taking an output alone costs in size: less is left lying.
const CLAIM_SIZE: VBytes = VBytes(400);

/// Fails if an output of a revoked commitment is left, or went to somebody else than this node.
pub(crate) fn check_penalties(host: &Host, chain: &SimChain) -> Result<(), Violation> {
    let durable = &host.durable;
    let over = durable.bargain.cheats.iter().filter(|(id, _)| {
        // One that is not over is somebody else's law.
        !durable.state.channels.contains_key(*id)
    });
    let cheats: Vec<_> = over.map(|(_, txid)| *txid).collect();
    if cheats.is_empty() {
        return Ok(());
    }
    let wallet = Wallet::load(host.identity.account(), &durable.state.wallet, AddressGap(3))
        .expect("the fold of a node's log holds its wallet");
    let owns = |transaction: &Transaction| {
        transaction.output.iter().any(|output| wallet.owns_script(&output.script_pubkey))
    };
    let least = chain.highest_rate.fee(CLAIM_SIZE).to_sat();
    // What must be taken, and whether it was.
    let mut left = BTreeMap::new();
    for block in blocks(chain) {
        for transaction in &block.txdata {
            let is_taker = owns(transaction);
            for input in &transaction.input {
                if is_taker {
                    left.remove(&input.previous_output);
                }
            }
            let txid = transaction.compute_txid();
            if !cheats.contains(&txid) {
                continue;
            }
            for (vout, output) in (0_u32..).zip(&transaction.output) {
                let value = output.value.to_sat();
                if value > least && !wallet.owns_script(&output.script_pubkey) {
                    left.insert(OutPoint { txid, vout }, value);
                }
            }
        }
    }
    match left.into_iter().next() {
        None => Ok(()),
        Some((outpoint, value_sat)) => Err(Violation::Unpunished {
            node: host.place.to_string(),
            outpoint: outpoint.to_string(),
            value_sat,
        }),
    }
}
