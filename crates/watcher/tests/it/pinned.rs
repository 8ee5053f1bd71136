//! Whatever holds a commitment's place in mempools is outbid within the budget: judged by Bitcoin Core.

use bitcoin::{Amount, OutPoint, Transaction, TxOut};
use strait_primitives::{BlockHeight, FeeRate, Party, Sats, VBytes};
use strait_watcher::ChildRequest;

use crate::bitcoin_core::{Core, child_paying};
use crate::channel::{CAPACITY, Channel, Knowledge, TestLedger, View, funding_script};
use crate::node::{Node, RATE};

/// What this node's balance is: half of it is the budget.
const STAKE: Sats = Sats::from_const(60_000);

struct Closer {
    channel: Channel,
    node: Node,
    /// The coin for its child, and a stranger's.
    coins: [OutPoint; 2],
}

impl Closer {
    fn new(core: &mut Core) -> Self {
        let value = Amount::from_sat(CAPACITY.to_sat());
        let output = TxOut { value, script_pubkey: funding_script().script_pubkey() };
        let funding = core.fund(2, &output).compute_txid();
        let ledger = TestLedger { opener_sat: STAKE.to_sat(), ..TestLedger::default() };
        let channel = Channel::at(vec![ledger], OutPoint::new(funding, 0), 1);
        let coins = [2, 3].map(|vout| OutPoint::new(funding, vout));
        Self { channel, node: Node::new(Knowledge::at(Party::Opener, 0)), coins }
    }

    /// The package as the watcher wants it when it has waited so many blocks.
    fn package(&mut self, waited: u32) -> [Transaction; 2] {
        let commitment = self.channel.commitment(Party::Opener, 0);
        let child = child_paying(&commitment, self.coins[0], Amount::ZERO, 1);
        let size = VBytes(u64::try_from(commitment.vsize() + child.vsize()).unwrap());
        let tip = BlockHeight::new(200 + waited);
        let request = ChildRequest { tip, fee_rate: RATE, size, stake: STAKE };
        let view = View { channel: &self.channel, knowledge: &self.node.knowledge };
        let rate: FeeRate = self.node.watcher.child_rate(&request, &view);
        let note = self.node.watcher.note_child(tip, rate);
        self.node.save(note.into_iter().collect());
        let fee = rate.fee(size);
        assert!(fee.to_sat() <= STAKE.to_sat() / 2, "{fee} is within the budget");
        let fee = Amount::from_sat(fee.to_sat());
        let child = child_paying(&commitment, self.coins[0], fee, 1);
        [commitment, child]
    }

    /// Tries at each step of the rate, and says how many blocks that took.
    fn outbid(&mut self, core: &Core) -> u32 {
        assert!(core.offer_package(&self.package(0)).is_err(), "the usual rate is not enough");
        let steps = (1..=6).map(|step| 18 * step);
        let taken = steps.into_iter().find(|waited| {
            let package = self.package(*waited);
            core.offer_package(&package).is_ok()
        });
        taken.expect("it is outbid within the budget")
    }
}

/// Anybody may spend the anchor: a stranger's child of a thousand virtual bytes pays more in all than this node's, and at
/// too low a rate to be mined while fees are high.
#[test]
fn a_strangers_large_child_on_the_anchor_is_outbid() {
    let Some(mut core) = Core::start() else { return };
    let mut closer = Closer::new(&mut core);
    let commitment = closer.channel.commitment(Party::Opener, 0);
    let child = child_paying(&commitment, closer.coins[1], Amount::from_sat(9_000), 20);
    assert!((950..=1_000).contains(&child.vsize()), "{} vB", child.vsize());
    assert_eq!(core.offer_package(&[commitment, child]), Ok(()));
    assert_eq!(closer.outbid(&core), 72, "2, 4, 8, 16 and 32 sat/vB");
}

/// The peer closes too, and its package stands in the mempool at a rate that nobody mines.
#[test]
fn the_peers_own_commitment_is_outbid() {
    let Some(mut core) = Core::start() else { return };
    let mut closer = Closer::new(&mut core);
    let commitment = closer.channel.commitment(Party::Acceptor, 0);
    let child = child_paying(&commitment, closer.coins[1], Amount::from_sat(9_000), 20);
    assert_eq!(core.offer_package(&[commitment, child]), Ok(()));
    assert_eq!(closer.outbid(&core), 72);
}
