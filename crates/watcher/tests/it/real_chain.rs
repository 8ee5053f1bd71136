//! The table of all ends against Bitcoin Core: closer, state, locks, and what the chain undoes.
//!
//! One bitcoind holds the channels of all rows of one kind of reorganisation at once. Commitments enter its mempool as
//! packages with a child, claims on their own; each is judged by its policy, mined in its blocks, and lost with them. In
//! the end each row's coins are counted on the chain.

use bitcoin::{OutPoint, Transaction};
use strait_primitives::{BlockHeight, Party};
use strait_watcher::BlockSpends;

use crate::bitcoin_core::{Core, child_of};
use crate::channel::{
    CAPACITY, Channel, Knowledge, TestLedger, TestLock, funding_script, payment_hash,
};
use crate::node::{Node, RATE};

/// Which commitment of the closer is mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Current,
    /// Of the round under way.
    Proposed,
    /// Of the round before.
    PreviousRevoked,
    /// Of the first round.
    OldRevoked,
}

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locks {
    None,
    /// By the closer.
    Offered,
    /// To the closer.
    Received,
    Both,
    /// Both ways, by a contract: the commitment says so.
    Contract,
}

/// What the chain undoes, for all rows at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undone {
    Nothing,
    /// The block of the commitments, which come again.
    Commitments,
    /// The same block, and after that the rows' commitments take the place of others.
    Replaced,
    /// The blocks of the first claims, and later those of the delayed ones.
    Claims,
}

/// What a row's claims may cost each side: at 2 sat/vB five claims of a lock and one of a balance, and some hurry.
const FEES_SAT_MAX: u64 = 3_000;
/// Blocks after which every row is settled, at depth.
const BLOCKS_MAX: u32 = 70;
const CLOSERS: [Party; 2] = [Party::Opener, Party::Acceptor];

struct Row {
    closer: Party,
    state: State,
    locks: Locks,
    channel: Channel,
    nodes: [Node; 2],
    /// The commitment and its child.
    package: [Transaction; 2],
    /// Another that could have been mined.
    other: [Transaction; 2],
}

/// Two locks of one offerer: the receiver knows the preimage of the first.
fn locks_of(offered_by: Party, height: u32) -> [TestLock; 2] {
    let id = match offered_by {
        Party::Opener => 1,
        Party::Acceptor => 3,
    };
    [
        TestLock { id, offered_by, sat: 50_000, expiry: height + 45 },
        TestLock { id: id + 1, offered_by, sat: 60_000, expiry: height + 28 },
    ]
}

fn locked(closer: Party, locks: Locks, height: u32) -> Vec<TestLock> {
    let offerers = match locks {
        Locks::None => vec![],
        Locks::Offered => vec![closer],
        Locks::Received => vec![!closer],
        Locks::Both | Locks::Contract => vec![closer, !closer],
    };
    offerers.into_iter().flat_map(|offerer| locks_of(offerer, height)).collect()
}

impl Row {
    fn new(
        (closer, state, locks): (Party, State, Locks),
        places: [OutPoint; 2],
        index: u8,
        height: u32,
    ) -> Self {
        let [funding, coin] = places;
        let all = locked(closer, locks, height);
        let hash = (locks == Locks::Contract).then_some([7; 32]);
        let ledger = |opener_sat| TestLedger { opener_sat, locks: all.clone(), hash };
        let ledgers = vec![ledger(600_000), ledger(300_000), ledger(400_000), ledger(350_000)];
        let channel = Channel::at(ledgers, funding, index);
        let nodes = CLOSERS.map(|party| {
            let mut knowledge = Knowledge::at(party, 2);
            if state == State::Proposed {
                knowledge.counterparty_highest = 3;
                if party == closer {
                    knowledge.holder_number = 3;
                }
            }
            let known = locks_of(!party, height)[0];
            knowledge.preimages.insert(payment_hash(known.id));
            Node::new(knowledge)
        });
        let package = |broadcaster, number| {
            let commitment = channel.commitment(broadcaster, number);
            let child = child_of(&commitment, coin);
            [commitment, child]
        };
        let package_of_row = package(closer, number_of(state));
        let other = package(!closer, 2);
        Self { closer, state, locks, channel, nodes, package: package_of_row, other }
    }

    /// What each side should have before fees, the opener first.
    fn expected(&self) -> [u64; 2] {
        if matches!(self.state, State::PreviousRevoked | State::OldRevoked) {
            let victim = |party| u64::from(party != self.closer) * CAPACITY.to_sat();
            return CLOSERS.map(victim);
        }
        let ledger = &self.channel.ledgers[usize::try_from(number_of(self.state)).unwrap()];
        CLOSERS.map(|party| {
            // The first of two locks goes to its receiver, the second back.
            let taken = ledger.locks.iter().filter(|lock| match lock.id {
                1 | 3 => lock.offered_by != party,
                _ => lock.offered_by == party,
            });
            ledger.balance(party) + taken.map(|lock| lock.sat).sum::<u64>()
        })
    }

    /// Offers what both nodes want mined: Bitcoin Core must take it all.
    fn offer(&mut self, core: &Core, tip: BlockHeight) -> usize {
        let mut sent = 0;
        for node in &mut self.nodes {
            for claim in node.claims(&self.channel, tip, RATE) {
                let offered = core.offer(&claim);
                assert_eq!(offered, Ok(()), "{} at {tip}: {claim:?}", self.name());
                sent += 1;
            }
        }
        sent
    }

    fn name(&self) -> String {
        format!("{:?} {:?} {:?}", self.closer, self.state, self.locks)
    }
}

const fn number_of(state: State) -> u64 {
    match state {
        State::OldRevoked => 0,
        State::PreviousRevoked => 1,
        State::Current => 2,
        State::Proposed => 3,
    }
}

/// All rows of one kind of reorganisation, and the chain they share.
struct Table {
    rows: Vec<Row>,
    /// What both nodes of every row have seen.
    seen: BlockHeight,
}

impl Table {
    fn open(core: &mut Core) -> Self {
        let states = [State::Current, State::Proposed, State::PreviousRevoked, State::OldRevoked];
        let kinds = [Locks::None, Locks::Offered, Locks::Received, Locks::Both, Locks::Contract];
        let rows: Vec<(Party, State, Locks)> = CLOSERS
            .into_iter()
            .flat_map(|closer| states.map(|state| (closer, state)))
            .flat_map(|(closer, state)| kinds.map(|locks| (closer, state, locks)))
            .collect();
        let value = bitcoin::Amount::from_sat(CAPACITY.to_sat());
        let output = bitcoin::TxOut { value, script_pubkey: funding_script().script_pubkey() };
        let funding = core.fund(rows.len(), &output).compute_txid();
        let seen = core.tip();
        let place = |index: usize| OutPoint::new(funding, u32::try_from(index).unwrap());
        let count = rows.len();
        let rows = rows.into_iter().enumerate().map(|(index, row)| {
            let number = u8::try_from(index + 1).unwrap();
            Row::new(row, [place(index), place(count + index)], number, seen.to_u32())
        });
        Self { rows: rows.collect(), seen }
    }

    /// Shows every node the blocks that it has not seen.
    fn follow(&mut self, core: &Core) {
        while self.seen < core.tip() {
            self.seen = BlockHeight::new(self.seen.to_u32() + 1);
            let block = core.block(self.seen);
            let spends = BlockSpends::new(&block);
            for row in &mut self.rows {
                let channel = &row.channel;
                row.nodes.iter_mut().for_each(|node| node.see(channel, &spends, self.seen));
            }
        }
    }

    fn disconnect(&mut self, core: &Core, count: u32) {
        core.disconnect(count);
        for _ in 0..count {
            for row in &mut self.rows {
                row.nodes.iter_mut().for_each(|node| node.disconnect(self.seen));
            }
            self.seen = BlockHeight::new(self.seen.to_u32() - 1);
        }
    }

    /// One block, with all that everyone wants in it. Says how much that was.
    fn mine(&mut self, core: &Core) -> usize {
        let sent = self.rows.iter_mut().map(|row| row.offer(core, self.seen)).sum();
        core.mine();
        self.follow(core);
        sent
    }

    /// Brings all commitments on chain by their packages.
    fn close(&mut self, core: &Core) {
        for row in &self.rows {
            assert_eq!(core.offer_package(&row.package), Ok(()), "{}", row.name());
        }
        core.mine();
        self.follow(core);
        for row in &self.rows {
            let txid = row.package[0].compute_txid();
            for node in &row.nodes {
                let spend = node.watcher.state().spend().map(|spend| spend.txid);
                assert_eq!(spend, Some(txid), "{}", row.name());
            }
        }
    }

    /// Loses the last blocks and puts empty ones in their place.
    fn replace(&mut self, core: &Core, count: u32) {
        self.disconnect(core, count);
        for _ in 0..=count {
            core.mine_empty();
        }
        self.follow(core);
    }

    fn is_settled(&self) -> bool {
        let is_over =
            |row: &Row| row.nodes.iter().all(|node| node.is_resolved(&row.channel, self.seen));
        self.rows.iter().all(is_over)
    }
}

#[expect(clippy::print_stdout, reason = "what it took is part of what the table shows")]
fn play(core: &mut Core, undone: Undone) {
    let mut table = Table::open(core);
    let opened = table.seen;
    if undone == Undone::Replaced {
        let others: Vec<Transaction> =
            table.rows.iter().flat_map(|row| row.other.clone()).collect();
        core.mine_only(&others, "raw(51)");
        table.follow(core);
        table.mine(core);
        table.disconnect(core, 2);
        // The others wait again; a miner takes the rows' own.
        let own: Vec<Transaction> = table.rows.iter().flat_map(|row| row.package.clone()).collect();
        core.mine_only(&own, "raw(52)");
        core.mine_empty();
        core.mine_empty();
        table.follow(core);
    } else {
        table.close(core);
    }
    if undone == Undone::Commitments {
        table.mine(core);
        table.replace(core, 2);
        table.close(core);
    }
    let mut sent = 0;
    for block in 0..BLOCKS_MAX {
        sent += table.mine(core);
        // The claims of the side that need not wait, and later those of the side that must.
        if undone == Undone::Claims && (block == 1 || block == 16) {
            table.replace(core, 2);
        }
        if table.is_settled() {
            break;
        }
    }
    assert!(table.is_settled(), "{undone:?}: not settled at {}", table.seen);
    let values = core.values_from(opened);
    let mut dearest = 0;
    for row in &table.rows {
        for (party, due) in CLOSERS.into_iter().zip(row.expected()) {
            let script = row.channel.wallet(party).to_script_buf();
            let has = values.get(&script).copied().unwrap_or_default();
            let name = format!("{} {undone:?}: {party:?} has {has} of {due}", row.name());
            assert!(has <= due && has + FEES_SAT_MAX >= due, "{name}");
            dearest = dearest.max(due - has);
        }
    }
    println!(
        "{undone:?}: {} rows settled in {} blocks, {sent} claims offered, the dearest cost {dearest} sat",
        table.rows.len(),
        table.seen.to_u32() - opened.to_u32(),
    );
}

#[test]
fn every_row_of_the_table_settles_on_a_real_chain_to_the_satoshi_less_fees() {
    let Some(mut core) = Core::start() else { return };
    for undone in [Undone::Nothing, Undone::Commitments, Undone::Replaced, Undone::Claims] {
        play(&mut core, undone);
    }
}
