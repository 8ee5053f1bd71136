//! Choices that a printed seed repeats.

use std::time::Duration;

/// Where a seed may be given, to repeat a run's choices.
const SEED_VARIABLE: &str = "STRAIT_KILL_SEED";

/// A stream of choices (SplitMix64: every seed is a good one).
pub(super) struct Dice(u64);

impl Dice {
    /// Starts from the seed of the environment, or from a fresh one, and prints it.
    pub(super) fn roll(test: &str) -> Self {
        let given = std::env::var(SEED_VARIABLE).ok();
        let seed = given.map_or_else(|| getrandom::u64().unwrap(), |text| text.parse().unwrap());
        println!("{test}: {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`, both possible.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// A time up to `most`.
    pub(super) fn moment(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.between(0, u64::try_from(most.as_micros()).unwrap()))
    }

    /// One of two.
    pub(super) fn either<T>(&mut self, one: T, other: T) -> T {
        if self.next() & 1 == 0 { one } else { other }
    }
}
