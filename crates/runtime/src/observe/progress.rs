//! What is told of openings, closes and deadlines.

use strait_engine::{Closes, NextDeadlines, Openings, Progress};
use strait_primitives::BlockHeight;
use strait_telemetry::{CloseStep, DeadlineKind, Metrics, OpeningStep};

/// Tells how far each opening and close is, and how many blocks the next deadlines are away.
pub(super) fn tell(metrics: &Metrics, progress: &Progress, tip: BlockHeight) {
    let Progress { openings, closes, deadlines } = progress;
    for (step, count) in opening_steps(openings) {
        metrics.set_openings(step, count as u64);
    }
    for (step, count) in close_steps(closes) {
        metrics.set_closes(step, count as u64);
    }
    for (kind, last) in deadlines_by_kind(deadlines) {
        metrics.set_deadline(kind, last.map(|last| blocks_until(last, tip)));
    }
}

const fn opening_steps(openings: &Openings) -> [(OpeningStep, usize); 5] {
    [
        (OpeningStep::Offered, openings.offered),
        (OpeningStep::Answered, openings.answered),
        (OpeningStep::Signed, openings.signed),
        (OpeningStep::Unconfirmed, openings.unconfirmed),
        (OpeningStep::Confirming, openings.confirming),
    ]
}

const fn close_steps(closes: &Closes) -> [(CloseStep, usize); 6] {
    [
        (CloseStep::ShuttingDown, closes.shutting_down),
        (CloseStep::Agreed, closes.agreed),
        (CloseStep::Forced, closes.forced),
        (CloseStep::Lost, closes.lost),
        (CloseStep::Unsettled, closes.unsettled),
        (CloseStep::Settling, closes.settling),
    ]
}

const fn deadlines_by_kind(deadlines: &NextDeadlines) -> [(DeadlineKind, Option<BlockHeight>); 5] {
    [
        (DeadlineKind::HeldLock, deadlines.held_lock),
        (DeadlineKind::ClaimedLock, deadlines.claimed_lock),
        (DeadlineKind::SentLock, deadlines.sent_lock),
        (DeadlineKind::Claim, deadlines.claim),
        (DeadlineKind::Penalty, deadlines.penalty),
    ]
}

/// Blocks from the tip to a height; fewer than none for one that is past.
fn blocks_until(last: BlockHeight, tip: BlockHeight) -> i32 {
    let blocks = i64::from(last.to_u32()) - i64::from(tip.to_u32());
    i32::try_from(blocks).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_so_many_blocks_away_and_may_be_past() {
        let check = |last, tip, expect| {
            assert_eq!(blocks_until(BlockHeight::new(last), BlockHeight::new(tip)), expect);
        };
        check(110, 100, 10);
        check(100, 100, 0);
        check(97, 100, -3);
        check(u32::MAX, 0, i32::MAX);
    }
}
