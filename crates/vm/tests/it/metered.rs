//! The example contract in its compiled form, through the same door as a channel uses. `cargo xtask contracts --check`
//! runs these on a module built by another toolchain than the checked-in one's: `STRAIT_METERED_WASM` names it.

use strait_contract::{
    CallError, Collateral, Failure, Finality, Params, Party, State, Terms, TrapReason,
};
use strait_primitives::MilliSats;

use crate::guest::{ROUND, World, terms};

/// What is checked in.
const MODULE: &[u8] = include_bytes!("../../../../contracts/metered/metered.wasm");
/// What each party puts in, in millisatoshis.
const COLLATERAL_MSAT: (u64, u64) = (1_000, 50);

/// The module's own encoding: who pays, the cap, the steps of the tariff.
fn params(customer: u8, cap_msat: u64, steps: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![customer];
    bytes.extend(cap_msat.to_be_bytes());
    bytes.push(u8::try_from(steps.len()).unwrap());
    for (from, price_msat) in steps {
        bytes.extend(from.to_be_bytes());
        bytes.extend(price_msat.to_be_bytes());
    }
    bytes
}

fn pay(calls: u32) -> Vec<u8> {
    [&[1], &calls.to_be_bytes()[..]].concat()
}

fn refund(amount_msat: u64) -> Vec<u8> {
    [&[2], &amount_msat.to_be_bytes()[..]].concat()
}

fn close() -> Vec<u8> {
    vec![3]
}

fn world(params: &[u8]) -> World {
    let module = std::env::var_os("STRAIT_METERED_WASM").map(|path| std::fs::read(path).unwrap());
    let mut world = World::new(module.as_deref().unwrap_or(MODULE));
    let (first, second) = COLLATERAL_MSAT;
    let amount = |msat| MilliSats::new(msat).unwrap();
    world.terms = Terms {
        params: Params::new(params).unwrap(),
        collateral: Collateral::new(amount(first), amount(second)).unwrap(),
        ..terms(world.terms.module)
    };
    world
}

/// Plays actions; gives both balances at the end, or the code of the first refusal.
fn play(actions: &[(Party, Vec<u8>)]) -> Result<(u64, u64, Finality), u32> {
    let world = world(&params(0, 100, &[(0, 10), (5, 4)]));
    let code = |error: CallError| match error {
        CallError::Failed(Failure::Refused(refusal)) => refusal.code(),
        other @ (CallError::Failed(_) | CallError::Local(_)) => panic!("{other:?}"),
    };
    let mut state = world.terms.init(&world.vm, ROUND).map_err(code)?.value;
    for (who, action) in actions {
        state = world.act(&state, *who, action).map_err(code)?.value;
        world.outcome(&state).expect("every state has an outcome that stands");
    }
    let outcome = world.outcome(&state).unwrap().value;
    Ok((outcome.first.to_msat(), outcome.second.to_msat(), outcome.finality))
}

#[test]
fn metered_moves_money_only_by_the_one_who_loses_it() {
    use Party::{First, Second};
    assert_eq!(play(&[]), Ok((1_000, 50, Finality::Open)));
    assert_eq!(play(&[(First, pay(6))]), Ok((946, 104, Finality::Open)));
    assert_eq!(play(&[(Second, pay(6))]), Err(11));
    assert_eq!(play(&[(First, pay(6)), (First, refund(1))]), Err(12));
    assert_eq!(play(&[(First, pay(6)), (Second, refund(54))]), Ok((1_000, 50, Finality::Open)));
    assert_eq!(play(&[(First, pay(6)), (Second, refund(55))]), Err(14));
}

#[test]
fn metered_keeps_its_cap_and_its_end() {
    use Party::{First, Second};
    assert_eq!(play(&[(First, pay(17))]), Ok((902, 148, Finality::Open)));
    assert_eq!(play(&[(First, pay(17)), (First, pay(1))]), Err(13));
    assert_eq!(play(&[(First, pay(1)), (Second, close())]), Ok((990, 60, Finality::Final)));
    assert_eq!(play(&[(First, close()), (First, pay(1))]), Err(10));
    assert_eq!(play(&[(First, vec![0xff])]), Err(4));
}

#[test]
fn metered_refuses_terms_that_it_could_not_keep() {
    for (params, code) in
        [(vec![9], 1), (params(0, 1_001, &[(0, 1)]), 2), (params(1, 51, &[(0, 1)]), 2)]
    {
        let world = world(&params);
        let refusal = world.terms.init(&world.vm, ROUND).unwrap_err();
        let CallError::Failed(Failure::Refused(refusal)) = refusal else { panic!("{refusal:?}") };
        assert_eq!(refusal.code(), code);
    }
}

#[test]
fn metered_traps_on_a_state_that_it_never_wrote() {
    let world = world(&[]);
    let failure = world.act(&State::new(&[1, 2]).unwrap(), Party::First, &pay(1)).unwrap_err();
    let reason = TrapReason::Unreachable;
    assert_eq!(failure, CallError::Failed(Failure::Trap { reason }));
}

#[test]
fn metered_stays_small_and_cheap() {
    assert!(MODULE.len() < 32 * 1024, "{} bytes", MODULE.len());
    let world = world(&params(0, 100, &[(0, 10), (5, 4)]));
    let state = world.terms.init(&world.vm, ROUND).unwrap();
    let step = world.act(&state.value, Party::First, &pay(1)).unwrap();
    for used in [state.used, step.used, world.outcome(&step.value).unwrap().used] {
        assert!(used.0 < 20_000, "{} fuel", used.0);
    }
}
