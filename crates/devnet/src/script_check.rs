//! Scripts and signatures, judged by Bitcoin Core's own interpreter (crate `bitcoinconsensus`).
//!
//! It knows the rules of consensus. The stricter rules that relaying nodes add inside scripts (minimal pushes,
//! empty signatures for failed checks, low S) are not part of that library and are not enforced here; the tests
//! that run against a real bitcoind cover them.

use bitcoin::{Transaction, consensus};
use bitcoinconsensus::{Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT, verify_with_flags};

use crate::coin::Coin;
use crate::reject::Reject;

/// Refuses a transaction if any input's script fails.
///
/// `coins` are those its inputs spend, in order.
pub(crate) fn check_scripts(transaction: &Transaction, coins: &[Coin]) -> Result<(), Reject> {
    assert_eq!(transaction.input.len(), coins.len(), "one coin for each input");
    let bytes = consensus::serialize(transaction);
    let spent: Vec<Utxo> = coins
        .iter()
        .map(|coin| {
            let script = coin.output.script_pubkey.as_bytes();
            Utxo {
                script_pubkey: script.as_ptr(),
                script_pubkey_len: u32::try_from(script.len()).expect("scripts fit in a block"),
                value: i64::try_from(coin.output.value.to_sat()).expect("all the money fits"),
            }
        })
        .collect();
    let flags = VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;
    for (index, coin) in coins.iter().enumerate() {
        let script = coin.output.script_pubkey.as_bytes();
        let value = coin.output.value.to_sat();
        verify_with_flags(script, value, &bytes, Some(&spent), index, flags).map_err(|_| {
            Reject::rule(
                "mempool-script-verify-flag-failed",
                format!("input {index} of {}", transaction.compute_txid()),
            )
        })?;
    }
    Ok(())
}
