//! Every script equals its pinned miniscript.

use std::str::FromStr as _;

use bitcoin::PublicKey;
use miniscript::{Miniscript, Segwitv0};

use super::*;
use crate::fixture::{broadcaster, countersignatory, lock, revocation_hash};

/// The encoding of a pinned miniscript with this channel's keys and hashes.
fn pinned(policy: &str, delay: u32, expiry: u32, payment_hash: &PaymentHash) -> ScriptBuf {
    let (x, y) = (broadcaster().public(), countersignatory().public());
    let text = policy
        .replace("penalty_Y", &y.penalty.to_string())
        .replace("delayed_X", &x.delayed.to_string())
        .replace("lock_X", &x.lock.to_string())
        .replace("lock_Y", &y.lock.to_string())
        .replace("h_n", &revocation_hash().to_string())
        .replace('H', &payment_hash.to_string())
        .replace("expiry", &expiry.to_string())
        .replace("delay", &delay.to_string());
    Miniscript::<PublicKey, Segwitv0>::from_str(&text).unwrap().encode()
}

fn templates(delay: u32) -> Templates {
    let (broadcaster, countersignatory) = (broadcaster().public(), countersignatory().public());
    Templates::new(ScriptTerms {
        broadcaster: &broadcaster,
        countersignatory: &countersignatory,
        delay: BlockDelta::new(delay),
    })
}

const BALANCE: &str = "andor(pk(penalty_Y),sha256(h_n),and_v(v:pk(delayed_X),older(delay)))";
const OFFERED: &str = "andor(pk(penalty_Y),sha256(h_n),or_i(and_v(v:pkh(lock_Y),sha256(H)),\
                       and_v(v:pkh(lock_X),and_v(v:after(expiry),older(delay)))))";
const RECEIVED: &str = "andor(pk(penalty_Y),sha256(h_n),or_i(and_v(v:pkh(lock_Y),after(expiry)),\
                        and_v(v:pkh(lock_X),and_v(v:sha256(H),older(delay)))))";

/// Numbers at every boundary of their encoding.
const DELAYS: [u32; 8] = [6, 16, 17, 127, 128, 144, 255, 2_016];
const EXPIRIES: [u32; 11] =
    [1, 16, 17, 127, 128, 32_767, 32_768, 800_000, 8_388_607, 8_388_608, 499_999_999];

#[test]
fn scripts_equal_their_pinned_miniscripts_at_every_length_of_their_numbers() {
    for delay in DELAYS {
        let templates = templates(delay);
        let balance = templates.balance_script(&revocation_hash());
        let offered = lock(1, Role::Broadcaster, 1_000);
        assert_eq!(balance, pinned(BALANCE, delay, 1, &offered.payment_hash), "delay {delay}");
        for expiry in EXPIRIES {
            for (offered_by, policy) in
                [(Role::Broadcaster, OFFERED), (Role::Countersignatory, RECEIVED)]
            {
                let script = templates.lock_script(LockSlots {
                    offered_by,
                    payment_hash: &offered.payment_hash,
                    expiry: BlockHeight::new(expiry),
                    revocation_hash: &revocation_hash(),
                });
                let expected = pinned(policy, delay, expiry, &offered.payment_hash);
                assert_eq!(script, expected, "delay {delay}, expiry {expiry}");
            }
        }
    }
}

#[test]
fn scripts_have_their_pinned_lengths() {
    let templates = templates(144);
    let lock = lock(1, Role::Broadcaster, 1_000);
    let hash = revocation_hash();
    let with = |offered_by| LockSlots {
        offered_by,
        payment_hash: &lock.payment_hash,
        expiry: BlockHeight::new(800_000),
        revocation_hash: &hash,
    };
    assert_eq!(templates.balance_script(&hash).len(), 116);
    assert_eq!(templates.lock_script(with(Role::Broadcaster)).len(), 179);
    assert_eq!(templates.lock_script(with(Role::Countersignatory)).len(), 178);
}

#[test]
fn outputs_pay_to_their_scripts() {
    let templates = templates(144);
    let hash = revocation_hash();
    let balance = templates.balance_output(&hash).to_script_buf();
    assert_eq!(balance, templates.balance_script(&hash).to_p2wsh());
    for offered_by in [Role::Broadcaster, Role::Countersignatory] {
        let lock = lock(1, offered_by, 1_000);
        let slots = LockSlots {
            offered_by,
            payment_hash: &lock.payment_hash,
            expiry: lock.expiry,
            revocation_hash: &hash,
        };
        let output = templates.lock_output(slots).to_script_buf();
        assert_eq!(output, templates.lock_script(slots).to_p2wsh());
    }
}

#[test]
fn the_anchor_is_pay_to_anchor() {
    assert!(crate::output::ANCHOR_SCRIPT.to_script_buf().is_witness_program());
    assert_eq!(crate::output::ANCHOR_SCRIPT.as_bytes(), [0x51, 0x02, 0x4e, 0x73]);
    assert!(ShortScript::data([1; 32]).to_script_buf().is_op_return());
}
