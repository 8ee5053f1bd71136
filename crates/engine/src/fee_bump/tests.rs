//! When a commitment leaves, with what child, and what is held for it.

use strait_wire::FaultCode;

use crate::CloseMode;
use crate::rig::{Rig, open_unfunded};

/// A stranger opened a channel with coins that do not exist, then said that it had lost its data: the node held a coin
/// for the child of a commitment that could never be mined, and so, channel by channel, every coin it had, for ever.
#[test]
fn a_funding_that_nobody_mines_binds_no_coin() {
    let (mut stranger, mut victim) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, _) = open_unfunded(&mut stranger, &mut victim);
    victim.sent();
    victim.hear_fault(stranger.node(), channel, FaultCode::DataLost);
    victim.mine_empty(3);
    victim.close(channel, CloseMode::Force);
    victim.mine_empty(3);
    assert_eq!(victim.reserved(), 0);
    assert_eq!(victim.sent(), Vec::<Vec<_>>::new(), "nothing can be spent, so nothing leaves");
}

#[test]
fn a_forced_close_waits_for_its_funding_and_leaves_with_it() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    opener.close(channel, CloseMode::Force);
    opener.mine_empty(2);
    assert_eq!(opener.reserved(), 0);
    assert!(opener.sent().iter().all(|package| *package == [funding.clone()]));

    opener.mine(vec![funding.clone()]);
    let sent = opener.sent();
    let [commitment, child] = sent.last().unwrap().as_slice() else { panic!("a package") };
    assert_eq!(commitment.input[0].previous_output.txid, funding.compute_txid());
    assert_eq!(child.input[0].previous_output.txid, commitment.compute_txid());
    assert!(opener.reserved() > 0);

    // A reorganisation takes the funding away: until it is mined again nothing is held.
    opener.unmine(1);
    opener.mine_empty(1);
    assert_eq!(opener.reserved(), 0);
}
