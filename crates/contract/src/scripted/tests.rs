//! The purse through the same door that channels use: [`Terms`].

use super::*;
use crate::{Limits, OutcomeError, Step, Terms};

const ROUND: Fuel = Fuel(100_000);

fn terms() -> Terms {
    Terms {
        module: PURSE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(MilliSats::from_const(70), MilliSats::from_const(30)).unwrap(),
        limits: Limits::default(),
    }
}

fn run(actions: &[(Party, PurseAction)]) -> Result<Outcome, CallError> {
    let runtime = ScriptedRuntime::with_purse();
    let terms = terms();
    let mut state = terms.init(&runtime, ROUND)?.value;
    for (who, action) in actions {
        let action = action.to_action();
        let step =
            Step { state: &state, who: *who, action: &action, height: BlockHeight::new(100) };
        state = terms.apply(&runtime, &step, ROUND)?.value;
    }
    Ok(terms.outcome(&runtime, &state, ROUND)?.value)
}

fn give(amount_msat: u64) -> PurseAction {
    PurseAction::Give { amount: MilliSats::new(amount_msat).unwrap() }
}

#[test]
fn what_one_gives_the_other_has() {
    let outcome = run(&[(Party::First, give(20)), (Party::Second, give(5))]).unwrap();
    assert_eq!(outcome.first, MilliSats::from_const(55));
    assert_eq!(outcome.second, MilliSats::from_const(45));
    assert_eq!(outcome.finality, Finality::Open);
}

#[test]
fn a_lock_leaves_its_offerer_and_a_finished_purse_refuses_all() {
    let lock = PurseAction::Lock {
        amount: MilliSats::from_const(10),
        payment_hash: PaymentHash::from_bytes([1; 32]),
        expiry: BlockHeight::new(101),
    };
    let outcome = run(&[(Party::Second, lock), (Party::First, PurseAction::Finish)]).unwrap();
    assert_eq!(outcome.second, MilliSats::from_const(20));
    assert_eq!(outcome.locks.len(), 1);
    assert_eq!(outcome.finality, Finality::Final);
    let late = run(&[(Party::First, PurseAction::Finish), (Party::First, give(1))]);
    assert_eq!(late, Err(refused(3, "the purse has ended")));
}

#[test]
fn every_misbehaviour_is_its_own_failure() {
    let check = |action, expect: Failure| {
        assert_eq!(run(&[(Party::First, action)]), Err(CallError::Failed(expect)));
    };
    check(PurseAction::Panic, Failure::Trap { reason: TrapReason::Unreachable });
    check(PurseAction::Burn { fuel: Fuel(u64::MAX) }, Failure::OutOfFuel { limit: ROUND });
    check(
        PurseAction::Mint { amount: MilliSats::from_const(1) },
        Failure::BadOutcome(OutcomeError::WrongSum {
            actual: Some(MilliSats::from_const(101)),
            expected: MilliSats::from_const(100),
        }),
    );
    check(give(71), Failure::Refused(Refusal::new(4, b"more than one has")));
}

#[test]
fn a_missing_module_is_a_fault_of_this_machine() {
    let fault = terms().init(&ScriptedRuntime::new(), ROUND).unwrap_err();
    assert_eq!(fault, CallError::Local(LocalFault::ModuleMissing { module: PURSE }));
}

#[test]
fn a_state_above_the_limit_of_the_terms_is_a_failure() {
    let mut terms = terms();
    terms.limits.state_bytes = 3;
    let failure = terms.init(&ScriptedRuntime::with_purse(), ROUND).unwrap_err();
    assert!(matches!(failure, CallError::Failed(Failure::StateTooLarge { limit: 3, .. })));
}

#[test]
fn terms_differ_in_digest_when_anything_in_them_differs() {
    let terms = terms();
    let other = Terms { params: Params::new(&[0]).unwrap(), ..terms.clone() };
    assert_eq!(terms.digest(), terms.clone().digest());
    assert_ne!(terms.digest(), other.digest());
    let bytes = minicbor::to_vec(&terms).unwrap();
    assert_eq!(minicbor::decode::<Terms>(&bytes).unwrap(), terms);
}
