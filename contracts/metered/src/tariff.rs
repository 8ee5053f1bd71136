//! The parameters: who pays, how much at most, and what a call costs after how many.

use alloc::vec::Vec;

use strait_contract_sdk::{Party, Reader, Writer};

/// Steps of a tariff at most.
const STEPS_MAX: u8 = 16;

/// From the call number `from` on (the first call is 0), each costs `price_msat`, until the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number of the first call at this price.
    pub from: u64,
    /// What one call costs, in millisatoshis. Zero is a free allowance.
    pub price_msat: u64,
}

/// What both agree to at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Who pays.
    pub customer: Party,
    /// The most that can ever be spent, in millisatoshis; at most the customer's collateral.
    pub cap_msat: u64,
    /// The tariff: starts at call 0, and each step starts later than the one before.
    pub steps: Vec<Step>,
}

impl Params {
    /// Reads parameters that make sense; `None` if these do not.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let params = Self::read(&mut reader)?;
        reader.finish()?;
        Some(params)
    }

    /// The parameters in the bytes that `init` takes.
    ///
    /// # Panics
    /// With more than 255 steps; `init` refuses more than 16.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.write(Writer::new()).into_bytes()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let customer = match reader.u8()? {
            0 => Party::First,
            1 => Party::Second,
            _ => return None,
        };
        let cap_msat = reader.u64()?;
        let count = reader.u8()?;
        if count == 0 || count > STEPS_MAX {
            return None;
        }
        let mut steps: Vec<Step> = Vec::with_capacity(count.into());
        for _ in 0..count {
            let step = Step { from: reader.u64()?, price_msat: reader.u64()? };
            let in_order = match steps.last() {
                None => step.from == 0,
                Some(before) => step.from > before.from,
            };
            if !in_order {
                return None;
            }
            steps.push(step);
        }
        Some(Self { customer, cap_msat, steps })
    }

    pub(crate) fn write(&self, writer: Writer) -> Writer {
        let customer = match self.customer {
            Party::First => 0,
            Party::Second => 1,
        };
        let count = u8::try_from(self.steps.len()).expect("a tariff has at most 16 steps");
        let head = writer.u8(customer).u64(self.cap_msat).u8(count);
        self.steps.iter().fold(head, |writer, step| writer.u64(step.from).u64(step.price_msat))
    }

    /// What `calls` more calls cost after `before`; `None` beyond 64 bits.
    #[must_use]
    pub fn price_msat(&self, before: u64, calls: u64) -> Option<u64> {
        let after = before.checked_add(calls)?;
        let mut sum: u64 = 0;
        for (index, step) in self.steps.iter().enumerate() {
            let next = index.checked_add(1).and_then(|index| self.steps.get(index));
            let from = step.from.max(before);
            let to = next.map_or(after, |next| next.from.min(after));
            let count = to.saturating_sub(from);
            sum = sum.checked_add(count.checked_mul(step.price_msat)?)?;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(steps: &[(u64, u64)]) -> Params {
        let steps = steps.iter().map(|&(from, price_msat)| Step { from, price_msat }).collect();
        Params { customer: Party::First, cap_msat: 1_000, steps }
    }

    #[test]
    fn a_batch_that_crosses_steps_pays_each_part_at_its_own_price() {
        let check = |before, calls, expect| {
            let tariff = params(&[(0, 0), (10, 5), (100, 2)]);
            assert_eq!(tariff.price_msat(before, calls), expect);
        };
        check(0, 10, Some(0));
        check(9, 2, Some(5));
        check(0, 150, Some(90 * 5 + 50 * 2));
        check(200, 7, Some(14));
        check(u64::MAX, 1, None);
    }

    #[test]
    fn a_price_beyond_64_bits_is_none() {
        assert_eq!(params(&[(0, u64::MAX)]).price_msat(0, 2), None);
    }

    #[test]
    fn parameters_survive_their_bytes_and_nonsense_is_refused() {
        let sound = params(&[(0, 3), (5, 1)]);
        assert_eq!(Params::from_bytes(&sound.to_bytes()), Some(sound.clone()));
        let refused = |bytes: &[u8]| assert_eq!(Params::from_bytes(bytes), None);
        refused(&[]);
        refused(&[sound.to_bytes(), vec![0]].concat());
        refused(&params(&[]).to_bytes());
        refused(&params(&[(1, 3)]).to_bytes());
        refused(&params(&[(0, 3), (0, 1)]).to_bytes());
        refused(&params(&[(0, 1); 17]).to_bytes());
        refused(&[&[2], &sound.to_bytes()[1..]].concat());
    }
}
