//! Tokens in a node with a channel: what is charged, what comes back, and what a restart leaves.

use strait_contract::{Collateral, Limits, Params};
use strait_primitives::{
    BlockDelta, ChannelId, Digest, MilliSats, ModuleHash, PaymentHash, Timestamp, TokenId,
};
use strait_wire::{Reference, Route};

use crate::rig::{CAPACITY, Rig, connect, key, open, talk};
use crate::{
    Answer, CloseMode, Command, CommandError, Input, Payment, Token, TokenGrant, TokenScope,
};

const TOKEN: TokenId = TokenId::from_bytes([7; 8]);
const BUDGET: MilliSats = MilliSats::from_const(10_000);

fn grant(scope: TokenScope) -> TokenGrant {
    TokenGrant {
        id: TOKEN,
        label: "shop".to_owned(),
        secret_hash: Digest::from_bytes([7; 32]),
        scope,
        issued: Timestamp::from_unix_ms(0),
        expires: None,
    }
}

fn issue(rig: &mut Rig, payment_max: Option<MilliSats>) {
    let scope = TokenScope::Pay { budget: BUDGET, payment_max };
    let answer = rig.ask(Command::IssueToken(grant(scope)));
    assert!(matches!(answer, Some(Ok(Answer::Token(_)))), "{answer:?}");
}

fn two_with_a_channel() -> (Rig, Rig, ChannelId) {
    let (mut payer, mut payee) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut payer, &mut payee);
    issue(&mut payer, None);
    (payer, payee, channel)
}

fn under(command: Command) -> Command {
    Command::UnderToken { token: TOKEN, command: Box::new(command) }
}

fn pay(channel: ChannelId, number: u8, msat: &[u64]) -> Command {
    let payment = |msat: &u64| Payment {
        amount: MilliSats::new(*msat).unwrap(),
        reference: Reference::new([number]).unwrap(),
    };
    under(Command::Pay { key: key(number), channel, payments: msat.iter().map(payment).collect() })
}

fn token(rig: &Rig) -> Token {
    rig.engine.book().tokens.find(&TOKEN).cloned().expect("it was made")
}

fn spent(rig: &Rig) -> u64 {
    token(rig).spent.to_msat()
}

fn left_is(answer: Option<Result<Answer, CommandError>>, expect: u64) {
    let Some(Err(CommandError::Budget { left, .. })) = answer else { panic!("{answer:?}") };
    assert_eq!(left.to_msat(), expect);
}

#[test]
fn requests_that_wait_together_never_exceed_the_budget() {
    let (mut payer, mut payee, channel) = two_with_a_channel();
    payer.outbox.clear();
    assert_eq!(payer.ask(pay(channel, 1, &[4_000, 2_000])), None, "it waits");
    left_is(payer.ask(pay(channel, 2, &[4_001])), 4_000);
    assert_eq!(payer.ask(pay(channel, 3, &[4_000])), None);
    left_is(payer.ask(pay(channel, 4, &[1])), 0);
    talk(&mut payer, &mut payee);
    assert_eq!(spent(&payer), 10_000);
    let again = payer.ask(pay(channel, 1, &[4_000, 2_000]));
    assert!(matches!(again, Some(Ok(Answer::Done(_)))), "asked again it is answered: {again:?}");
    assert_eq!(spent(&payer), 10_000, "and charged once");
}

#[test]
fn a_payment_above_the_tokens_bound_is_refused_alone_or_in_a_batch() {
    let (mut payer, mut payee) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut payer, &mut payee);
    issue(&mut payer, Some(MilliSats::from_const(500)));
    for amounts in [&[501][..], &[1, 501]] {
        let answer = payer.ask(pay(channel, 1, amounts));
        assert!(matches!(answer, Some(Err(CommandError::PaymentAboveToken { .. }))), "{answer:?}");
    }
    assert_eq!(payer.ask(pay(channel, 2, &[500, 500])), None);
}

#[test]
fn a_refused_request_costs_nothing() {
    let (mut payer, _payee, channel) = two_with_a_channel();
    for amounts in [&[][..], &[0]] {
        assert!(matches!(payer.ask(pay(channel, 1, amounts)), Some(Err(_))));
    }
    let elsewhere = ChannelId::from_bytes([9; 32]);
    let answer = payer.ask(pay(elsewhere, 1, &[5_000]));
    assert!(matches!(answer, Some(Err(CommandError::UnknownChannel(_)))), "{answer:?}");
    assert_eq!(spent(&payer), 0);
}

/// The queue is memory: with the process the request is gone, and its charge is found without one.
#[test]
fn a_restart_gives_back_what_no_round_carried_and_keeps_what_one_did() {
    let (mut payer, mut payee, channel) = two_with_a_channel();
    assert_eq!(payer.ask(pay(channel, 1, &[1_000])), None, "a round carries it");
    assert_eq!(payer.ask(pay(channel, 2, &[3_000])), None, "it waits for the next");
    assert_eq!(spent(&payer), 4_000);
    let mut payer = payer.on(1, payer.log());
    assert_eq!(spent(&payer), 4_000, "the log alone cannot know yet");
    payer.start();
    assert_eq!(spent(&payer), 1_000);
    assert_eq!(payer.ask(pay(channel, 2, &[3_000])), None);
    assert_eq!(
        payer.ask(pay(channel, 1, &[1_000])),
        None,
        "it waits for the round that carries it"
    );
    assert_eq!(spent(&payer), 4_000);
    left_is(payer.ask(pay(channel, 3, &[6_001])), 6_000);
    connect(&mut payer, &mut payee);
    assert_eq!(spent(&payer), 4_000);
    let state = payer.log();
    let bytes = minicbor::to_vec(&state).unwrap();
    assert_eq!(minicbor::decode::<crate::NodeState>(&bytes).unwrap(), state);
}

#[test]
fn a_round_that_came_to_nothing_gives_back_what_it_cost() {
    let (mut payer, _payee, channel) = two_with_a_channel();
    payer.sent();
    assert_eq!(payer.ask(pay(channel, 1, &[1_000])), None);
    payer.outbox.clear();
    payer.close(channel, CloseMode::Force);
    let close = payer.sent().concat();
    payer.mine(close);
    assert_eq!(spent(&payer), 1_000, "not deep enough");
    payer.mine_empty(40);
    assert_eq!(spent(&payer), 0);
}

#[test]
fn a_token_covers_nothing_but_what_a_budget_can_count() {
    let (mut payer, _payee, channel) = two_with_a_channel();
    for command in [
        Command::NewAddress,
        Command::CloseChannel { key: key(1), channel, mode: CloseMode::Force },
        Command::RevokeToken(TOKEN),
        // The peer could open it by itself after the charge was taken back.
        Command::OpenContract {
            key: key(2),
            channel,
            module: ModuleHash::from_bytes([1; 32]),
            params: Params::new(&[]).unwrap(),
            collateral: Collateral::new(MilliSats::from_const(1), MilliSats::ZERO).unwrap(),
            limits: Limits::default(),
        },
        under(Command::Status),
    ] {
        assert_eq!(payer.ask(under(command)), Some(Err(CommandError::BeyondToken(TOKEN))));
    }
    let read = TokenId::from_bytes([8; 8]);
    payer.ask(Command::IssueToken(TokenGrant { id: read, ..grant(TokenScope::Read) }));
    let Command::UnderToken { command, .. } = pay(channel, 1, &[1]) else { panic!() };
    let answer = payer.ask(Command::UnderToken { token: read, command });
    assert_eq!(answer, Some(Err(CommandError::BeyondToken(read))));
}

#[test]
fn a_revoked_an_expired_and_an_unknown_token_pay_nothing() {
    let (mut payer, mut payee) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut payer, &mut payee);
    let unknown = Some(Err(CommandError::UnknownToken(TOKEN)));
    assert_eq!(payer.ask(pay(channel, 1, &[1])), unknown);
    let scope = TokenScope::Pay { budget: BUDGET, payment_max: None };
    let past = Some(Timestamp::from_unix_ms(1));
    let answer = payer.ask(Command::IssueToken(TokenGrant { expires: past, ..grant(scope) }));
    assert_eq!(answer, Some(Err(CommandError::TokenExpired(TOKEN))));
    let soon = Some(Timestamp::from_unix_ms(1_700_000_000_001));
    payer.ask(Command::IssueToken(TokenGrant { expires: soon, ..grant(scope) }));
    payer.set_clock(Timestamp::from_unix_ms(1_700_000_000_001));
    assert_eq!(payer.ask(pay(channel, 1, &[1])), Some(Err(CommandError::TokenExpired(TOKEN))));
    assert!(matches!(payer.ask(Command::RevokeToken(TOKEN)), Some(Ok(Answer::Token(_)))));
    assert_eq!(payer.ask(pay(channel, 1, &[1])), unknown);
    assert_eq!(payer.ask(Command::RevokeToken(TOKEN)), unknown);
}

/// A clock that is set back made an expired token good again.
#[test]
fn what_has_expired_stays_so_though_the_clock_is_set_back() {
    let (mut payer, mut payee) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut payer, &mut payee);
    let scope = TokenScope::Pay { budget: BUDGET, payment_max: None };
    let [before, end] = [1_700_000_000_000, 1_700_000_000_500].map(Timestamp::from_unix_ms);
    let soon = TokenGrant { expires: Some(end), ..grant(scope) };
    assert!(matches!(payer.ask(Command::IssueToken(soon)), Some(Ok(Answer::Token(_)))));
    assert_eq!(payer.ask(pay(channel, 1, &[1])), None, "good until then");
    payer.set_clock(end);
    payer.take(Input::Tick);
    payer.set_clock(before);
    payer.take(Input::Tick);
    let expired = |id| Some(Err(CommandError::TokenExpired(id)));
    assert_eq!(payer.ask(pay(channel, 2, &[1])), expired(TOKEN));
    let other = TokenId::from_bytes([9; 8]);
    let late = TokenGrant { id: other, expires: Some(end), ..grant(scope) };
    assert_eq!(payer.ask(Command::IssueToken(late)), expired(other), "none is made in vain");
    // What the log tells of holds after a restart as well.
    payer.set_clock(end);
    payer.ask(Command::IssueToken(TokenGrant { id: other, ..grant(TokenScope::Read) }));
    let mut payer = payer.on(1, payer.log());
    payer.set_clock(before);
    payer.start();
    assert_eq!(payer.ask(pay(channel, 2, &[1])), expired(TOKEN));
}

#[test]
fn an_offered_lock_costs_its_amount() {
    let (mut payer, mut payee, channel) = two_with_a_channel();
    let id = TokenId::from_bytes([9; 8]);
    let budget = MilliSats::from_const(10_000_000);
    let scope = TokenScope::Pay { budget, payment_max: None };
    payer.ask(Command::IssueToken(TokenGrant { id, ..grant(scope) }));
    let offer = |number: u8, sat: u64, payer: &mut Rig| {
        let expiry = payer.engine.tip().height.saturating_add(BlockDelta::new(100));
        let offer = Command::OfferLock {
            key: key(number),
            channel,
            amount: MilliSats::new(sat * 1_000).unwrap(),
            payment_hash: PaymentHash::from_bytes([number; 32]),
            expiry,
            route: Route::default(),
        };
        payer.ask(Command::UnderToken { token: id, command: Box::new(offer) })
    };
    let spent = |payer: &Rig| payer.engine.book().tokens.find(&id).unwrap().spent.to_msat();
    assert_eq!(offer(1, 8_500, &mut payer), None, "it waits for its round");
    assert_eq!(spent(&payer), 8_500_000);
    left_is(offer(2, 1_501, &mut payer), 1_500_000);
    talk(&mut payer, &mut payee);
    assert_eq!(spent(&payer), 8_500_000);
}

#[test]
fn there_are_only_so_many_tokens_and_each_has_a_short_label() {
    let mut rig = Rig::new(1, 0);
    let named = |id: [u8; 8]| TokenGrant { id: TokenId::from_bytes(id), ..grant(TokenScope::Read) };
    let long = TokenGrant { label: "x".repeat(65), ..named([0; 8]) };
    let answer = rig.ask(Command::IssueToken(long));
    assert_eq!(answer, Some(Err(CommandError::TokenLabel { limit: 64, actual: 65 })));
    for number in 0..1_000_u64 {
        let answer = rig.ask(Command::IssueToken(named(number.to_be_bytes())));
        assert!(matches!(answer, Some(Ok(_))), "{number}");
    }
    let answer = rig.ask(Command::IssueToken(named([9; 8])));
    assert_eq!(answer, Some(Err(CommandError::TooManyTokens { limit: 1_000 })));
}

/// Which tokens were revoked since the backup, and what they spent, nobody knows.
#[test]
fn a_restored_log_knows_no_token() {
    let (payer, _payee, _) = two_with_a_channel();
    let restored = payer.restored(1, payer.log());
    assert_eq!(restored.engine.book().tokens.all().count(), 0);
}

/// A step of the random walk below.
fn walk(payer: &mut Rig, payee: &mut Rig, channel: ChannelId, dice: u64) {
    let number = u8::try_from(dice % 40).unwrap() + 10;
    match (dice >> 8) % 6 {
        0 => {
            *payer = payer.on(1, payer.log());
            payer.start();
            connect(payer, payee);
        }
        1 => talk(payer, payee),
        2 => payer.take(Input::Tick),
        _ => {
            payer.ask(pay(channel, number, &[u64::from(number) * 37]));
        }
    }
}

/// However requests, repetitions, crashes and ticks fall together, what left the channel under the token is what the token
/// has spent once all is quiet, and never more than its budget.
#[test]
fn what_a_token_spent_is_what_was_paid() {
    for seed in 0..2_u64 {
        let (mut payer, mut payee, channel) = two_with_a_channel();
        let whole = CAPACITY.to_millisats().to_msat();
        let own = |rig: &Rig| rig.engine.channel_view(&channel).unwrap().balance.to_msat();
        let before = own(&payer);
        assert!(before <= whole);
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..40 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            walk(&mut payer, &mut payee, channel, dice);
            assert!(spent(&payer) <= BUDGET.to_msat());
        }
        connect(&mut payer, &mut payee);
        payer.take(Input::Tick);
        assert_eq!(before - own(&payer), spent(&payer), "seed {seed}");
    }
}
