//! Random histories of two machines: payments, locks, contracts, breaks and crashes in any order. After each calm both
//! agree, would sign the same commitments, and hold all the money there was.

use proptest::prelude::*;
use strait_contract::scripted::PurseAction;
use strait_primitives::{BlockHeight, LockId, MilliSats, Party, PaymentHash};
use strait_wire::{CancelReason, Operation};

use crate::contracts::{PURSE_ID, act, give, open, settle, terms};
use crate::node::Crash;
use crate::pair::{BOTH, Pair, pay};

#[derive(Debug, Clone)]
enum Step {
    Ask(Party, Vec<Operation>),
    Offer(Party),
    Deliver(Party),
    Settle,
    Reconnect,
    Break(usize),
    Crash(Party, Crash),
    Block,
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![Just(Party::Opener), Just(Party::Acceptor)]
}

fn operation() -> impl Strategy<Value = Operation> {
    let lock = (0_u64..3, 400_000_u64..3_000_000).prop_map(|(id, amount)| Operation::AddLock {
        lock: LockId(id),
        amount: MilliSats::new(amount).unwrap(),
        payment_hash: PaymentHash::from_bytes([3; 32]),
        expiry: BlockHeight::new(700),
        route: strait_wire::Route::default(),
    });
    let cancel = (0_u64..3)
        .prop_map(|id| Operation::CancelLock { lock: LockId(id), reason: CancelReason::Unknown });
    prop_oneof![
        6 => (1_u64..90_000_000).prop_map(pay),
        1 => lock,
        1 => cancel,
        1 => Just(open()),
        3 => (1_u64..20_000).prop_map(give),
        1 => Just(act(PurseAction::Finish)),
        1 => Just(settle()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let crash = prop_oneof![
        (0_usize..4).prop_map(Crash::BeforeWrite),
        (0_usize..4).prop_map(Crash::AfterWrite),
    ];
    prop_oneof![
        8 => (party(), prop::collection::vec(operation(), 1..3)).prop_map(|(p, o)| Step::Ask(p, o)),
        1 => party().prop_map(Step::Offer),
        8 => party().prop_map(Step::Deliver),
        2 => Just(Step::Settle),
        1 => Just(Step::Reconnect),
        1 => (0_usize..6).prop_map(Step::Break),
        1 => (party(), crash).prop_map(|(p, c)| Step::Crash(p, c)),
        1 => Just(Step::Block),
    ]
}

fn take(pair: &mut Pair, step: Step) {
    match step {
        Step::Ask(party, operations) => {
            if pair.request(party, 0, operations) {
                pair.poll(party);
            }
        }
        Step::Offer(party) => {
            let (terms, tip) = (terms(30_000, 30_000), pair.world.tip);
            pair.node_mut(party).act(|channel, out| {
                // What the channel cannot offer now it says, and nothing happens.
                let _ = channel.offer_contract(PURSE_ID, terms, tip, out);
            });
        }
        Step::Deliver(to) => {
            pair.deliver(to);
        }
        Step::Settle => pair.settle(),
        Step::Reconnect => pair.connect(),
        Step::Break(messages) => pair.deliveries_left = Some(messages),
        Step::Crash(party, crash) => pair.node_mut(party).crash_at = Some(crash),
        Step::Block => pair.world.tip = BlockHeight::new(pair.world.tip.to_u32() + 1),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 150, ..Default::default() })]

    #[test]
    fn any_history_ends_in_agreement(steps in prop::collection::vec(step(), 1..80)) {
        let mut pair = Pair::balanced();
        let capacity = pair.opener.live().rounds.ledger.capacity();
        for step in steps {
            take(&mut pair, step);
        }
        pair.recover();
        pair.assert_agreed();
        pair.assert_up();
        for party in BOTH {
            prop_assert_eq!(&pair.node(party).reactions, &[]);
        }
        let ledger = &pair.opener.live().rounds.ledger;
        let locked = ledger.outputs_locked();
        let parts = BOTH.map(|party| ledger.settled_balance(party));
        let all = MilliSats::checked_sum(parts.into_iter().chain(locked.iter().map(|l| l.amount)));
        prop_assert_eq!(all, Some(capacity));
    }
}
