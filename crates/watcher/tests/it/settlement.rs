//! Closer, state, locks and reorganisation: a table of all, and where every satoshi ends.

use strait_onchain::Role;
use strait_primitives::{Party, Sats};
use strait_watcher::OutputContent;

use crate::channel::{CAPACITY, Channel, Knowledge, TestLedger, TestLock, payment_hash};
use crate::node::{Node, World};

/// What spends the funding output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Both sides' signature.
    Cooperative,
    /// The closer's latest commitment.
    Current,
    /// The closer's commitment of the round under way, its earlier one not revoked.
    Proposed,
    /// The closer's commitment two rounds ago.
    Revoked,
}

/// What the chain undoes.
#[derive(Debug, Clone, Copy)]
enum Undone {
    Nothing,
    /// The block of the commitment, which comes again later.
    Commitment,
    /// The blocks of the first claims.
    Claims,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locks {
    None,
    Four,
}

const CLAIMED_BY_ACCEPTOR: TestLock =
    TestLock { id: 1, offered_by: Party::Opener, sat: 50_000, expiry: 140 };
const REFUNDED_TO_OPENER: TestLock =
    TestLock { id: 2, offered_by: Party::Opener, sat: 60_000, expiry: 130 };
const CLAIMED_BY_OPENER: TestLock =
    TestLock { id: 3, offered_by: Party::Acceptor, sat: 70_000, expiry: 140 };
const REFUNDED_TO_ACCEPTOR: TestLock =
    TestLock { id: 4, offered_by: Party::Acceptor, sat: 80_000, expiry: 120 };

fn ledgers(locks: Locks) -> Vec<TestLedger> {
    let locks = match locks {
        Locks::None => Vec::new(),
        Locks::Four => {
            vec![CLAIMED_BY_ACCEPTOR, REFUNDED_TO_OPENER, CLAIMED_BY_OPENER, REFUNDED_TO_ACCEPTOR]
        }
    };
    let ledger = |opener_sat| TestLedger { hash: None, opener_sat, locks: locks.clone() };
    vec![ledger(600_000), ledger(300_000), ledger(400_000), ledger(350_000)]
}

/// Both sides at number 2; with a round under way at 3, if `closing` says so.
fn nodes(closer: Party, closing: Closing) -> [Node; 2] {
    [Party::Opener, Party::Acceptor].map(|party| {
        let mut knowledge = Knowledge::at(party, 2);
        if closing == Closing::Proposed && party == closer {
            (knowledge.holder_number, knowledge.counterparty_highest) = (3, 3);
        } else if closing == Closing::Proposed {
            knowledge.counterparty_highest = 3;
        }
        let known = match party {
            Party::Opener => CLAIMED_BY_OPENER,
            Party::Acceptor => CLAIMED_BY_ACCEPTOR,
        };
        knowledge.preimages.insert(payment_hash(known.id));
        Node::new(knowledge)
    })
}

/// What each side should have, the opener first, before fees.
fn expected(closer: Party, closing: Closing, locks: Locks) -> (u64, u64) {
    let number = match closing {
        Closing::Cooperative | Closing::Current => 2,
        Closing::Proposed => 3,
        Closing::Revoked => 0,
    };
    let ledger = &ledgers(locks)[number];
    if closing == Closing::Revoked {
        return match closer {
            Party::Opener => (0, CAPACITY.to_sat()),
            Party::Acceptor => (CAPACITY.to_sat(), 0),
        };
    }
    let locked = |taken: [TestLock; 2]| match locks {
        Locks::None => 0,
        Locks::Four => taken.iter().map(|lock| lock.sat).sum(),
    };
    (
        ledger.balance(Party::Opener) + locked([REFUNDED_TO_OPENER, CLAIMED_BY_OPENER]),
        ledger.balance(Party::Acceptor) + locked([REFUNDED_TO_ACCEPTOR, CLAIMED_BY_ACCEPTOR]),
    )
}

/// What a watcher says that a side took, before fees.
fn taken_by(node: &Node, closer: Party, party: Party) -> u64 {
    let spend = node.watcher.state().spend().unwrap();
    let taken = spend.outputs.iter().filter(|output| {
        let taker = match (output.content, output.spend) {
            (OutputContent::Countersignatory, None) => Some(Role::Countersignatory),
            (content, Some(spend)) => spend.path.taker(&content),
            (_, None) => None,
        };
        match taker {
            Some(Role::Broadcaster) => closer == party,
            Some(Role::Countersignatory) => closer != party,
            None => false,
        }
    });
    taken.map(|output| output.value.to_sat()).sum()
}

fn check(closer: Party, closing: Closing, locks: Locks, undone: Undone) {
    let row = format!("{closer:?} {closing:?} {locks:?} {undone:?}");
    let channel = Channel::new(ledgers(locks));
    let spend = match closing {
        Closing::Cooperative => channel.close(2, Sats::from_const(1_000)),
        Closing::Current => channel.commitment(closer, 2),
        Closing::Proposed => channel.commitment(closer, 3),
        Closing::Revoked => channel.commitment(closer, 0),
    };
    let mut world = World::new(channel, nodes(closer, closing));
    world.mine(&[spend]);
    match undone {
        Undone::Nothing => {}
        Undone::Commitment => {
            world.mine(&[]);
            let lost = world.disconnect(2);
            world.mine(&[]);
            world.mine(&[]);
            world.mine(&lost);
        }
        Undone::Claims => {
            let mut pool = Vec::new();
            for _ in 0..60 {
                pool = world.mempool(closer);
                world.mine(&pool);
                if !pool.is_empty() {
                    break;
                }
            }
            world.mine(&[]);
            assert_eq!(world.disconnect(2), pool, "the claims are gone again");
        }
    }
    world.settle(closer);
    let (opener, acceptor) = expected(closer, closing, locks);
    if closing != Closing::Cooperative {
        for node in &world.nodes {
            let taken = [Party::Opener, Party::Acceptor].map(|party| taken_by(node, closer, party));
            assert_eq!(taken, [opener, acceptor], "{row}: what {:?} saw", node.knowledge.party);
        }
    }
    for (party, due) in [(Party::Opener, opener), (Party::Acceptor, acceptor)] {
        let fees = due.checked_sub(world.balance(party));
        let fees = fees.unwrap_or_else(|| panic!("{row}: {party:?} has too much"));
        assert!(fees <= 5_000, "{row}: {party:?} misses {fees} of {due}");
        assert!(due > 0 || fees == 0, "{row}: {party:?} has nothing to pay with");
    }
}

#[test]
fn every_satoshi_ends_where_it_belongs_whoever_closes_and_whatever_the_chain_undoes() {
    for closer in [Party::Opener, Party::Acceptor] {
        for undone in [Undone::Nothing, Undone::Commitment, Undone::Claims] {
            check(closer, Closing::Cooperative, Locks::None, undone);
            for closing in [Closing::Current, Closing::Proposed, Closing::Revoked] {
                check(closer, closing, Locks::None, undone);
                check(closer, closing, Locks::Four, undone);
            }
        }
    }
}
