//! The rules as plain Rust, through the same three functions that a channel calls.

use super::*;
use crate::Step;

const COLLATERAL: Collateral = Collateral { first_msat: 1_000, second_msat: 50 };

fn params(customer: Party, cap_msat: u64) -> Params {
    let steps = [(0, 10), (5, 4)].map(|(from, price_msat)| Step { from, price_msat });
    Params { customer, cap_msat, steps: steps.to_vec() }
}

/// Plays actions on a contract whose customer is the first party, and gives both balances or the first refusal's code.
fn play(actions: &[(Party, Action)]) -> Result<(u64, u64, Finality), u32> {
    let params = params(Party::First, 100).to_bytes();
    let mut state = Metered::init(COLLATERAL, &params).map_err(|refusal| refusal.code)?;
    for (who, action) in actions {
        let bytes = action.to_bytes();
        let call = Call { who: *who, action: &bytes, height: 7 };
        state = Metered::apply(&state, call).map_err(|refusal| refusal.code)?;
        let division = Metered::outcome(&state);
        let total_msat = division.first_msat.checked_add(division.second_msat);
        assert_eq!(total_msat, Some(1_050), "after {action:?}");
    }
    let division = Metered::outcome(&state);
    Ok((division.first_msat, division.second_msat, division.finality))
}

#[test]
fn only_the_party_that_loses_money_moves_it() {
    use Party::{First, Second};
    let pay = Action::Use { calls: 6 };
    let back = |amount_msat| Action::Refund { amount_msat };
    assert_eq!(play(&[(First, pay)]), Ok((946, 104, Finality::Open)));
    assert_eq!(play(&[(Second, pay)]), Err(11));
    assert_eq!(play(&[(First, pay), (Second, back(54))]), Ok((1_000, 50, Finality::Open)));
    assert_eq!(play(&[(First, pay), (First, back(1))]), Err(12));
    assert_eq!(play(&[(First, pay), (Second, back(55))]), Err(14));
}

#[test]
fn the_cap_holds_and_a_refund_makes_room_under_it() {
    use Party::{First, Second};
    let pay = |calls| (First, Action::Use { calls });
    assert_eq!(play(&[pay(17)]), Ok((902, 148, Finality::Open)));
    assert_eq!(play(&[pay(17), pay(1)]), Err(13));
    assert_eq!(play(&[pay(u32::MAX)]), Err(13));
    let back = (Second, Action::Refund { amount_msat: 2 });
    assert_eq!(play(&[pay(17), back, pay(1)]), Ok((900, 150, Finality::Open)));
}

#[test]
fn either_may_close_and_nothing_moves_afterwards() {
    for who in [Party::First, Party::Second] {
        let closed = [(Party::First, Action::Use { calls: 1 }), (who, Action::Close)];
        assert_eq!(play(&closed), Ok((990, 60, Finality::Final)));
        for late in [Action::Use { calls: 0 }, Action::Refund { amount_msat: 0 }, Action::Close] {
            assert_eq!(play(&[(who, Action::Close), (who, late)]), Err(10));
        }
    }
}

#[test]
fn the_second_party_can_be_the_customer() {
    let params = params(Party::Second, 50).to_bytes();
    let state = Metered::init(COLLATERAL, &params).unwrap();
    let action = Action::Use { calls: 2 }.to_bytes();
    let call = Call { who: Party::Second, action: &action, height: 0 };
    let division = Metered::outcome(&Metered::apply(&state, call).unwrap());
    assert_eq!((division.first_msat, division.second_msat), (1_020, 30));
}

#[test]
fn terms_that_could_not_be_kept_are_refused_at_the_start() {
    let code = |params: &[u8]| Metered::init(COLLATERAL, params).unwrap_err().code;
    assert_eq!(code(&[9]), 1);
    assert_eq!(code(&params(Party::First, 1_001).to_bytes()), 2);
    assert_eq!(code(&params(Party::Second, 51).to_bytes()), 2);
    let huge = Collateral { first_msat: u64::MAX, second_msat: 1 };
    assert_eq!(Metered::init(huge, &params(Party::First, 1).to_bytes()).unwrap_err().code, 3);
}

#[test]
fn an_action_of_other_bytes_is_refused_and_a_state_survives_its_bytes() {
    let state = Metered::init(COLLATERAL, &params(Party::First, 9).to_bytes()).unwrap();
    let call = Call { who: Party::First, action: &[0xff], height: 0 };
    assert_eq!(Metered::apply(&state, call).unwrap_err().code, 4);
    assert_eq!(State::from_bytes(&state).unwrap().to_bytes(), state);
    assert_eq!(State::from_bytes(&[state, vec![0]].concat()), None);
}
