//! How long to wait before dialling again: doubling, capped, with jitter so that a herd does not return as one.

use core::time::Duration;

/// The waits between dials of a kept peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure. Default 1 s.
    pub first: Duration,
    /// The longest wait. Default 60 s. Longer spares dead peers' networks, shorter finds returning peers sooner.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after `failures` in a row (at least one), between half of the doubled wait and all of it; `entropy`
    /// chooses where.
    pub(crate) fn wait(self, failures: u32, entropy: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.most);
        let half = whole / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_nanos(entropy % spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_jitter_takes_at_most_half() {
        let backoff = Backoff::default();
        for (failures, whole_s) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (9999, 60)] {
            let whole = Duration::from_secs(whole_s);
            for entropy in [0, 1, 12_345_678_901, u64::MAX] {
                let wait = backoff.wait(failures, entropy);
                assert!((whole / 2..=whole).contains(&wait), "{failures} failures: {wait:?}");
            }
        }
    }
}
