//! The rules as tables: a history, then what is refused and what is not.

use super::*;

fn at(number: u64) -> CommitmentNumber {
    CommitmentNumber::new(number).unwrap()
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn signed(number: u64) -> SigningEvent {
    let digest = digest(number.to_le_bytes()[0]);
    SigningEvent::CounterpartySigned { number: at(number), digest }
}

fn verified(number: u64) -> SigningEvent {
    SigningEvent::HolderVerified { number: at(number) }
}

fn revoked(number: u64) -> SigningEvent {
    SigningEvent::HolderRevoked { number: at(number) }
}

fn they_revoked(number: u64) -> SigningEvent {
    SigningEvent::CounterpartyRevoked { number: at(number) }
}

fn published(number: u64) -> SigningEvent {
    SigningEvent::HolderPublished { number: at(number) }
}

fn fold(events: &[SigningEvent]) -> SigningState {
    let mut state = SigningState::new();
    events.iter().for_each(|event| state.apply(*event));
    state
}

/// Both number-0 commitments are signed.
fn opened() -> Vec<SigningEvent> {
    vec![signed(0), verified(0)]
}

/// After opening, rounds as the side that proposes them.
fn proposer(rounds: u64) -> Vec<SigningEvent> {
    let round = |n| [signed(n + 1), verified(n + 1), they_revoked(n), revoked(n)];
    opened().into_iter().chain((0..rounds).flat_map(round)).collect()
}

/// After opening, rounds as the side that receives them.
fn receiver(rounds: u64) -> Vec<SigningEvent> {
    let round = |n| [verified(n + 1), signed(n + 1), revoked(n), they_revoked(n)];
    opened().into_iter().chain((0..rounds).flat_map(round)).collect()
}

fn with(mut events: Vec<SigningEvent>, more: &[SigningEvent]) -> SigningState {
    events.extend_from_slice(more);
    fold(&events)
}

#[test]
fn rounds_go_on_in_either_role_and_leave_one_commitment_each() {
    for events in [proposer(5), receiver(5)] {
        let state = fold(&events);
        assert_eq!(state.counterparty_signed(), Some(at(5)));
        assert_eq!(state.counterparty_unrevoked(), at(5));
        assert_eq!(state.holder_verified(), Some(at(5)));
        assert_eq!(state.holder_unrevoked(), at(5));
        assert_eq!(state.check_broadcast(at(5)), Ok(()));
        assert_eq!(state.check_sign_counterparty(at(6), &digest(6)), Ok(()));
        let decoded: SigningState = minicbor::decode(&minicbor::to_vec(&state).unwrap()).unwrap();
        assert_eq!(decoded, state);
    }
}

#[test]
fn a_counterpartys_number_is_signed_with_one_content_only() {
    let state = fold(&proposer(2));
    assert_eq!(state.check_sign_counterparty(at(2), &digest(2)), Ok(()), "again, byte for byte");
    assert_eq!(
        state.check_sign_counterparty(at(2), &digest(9)),
        Err(Refusal::OtherContent { number: at(2), signed: digest(2), asked: digest(9) })
    );
}

#[test]
fn a_counterpartys_numbers_are_not_skipped_or_repeated() {
    let check = |state: SigningState, asked, expected| {
        assert_eq!(
            state.check_sign_counterparty(at(asked), &digest(7)),
            Err(Refusal::CounterpartyOrder { expected: Some(at(expected)), asked: at(asked) })
        );
    };
    check(SigningState::new(), 1, 0);
    check(fold(&proposer(2)), 1, 3);
    check(fold(&proposer(2)), 4, 3);
    check(fold(&opened()), 2, 1);
}

#[test]
fn the_counterparty_never_has_three_commitments_to_choose_from() {
    let state = with(opened(), &[signed(1), verified(1), verified(2)]);
    assert_eq!(
        state.check_sign_counterparty(at(2), &digest(2)),
        Err(Refusal::TwoUnrevoked { unrevoked: at(0), asked: at(2) })
    );
    let state = with(opened(), &[signed(1), verified(1), they_revoked(0)]);
    assert_eq!(state.check_sign_counterparty(at(2), &digest(2)), Ok(()));
}

#[test]
fn the_counterparty_is_not_given_commitments_that_we_lack() {
    let state = with(opened(), &[signed(1), they_revoked(0)]);
    assert_eq!(
        state.check_sign_counterparty(at(2), &digest(2)),
        Err(Refusal::CounterpartyAhead { verified: Some(at(0)), asked: at(2) })
    );
}

#[test]
fn a_secret_is_given_away_only_when_a_newer_commitment_is_signed() {
    let nothing = Err(Refusal::NothingNewer { verified: None, asked: at(0) });
    assert_eq!(SigningState::new().check_release(at(0)), nothing);
    let state = fold(&proposer(3));
    assert_eq!(
        state.check_release(at(3)),
        Err(Refusal::NothingNewer { verified: Some(at(3)), asked: at(3) })
    );
    assert_eq!(
        state.check_release(at(4)),
        Err(Refusal::HolderOrder { expected: at(3), asked: at(4) })
    );
    assert_eq!(state.check_release(at(2)), Ok(()), "again, after a reconnect");
    let newer = with(proposer(3), &[signed(4), verified(4)]);
    assert_eq!(newer.check_release(at(3)), Ok(()));
}

#[test]
fn only_our_latest_unrevoked_commitment_is_published() {
    let state = fold(&receiver(3));
    assert_eq!(state.check_broadcast(at(3)), Ok(()));
    assert_eq!(
        state.check_broadcast(at(2)),
        Err(Refusal::Revoked { unrevoked: at(3), asked: at(2) })
    );
    let ahead = Err(Refusal::NotLatest { verified: Some(at(3)), asked: at(4) });
    assert_eq!(state.check_broadcast(at(4)), ahead);
    // About to be revoked: a newer one is signed.
    let accepted = with(receiver(3), &[verified(4), signed(4)]);
    assert_eq!(
        accepted.check_broadcast(at(3)),
        Err(Refusal::NotLatest { verified: Some(at(4)), asked: at(3) })
    );
    // Proposed only: what we hold is still the latest.
    let proposed = with(proposer(3), &[signed(4)]);
    assert_eq!(proposed.check_broadcast(at(3)), Ok(()));
}

#[test]
fn what_is_published_is_not_revoked_and_ends_the_rounds() {
    let state = with(proposer(3), &[published(3)]);
    assert_eq!(state.check_release(at(2)), Ok(()));
    assert_eq!(state.check_broadcast(at(3)), Ok(()), "it is published again every block");
    let refused = Err(Refusal::Published { published: at(3), asked: at(4) });
    assert_eq!(state.check_sign_counterparty(at(4), &digest(4)), refused);
    let signed_later = with(proposer(3), &[signed(4), published(3), verified(4)]);
    assert_eq!(
        signed_later.check_release(at(3)),
        Err(Refusal::Published { published: at(3), asked: at(3) })
    );
}

#[test]
fn a_restored_store_takes_no_part_in_rounds_and_publishes_only_at_the_operators_word() {
    let refuse = |standing| Err(Refusal::Standing { standing });
    let restored = with(proposer(3), &[SigningEvent::Restored]);
    let quarantined = refuse(Standing::Quarantined);
    assert_eq!(restored.check_sign_counterparty(at(4), &digest(4)), quarantined);
    assert_eq!(restored.check_sign_counterparty(at(3), &digest(3)), quarantined);
    assert_eq!(restored.check_release(at(2)), quarantined);
    assert_eq!(restored.check_broadcast(at(3)), quarantined);

    let accepted = with(proposer(3), &[SigningEvent::Restored, SigningEvent::LossAccepted]);
    assert_eq!(accepted.check_broadcast(at(3)), Ok(()));
    assert_eq!(accepted.check_release(at(2)), refuse(Standing::LossAccepted));

    let again =
        with(proposer(3), &[SigningEvent::Restored, SigningEvent::LossAccepted, published(3)]);
    assert_eq!(again.check_broadcast(at(3)), Ok(()));
    let lost = with(proposer(3), &[SigningEvent::DataLost, SigningEvent::Restored]);
    assert_eq!(lost.standing(), Standing::DataLost, "a restore does not make it better");
    assert_eq!(lost.check_broadcast(at(3)), refuse(Standing::DataLost));
}

#[test]
fn a_close_is_signed_after_the_shutdown_with_no_round_outstanding() {
    let all = Sats::from_const(1_000);
    assert_eq!(fold(&proposer(3)).check_sign_closing(all), Err(Refusal::RoundsOpen));
    let ended = with(proposer(3), &[SigningEvent::Shutdown]);
    assert_eq!(ended.check_sign_closing(Sats::ZERO), Ok(()));
    assert_eq!(
        ended.check_sign_counterparty(at(4), &digest(4)),
        Err(Refusal::RoundsEnded { asked: at(4) })
    );
    let outstanding = with(proposer(3), &[signed(4), SigningEvent::Shutdown]);
    assert_eq!(
        outstanding.check_sign_closing(all),
        Err(Refusal::RoundOutstanding { counterparty: Some(at(4)), holder: Some(at(3)) })
    );
}

#[test]
fn a_close_of_a_state_that_is_not_trusted_brings_what_the_operator_approved() {
    let (less, least) = (Sats::from_const(999), Sats::from_const(1_000));
    let approve = |at_least| SigningEvent::CloseApproved { at_least };
    for untrusted in [SigningEvent::Restored, SigningEvent::DataLost] {
        let history = [signed(4), untrusted, SigningEvent::Shutdown];
        let nothing = Err(Refusal::NotApproved { approved: None, output: least });
        assert_eq!(with(proposer(3), &history).check_sign_closing(least), nothing);
        let approved = with(proposer(3), &[&history[..], &[approve(least)]].concat());
        assert_eq!(approved.check_sign_closing(least), Ok(()));
        let refused = Err(Refusal::NotApproved { approved: Some(least), output: less });
        assert_eq!(approved.check_sign_closing(less), refused);
        let lowered = with(proposer(3), &[&history[..], &[approve(least), approve(less)]].concat());
        assert_eq!(lowered.check_sign_closing(less), Ok(()), "the operator's last word counts");
    }
}

#[test]
fn a_copy_of_a_state_after_which_nothing_is_signed_is_the_last_state_however_old() {
    let shut = with(proposer(3), &[SigningEvent::Shutdown, SigningEvent::Restored]);
    assert_eq!(shut.standing(), Standing::Current);
    assert_eq!(shut.check_broadcast(at(3)), Ok(()));
    let forced = with(proposer(3), &[published(3), SigningEvent::Restored]);
    assert_eq!(forced.check_broadcast(at(3)), Ok(()));
    // The answer to what is outstanding would make it a newer one.
    let outstanding =
        with(proposer(3), &[signed(4), SigningEvent::Shutdown, SigningEvent::Restored]);
    assert_eq!(outstanding.standing(), Standing::Quarantined);
}

#[test]
fn an_event_that_breaks_a_law_stops_the_process() {
    for (history, event) in [
        (proposer(3), signed(5)),
        (proposer(3), verified(5)),
        (proposer(3), revoked(3)),
        (proposer(3), they_revoked(3)),
        (proposer(3), published(2)),
        (proposer(3), SigningEvent::LossAccepted),
        (proposer(3), SigningEvent::CloseApproved { at_least: Sats::ZERO }),
    ] {
        let mut state = fold(&history);
        let applied = std::panic::catch_unwind(move || state.apply(event));
        assert!(applied.is_err(), "{event:?}");
    }
}
