//! Did every lock end as it must? Asked once all is at rest.
//!
//! None is left; whoever passed one on got it where it was taken from it, and no less; and nobody's preimage was shown
//! before its payee said so.

use strait_engine::{Engine, LockRole, LockStage, LockView};
use strait_primitives::Side;

use crate::host::Host;
use crate::oracle::Violation;
use crate::users::Users;

/// Fails if a lock of a node that plays fair did not end, or made its node poorer.
pub(crate) fn check_locks(host: &Host, users: &Users) -> Result<(), Violation> {
    let Some(running) = &host.running else { return Ok(()) };
    for view in running.engine.lock_views() {
        check_lock(&view, &running.engine, users).map_err(|what| Violation::Lock {
            node: host.place.to_string(),
            lock: view.lock.to_string(),
            what,
        })?;
    }
    Ok(())
}

fn check_lock(view: &LockView, engine: &Engine, users: &Users) -> Result<(), &'static str> {
    if !is_over(view) {
        return Err("is not over");
    }
    if view.stage != LockStage::Claimed {
        return Ok(());
    }
    if !users.shown.contains(&view.payment_hash) {
        return Err("was claimed, and its payee has shown nothing");
    }
    if view.role != LockRole::Forwarder || view.lock.offerer != Side::Holder {
        return Ok(());
    }
    let Some(source) = view.linked.and_then(|linked| engine.lock_view(&linked)) else {
        return Err("was passed on for nobody");
    };
    if source.stage != LockStage::Claimed {
        return Err("was paid, and what it passed on was not");
    }
    if source.amount < view.amount || source.payment_hash != view.payment_hash {
        return Err("passed on more than came in");
    }
    Ok(())
}

/// True for a lock that nothing can happen to any more.
pub(crate) const fn is_over(view: &LockView) -> bool {
    match view.stage {
        LockStage::Claimed | LockStage::Cancelled(_) | LockStage::Expired => true,
        LockStage::Proposed
        | LockStage::Standing
        | LockStage::Arrived
        | LockStage::Held
        | LockStage::Forwarding
        | LockStage::Claiming
        | LockStage::Cancelling(_) => false,
    }
}
