//! What nodes relay: standard transactions, dust, and standard ways to spend.
//!
//! Spec: the policy of Bitcoin Core, `doc/policy` there.

use bitcoin::opcodes::all::{OP_PUSHNUM_1, OP_RETURN};
use bitcoin::taproot::{LeafVersion, TAPROOT_ANNEX_PREFIX};
use bitcoin::{Amount, Script, Transaction, TxIn, TxOut, Weight, WitnessVersion};
use strait_primitives::VBytes;

use crate::coin::Coin;
use crate::limits::{
    DATA_CARRIER_BYTES_MAX, DUST_FEE_RATE, DUST_OUTPUTS_MAX, STANDARD_BASE_SIZE_MIN,
    STANDARD_NESTED_SIGOPS_MAX, STANDARD_SCRIPT_SIG_BYTES_MAX, STANDARD_VERSION_MAX,
    STANDARD_WEIGHT_MAX, STANDARD_WITNESS_ITEM_BYTES_MAX, STANDARD_WITNESS_ITEMS_MAX,
    STANDARD_WITNESS_SCRIPT_BYTES_MAX,
};
use crate::reject::Reject;

/// Size of the input that spends a segregated-witness output, as the dust rule counts it.
const WITNESS_INPUT_BYTES: u64 = 32 + 4 + 1 + 107 / 4 + 4;
/// Size of the input that spends any other output, as the dust rule counts it.
const LEGACY_INPUT_BYTES: u64 = 32 + 4 + 1 + 107 + 4;
/// The bits of a control block's first byte that hold the leaf version (BIP-0341).
const LEAF_VERSION_MASK: u8 = 0xfe;

/// What an output script is, as far as relay rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScriptKind {
    /// Pays a key, a script hash, a bare multisig or a defined witness program.
    Spendable,
    /// Pays to anyone as an anchor (P2A).
    Anchor,
    /// Pays a witness program whose meaning is not defined yet.
    FutureWitness,
    /// Carries data and can never be spent.
    Data,
    /// Anything else.
    Unknown,
}

/// True for the pay-to-anchor script: version 1, program `4e73`.
pub(crate) fn is_anchor(script: &Script) -> bool {
    script.as_bytes() == [OP_PUSHNUM_1.to_u8(), 0x02, 0x4e, 0x73]
}

/// Classifies an output script.
fn kind_of(script: &Script) -> ScriptKind {
    if is_anchor(script) {
        return ScriptKind::Anchor;
    }
    if script.is_p2wpkh() || script.is_p2wsh() || script.is_p2tr() {
        return ScriptKind::Spendable;
    }
    match script.witness_version() {
        None => {}
        Some(WitnessVersion::V0) => return ScriptKind::Unknown,
        Some(_) => return ScriptKind::FutureWitness,
    }
    if script.is_p2pk() || script.is_p2pkh() || script.is_p2sh() || is_standard_multisig(script) {
        return ScriptKind::Spendable;
    }
    if let Some((&first, pushes)) = script.as_bytes().split_first()
        && first == OP_RETURN.to_u8()
        && Script::from_bytes(pushes).is_push_only()
    {
        return ScriptKind::Data;
    }
    ScriptKind::Unknown
}

/// True for a bare multisig of at most three keys.
fn is_standard_multisig(script: &Script) -> bool {
    let keys =
        script.instructions().filter_map(Result::ok).filter(|part| part.push_bytes().is_some());
    script.is_multisig() && keys.count() <= 3
}

/// True if the output is worth less than it costs to spend.
pub(crate) fn is_dust(output: &TxOut) -> bool {
    if output.script_pubkey.is_op_return() {
        return false;
    }
    let size = u64::try_from(output.size()).expect("an output fits in a block");
    let is_witness = output.script_pubkey.is_witness_program();
    let input = if is_witness { WITNESS_INPUT_BYTES } else { LEGACY_INPUT_BYTES };
    let threshold = DUST_FEE_RATE.fee(VBytes(size.saturating_add(input)));
    output.value < Amount::from_sat(threshold.to_sat())
}

/// True if any output is dust.
pub(crate) fn has_dust(transaction: &Transaction) -> bool {
    transaction.output.iter().any(is_dust)
}

/// Refuses a transaction that nodes would not relay whatever it spends.
pub(crate) fn check_standard(transaction: &Transaction) -> Result<(), Reject> {
    let refuse = |reason| Err(Reject::rule(reason, ""));
    if !(1..=STANDARD_VERSION_MAX).contains(&transaction.version.0) {
        return refuse("version");
    }
    if transaction.weight() > Weight::from_wu(STANDARD_WEIGHT_MAX) {
        return refuse("tx-size");
    }
    for input in &transaction.input {
        if input.script_sig.len() > STANDARD_SCRIPT_SIG_BYTES_MAX {
            return refuse("scriptsig-size");
        }
        if !input.script_sig.is_push_only() {
            return refuse("scriptsig-not-pushonly");
        }
    }
    let mut data_bytes = 0_usize;
    for output in &transaction.output {
        match kind_of(&output.script_pubkey) {
            ScriptKind::Unknown => return refuse("scriptpubkey"),
            ScriptKind::Data => data_bytes = data_bytes.saturating_add(output.script_pubkey.len()),
            ScriptKind::Spendable | ScriptKind::Anchor | ScriptKind::FutureWitness => {}
        }
    }
    if data_bytes > DATA_CARRIER_BYTES_MAX {
        return refuse("datacarrier");
    }
    if transaction.output.iter().filter(|output| is_dust(output)).count() > DUST_OUTPUTS_MAX {
        return refuse("dust");
    }
    if transaction.base_size() < STANDARD_BASE_SIZE_MIN {
        return refuse("tx-size-small");
    }
    Ok(())
}

/// Refuses a transaction that spends coins in a way nodes would not relay.
///
/// `coins` are those its inputs spend, in order.
pub(crate) fn check_standard_inputs(
    transaction: &Transaction,
    coins: &[Coin],
) -> Result<(), Reject> {
    for (index, (input, coin)) in transaction.input.iter().zip(coins).enumerate() {
        let details = match kind_of(&coin.output.script_pubkey) {
            ScriptKind::Spendable if coin.output.script_pubkey.is_p2sh() => {
                let Some(details) = nested_fault(index, input) else { continue };
                details
            }
            ScriptKind::Spendable | ScriptKind::Anchor => continue,
            ScriptKind::FutureWitness => format!("input {index} witness program is undefined"),
            ScriptKind::Data | ScriptKind::Unknown => format!("input {index} script unknown"),
        };
        return Err(Reject::rule("bad-txns-nonstandard-inputs", details));
    }
    let mut inputs = transaction.input.iter().zip(coins);
    if inputs.all(|(input, coin)| is_standard_witness(input, coin)) {
        return Ok(());
    }
    Err(Reject::rule("bad-witness-nonstandard", ""))
}

/// What is not standard about the spend of a script hash, if anything.
fn nested_fault(index: usize, input: &TxIn) -> Option<String> {
    let Some(redeem_script) = input.script_sig.redeem_script() else {
        return Some(format!("input {index} P2SH redeemscript missing"));
    };
    let sigops = redeem_script.count_sigops();
    (sigops > STANDARD_NESTED_SIGOPS_MAX).then(|| {
        format!(
            "p2sh redeemscript sigops exceed limit (input {index}: {sigops} > \
             {STANDARD_NESTED_SIGOPS_MAX})"
        )
    })
}

/// True if the witness is one that nodes relay.
fn is_standard_witness(input: &TxIn, coin: &Coin) -> bool {
    if input.witness.is_empty() {
        return true;
    }
    let script = &coin.output.script_pubkey;
    let nested = script.is_p2sh().then(|| input.script_sig.redeem_script()).flatten();
    let program: &Script = nested.unwrap_or(script);
    if is_anchor(program) || !program.is_witness_program() {
        return false;
    }
    let items: Vec<&[u8]> = input.witness.iter().collect();
    let small = |item: &&[u8]| item.len() <= STANDARD_WITNESS_ITEM_BYTES_MAX;
    if program.is_p2wsh() {
        let Some((witness_script, stack)) = items.split_last() else { return true };
        return witness_script.len() <= STANDARD_WITNESS_SCRIPT_BYTES_MAX
            && stack.len() <= STANDARD_WITNESS_ITEMS_MAX
            && stack.iter().all(small);
    }
    if program.is_p2tr() && nested.is_none() {
        return match items.as_slice() {
            [] => false,
            [_] => true,
            [.., last] if last.first() == Some(&TAPROOT_ANNEX_PREFIX) => false,
            [stack @ .., _, control] => match control.first() {
                None => false,
                Some(byte) if byte & LEAF_VERSION_MASK == LeafVersion::TapScript.to_consensus() => {
                    stack.iter().all(small)
                }
                Some(_) => true,
            },
        };
    }
    true
}
