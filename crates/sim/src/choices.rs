//! Every decision of a run: drawn from a seed, or read off a string of bytes.
//!
//! A fuzzer drives the world by bytes; when they are used up every further choice is the first one, which the callers
//! make the calmest.

/// What a run decides by.
#[derive(Debug, Clone)]
pub struct Choices {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// SplitMix64: one addition and a few shifts a draw, and every seed is as good as any other.
    Seed(u64),
    Bytes {
        bytes: Vec<u8>,
        next: usize,
        edition: Edition,
    },
}

/// Which choices a string of bytes knows of: one that was kept must go on meaning what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Those of the first corpora.
    First,
    /// The same, and those made by [`Choices::pick_later`].
    Second,
}

impl Choices {
    /// Decides by a seed, without end.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { source: Source::Seed(seed) }
    }

    /// Decides by bytes, and calmly once they are used up.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::from_bytes_of(bytes, Edition::First)
    }

    /// The same, and the bytes know of later choices if they are of a later edition.
    #[must_use]
    pub const fn from_bytes_of(bytes: Vec<u8>, edition: Edition) -> Self {
        Self { source: Source::Bytes { bytes, next: 0, edition } }
    }

    /// True once bytes are used up; never for a seed.
    #[must_use]
    pub const fn is_used_up(&self) -> bool {
        match &self.source {
            Source::Seed(_) => false,
            Source::Bytes { bytes, next, .. } => *next >= bytes.len(),
        }
    }

    /// A number below `limit`.
    ///
    /// # Panics
    /// If `limit` is 0: there is nothing to choose from.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "a choice among nothing");
        match &mut self.source {
            Source::Seed(state) => split_mix(state) % limit,
            Source::Bytes { bytes, next, .. } => {
                let mut drawn = 0_u64;
                let mut reach = 1_u64;
                while reach < limit {
                    let Some(byte) = bytes.get(*next) else { return 0 };
                    *next += 1;
                    drawn = (drawn << 8) | u64::from(*byte);
                    reach = reach.saturating_mul(256);
                }
                drawn % limit
            }
        }
    }

    /// A number from `low` to `high`, both included.
    ///
    /// # Panics
    /// If `high` is below `low`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a choice between {low} and {high}");
        low + self.below((high - low).saturating_add(1))
    }

    /// True `per_mille` times in a thousand; never once bytes are used up.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1_000) >= 1_000_u64.saturating_sub(per_mille)
    }

    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let index = self.below(u64::try_from(among.len()).expect("a list fits memory"));
        let index = usize::try_from(index).expect("below the length of a list");
        among.get(index).expect("below the length of the list")
    }

    /// One of these, where nothing was chosen when the first corpora were made: their bytes choose the first, and none of
    /// them is used up.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick_later<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        match &self.source {
            Source::Bytes { edition: Edition::First, .. } => {
                among.first().expect("a choice among something")
            }
            Source::Bytes { edition: Edition::Second, .. } | Source::Seed(_) => self.pick(among),
        }
    }

    /// One of these by its weight; none if nothing has any.
    pub fn weighed<T: Copy>(&mut self, table: &[(u64, T)]) -> Option<T> {
        let all: u64 = table.iter().map(|(weight, _)| weight).sum();
        if all == 0 {
            return None;
        }
        let mut drawn = self.below(all);
        for (weight, value) in table {
            if drawn < *weight {
                return Some(*value);
            }
            drawn -= weight;
        }
        None
    }
}

/// One draw of SplitMix64.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_decides_the_same() {
        let draw = |seed| {
            let mut choices = Choices::from_seed(seed);
            (0..50).map(|_| choices.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn bytes_decide_until_they_are_used_up_and_then_calmly() {
        let mut choices = Choices::from_bytes(vec![1, 2, 255]);
        assert_eq!(choices.below(100_000), 66_303);
        let mut choices = Choices::from_bytes(vec![1, 2, 3, 255]);
        assert_eq!(choices.below(65_536), 258);
        assert_eq!(choices.below(10), 3);
        assert!(!choices.chance(999), "no bytes, no mischief");
        assert_eq!(choices.between(5, 9), 5);
    }

    #[test]
    fn a_later_choice_takes_nothing_from_bytes_that_do_not_know_of_it() {
        for (edition, expect) in [(Edition::First, ("calm", 1)), (Edition::Second, ("wild", 9))] {
            let mut choices = Choices::from_bytes_of(vec![1, 9], edition);
            let later = *choices.pick_later(&["calm", "wild"]);
            assert_eq!((later, choices.below(256)), expect);
        }
    }

    #[test]
    fn nothing_happens_with_no_chance() {
        let mut choices = Choices::from_seed(1);
        assert!((0..1_000).all(|_| !choices.chance(0)));
        assert!((0..1_000).all(|_| choices.chance(1_000)));
    }
}
