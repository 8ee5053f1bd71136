//! The law of the ledger: by rows what an operation may do, and by random histories that nothing appears or vanishes.

use bitcoin::hashes::{Hash, sha256};
use proptest::prelude::*;
use strait_contract::scripted::{PURSE, PurseAction};
use strait_contract::{Collateral, Limits, Params, ScriptedRuntime, Terms};
use strait_primitives::{CommitmentNumber, PaymentHash, Preimage};
use strait_wire::{CancelReason, ContractBytes, Operation, Reference};

use super::*;

const NUMBER: CommitmentNumber = CommitmentNumber::FIRST;

fn msat(msat: u64) -> MilliSats {
    MilliSats::new(msat).unwrap()
}

fn rules() -> Rules {
    Rules {
        reserve: msat(1_000_000),
        locks_max: 3,
        contract_locks_max: 3,
        lock_min: msat(1_000),
        dust_exposure_max: msat(600_000),
    }
}

fn ledger() -> Ledger {
    let half = Sats::from_const(50_000);
    Ledger::open(Pair { opener: half, acceptor: half }, BlockHeight::new(0), &rules())
}

fn pay(amount: u64) -> Operation {
    Operation::Pay { amount: msat(amount), reference: Reference::default() }
}

fn preimage(id: u64) -> Preimage {
    Preimage::from_bytes(sha256::Hash::hash(&id.to_be_bytes()).to_byte_array())
}

fn add(id: u64, amount: u64) -> Operation {
    let hash = sha256::Hash::hash(preimage(id).as_bytes()).to_byte_array();
    Operation::AddLock {
        lock: LockId(id),
        amount: msat(amount),
        payment_hash: PaymentHash::from_bytes(hash),
        expiry: BlockHeight::new(500),
        route: strait_wire::Route::default(),
    }
}

fn claim(id: u64) -> Operation {
    Operation::ClaimLock { lock: LockId(id), preimage: preimage(id) }
}

fn cancel(id: u64) -> Operation {
    Operation::CancelLock { lock: LockId(id), reason: CancelReason::Unknown }
}

fn raise(height: u32) -> Operation {
    Operation::RaiseHeight { height: BlockHeight::new(height) }
}

/// Applies as a proposer does, without contracts.
fn apply(ledger: &mut Ledger, by: Party, operations: &[Operation]) -> Result<(), LedgerError> {
    let (rules, agreements, runtime) = (rules(), Agreements::new(), ScriptedRuntime::new());
    let contracts = Contracts::Run(&runtime);
    let mut ctx = RoundContext::new(&rules, by, NUMBER, &agreements, contracts);
    ledger.apply_all(operations, &mut ctx)
}

/// What a penalty must know of each lock is kept for ever: without an end to them a peer filled the memory for nothing.
#[test]
fn a_channel_has_a_last_lock_of_each_side() {
    let mut ledger = ledger();
    let last = crate::limits::LOCKS_EVER_MAX - 1;
    ledger.next_lock.opener = last;
    let [opener, acceptor] = [Party::Opener, Party::Acceptor];
    apply(&mut ledger, opener, &[add(last, 1_000)]).unwrap();
    apply(&mut ledger, acceptor, &[cancel(last)]).unwrap();
    let one_more = apply(&mut ledger, opener, &[add(last + 1, 1_000)]);
    assert_eq!(one_more, Err(LedgerError::LocksEver { limit: last + 1 }));
    apply(&mut ledger, acceptor, &[add(0, 1_000)]).unwrap();
    apply(&mut ledger, opener, &[pay(1_000)]).unwrap();
}

/// Checks the last of several requests, each with its proposer, by the balances it leads to or its error's text.
fn check(requests: &[(Party, &[Operation])], expect: Result<(u64, u64), &str>) {
    let mut ledger = ledger();
    let ((by, last), before) = requests.split_last().unwrap();
    for (by, operations) in before {
        apply(&mut ledger, *by, operations).unwrap();
    }
    let unchanged = ledger.clone();
    match (apply(&mut ledger, *by, last), expect) {
        (Ok(()), Ok((opener, acceptor))) => {
            assert_eq!(ledger.balance(Party::Opener), msat(opener));
            assert_eq!(ledger.balance(Party::Acceptor), msat(acceptor));
        }
        (Err(error), Err(text)) => {
            assert_eq!(error.to_string(), text);
            assert_eq!(ledger, unchanged, "nothing remains of a refused request");
        }
        (actual, expect) => panic!("{actual:?} where {expect:?} was expected"),
    }
}

const A: Party = Party::Opener;
const B: Party = Party::Acceptor;

#[test]
fn a_payment_moves_the_proposers_own_balance_down_to_the_reserve() {
    check(&[(A, &[pay(1)])], Ok((49_999_999, 50_000_001)));
    check(&[(B, &[pay(7)])], Ok((50_000_007, 49_999_993)));
    check(&[(A, &[pay(49_000_000)])], Ok((1_000_000, 99_000_000)));
    let short = "49000001 msat is more than the 49000000 msat that can be spent, the reserve of 1000000 msat kept";
    check(&[(A, &[pay(49_000_001)])], Err(short));
    check(
        &[(A, &[pay(1), pay(49_000_000)])],
        Err(
            "49000000 msat is more than the 48999999 msat that can be spent, the reserve of 1000000 msat kept",
        ),
    );
    check(&[(A, &[pay(0)])], Err("an amount of zero"));
}

#[test]
fn a_lock_holds_its_amount_until_its_receiver_claims_it_or_gives_it_back() {
    let locked: (Party, &[Operation]) = (A, &[add(0, 10_000_000)]);
    check(&[locked], Ok((40_000_000, 50_000_000)));
    check(&[locked, (B, &[claim(0)])], Ok((40_000_000, 60_000_000)));
    check(&[locked, (B, &[cancel(0)])], Ok((50_000_000, 50_000_000)));
    check(&[locked, (A, &[claim(0)])], Err("no lock LockId(0) is offered to the proposer"));
    check(&[locked, (A, &[cancel(0)])], Err("no lock LockId(0) is offered to the proposer"));
    check(
        &[locked, (B, &[cancel(0), cancel(0)])],
        Err("no lock LockId(0) is offered to the proposer"),
    );
    let wrong = Operation::ClaimLock { lock: LockId(0), preimage: preimage(1) };
    check(&[locked, (B, &[wrong])], Err("the preimage does not open lock LockId(0)"));
}

#[test]
fn locks_are_counted_sized_and_bounded() {
    check(&[(A, &[add(1, 10_000)])], Err("lock LockId(1) where LockId(0) is next"));
    check(&[(A, &[add(0, 999)])], Err("a lock of 999 msat, the smallest allowed is 1000 msat"));
    let four: Vec<_> = (0..4).map(|id| add(id, 1_000_000)).collect();
    check(&[(A, &four)], Err("one lock more than the 3 this channel allows in one direction"));
    check(&[(A, &four[..3]), (B, &[add(0, 1_000_000)])], Ok((47_000_000, 49_000_000)));
    let dust: Vec<_> = (0..2).map(|id| add(id, 353_000)).collect();
    check(
        &[(A, &dust)],
        Err("trimmed locks would hold 706000 msat, at most 600000 msat is allowed"),
    );
    // The bounds hold where a request ends: what it takes away again does not count.
    check(&[(A, &four[..3]), (B, &[cancel(0), add(0, 5_000_000)])], Ok((48_000_000, 45_000_000)));
}

#[test]
fn heights_rise() {
    check(&[(A, &[raise(5)])], Ok((50_000_000, 50_000_000)));
    check(&[(A, &[raise(5)]), (B, &[raise(5)])], Err("height 5 is not above 5"));
    check(&[(A, &[pay(5), raise(5), raise(4)])], Err("height 4 is not above 5"));
}

#[test]
fn a_party_that_never_had_its_reserve_need_not_keep_one() {
    let (all, rules) = (Sats::from_const(100_000), rules());
    let contribution = Pair { opener: all, acceptor: Sats::ZERO };
    let mut ledger = Ledger::open(contribution, BlockHeight::new(0), &rules);
    apply(&mut ledger, A, &[pay(999_999)]).unwrap();
    assert_eq!(ledger.spendable(B, &rules), msat(999_999));
    apply(&mut ledger, A, &[pay(1)]).unwrap();
    assert_eq!(ledger.spendable(B, &rules), MilliSats::ZERO, "from now on it must");
}

const PURSE_ID: ContractId = ContractId::from_bytes([1; 32]);

fn agreements() -> Agreements {
    let terms = Terms {
        module: PURSE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(msat(9_000_000), msat(4_000_000)).unwrap(),
        limits: Limits::default(),
    };
    [(PURSE_ID, Agreement { terms, valid_to: NUMBER, until: None })].into()
}

/// Operations as people and thieves would choose them: many sound, some not.
fn operation() -> impl Strategy<Value = Operation> {
    let amount = prop_oneof![0_u64..3_000, 300_000_u64..5_000_000, 40_000_000_u64..60_000_000];
    let act = prop_oneof![
        (0_u64..6_000_000).prop_map(|m| PurseAction::Give { amount: msat(m) }),
        (500_u64..2_000_000, 0_u32..600).prop_map(|(m, expiry)| PurseAction::Lock {
            amount: msat(m),
            payment_hash: PaymentHash::from_bytes([9; 32]),
            expiry: BlockHeight::new(expiry),
        }),
        Just(PurseAction::Finish),
        Just(PurseAction::Mint { amount: msat(1) }),
        Just(PurseAction::Panic),
    ];
    prop_oneof![
        4 => amount.clone().prop_map(pay),
        3 => (0_u64..4, amount).prop_map(|(id, amount)| add(id, amount)),
        2 => (0_u64..4).prop_map(claim),
        2 => (0_u64..4).prop_map(cancel),
        1 => (1_u32..50).prop_map(raise),
        1 => Just(Operation::OpenContract { contract: PURSE_ID }),
        3 => act.prop_map(|action| Operation::Act {
            contract: PURSE_ID,
            action: ContractBytes::new(action.to_action().as_bytes()).unwrap(),
        }),
        1 => Just(Operation::SettleContract { contract: PURSE_ID }),
    ]
}

/// A round: its proposer and the requests that wait.
fn round() -> impl Strategy<Value = (Party, Vec<Vec<Operation>>)> {
    let requests = prop::collection::vec(prop::collection::vec(operation(), 1..4), 1..6);
    (prop_oneof![Just(A), Just(B)], requests)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..Default::default() })]

    /// One history three times: request by request as the proposer does it, each round at once as the receiver does it,
    /// and from the log. All lead to the same ledger, and none of them makes or loses money.
    #[test]
    fn a_round_is_the_same_proposed_received_and_replayed(
        rounds in prop::collection::vec(round(), 1..12),
    ) {
        let (rules, agreements, runtime) = (rules(), agreements(), ScriptedRuntime::with_purse());
        let mut ledger = ledger();
        let capacity = ledger.capacity();
        for (by, requests) in rounds {
            let run = Contracts::Run(&runtime);
            let (mut proposed, mut carried) = (ledger.clone(), Vec::new());
            let mut ctx = RoundContext::new(&rules, by, NUMBER, &agreements, run);
            for request in requests {
                let before = proposed.clone();
                match proposed.apply_all(&request, &mut ctx) {
                    Ok(()) => carried.extend(request),
                    Err(_) => prop_assert_eq!(&proposed, &before),
                }
            }
            let changes = ctx.into_changes();

            let mut received = ledger.clone();
            let mut ctx = RoundContext::new(&rules, by, NUMBER, &agreements, run);
            prop_assert_eq!(received.apply_all(&carried, &mut ctx), Ok(()));
            prop_assert_eq!(&received, &proposed);
            prop_assert_eq!(&ctx.into_changes(), &changes);

            let mut replayed = ledger.clone();
            let replay = Contracts::Replay(&changes);
            let mut ctx = RoundContext::new(&rules, by, NUMBER, &agreements, replay);
            prop_assert_eq!(replayed.apply_all(&carried, &mut ctx), Ok(()));
            prop_assert_eq!(&replayed, &proposed);

            let locked = proposed.outputs_locked();
            prop_assert!(locked.len() <= 2 * usize::from(rules.locks_max));
            let parts = locked.iter().map(|lock| lock.amount);
            let settled = [A, B].map(|party| proposed.settled_balance(party));
            prop_assert_eq!(MilliSats::checked_sum(parts.chain(settled)), Some(capacity));
            let bytes = minicbor::to_vec(&proposed).unwrap();
            prop_assert_eq!(&minicbor::decode::<Ledger>(&bytes).unwrap(), &proposed);
            ledger = proposed;
        }
    }
}
