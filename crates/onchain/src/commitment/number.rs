//! A commitment's number, masked and spread over locktime and sequence.
//!
//! The layout is that of BOLT-0003: the upper byte of each field keeps its meaning harmless (a time long past, no
//! relative lock), the lower three bytes carry half of the number.

use bitcoin::Sequence;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::PublicKey;
use strait_primitives::CommitmentNumber;

/// Upper byte of a commitment's locktime.
const LOCK_TIME_TAG: u32 = 0x20 << 24;
/// Upper byte of a commitment's sequence.
const SEQUENCE_TAG: u32 = 0x80 << 24;
/// The three bytes that carry half a number.
const HALF_MASK: u32 = 0x00ff_ffff;

/// What hides the numbers of a channel from those who do not know its keys.
#[derive(Clone, Copy)]
pub(super) struct NumberMask(u64);

impl NumberMask {
    /// The lower 48 bits of the hash of both funding keys, the opener's first.
    pub(super) fn new(opener: &PublicKey, acceptor: &PublicKey) -> Self {
        let mut engine = sha256::Hash::engine();
        engine.input(&opener.serialize());
        engine.input(&acceptor.serialize());
        let hash = sha256::Hash::from_engine(engine).to_byte_array();
        let [.., a, b, c, d, e, f] = hash;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Locktime and sequence of a number.
    pub(super) fn hide(self, number: CommitmentNumber) -> (u32, u32) {
        let [_, _, a, b, c, d, e, f] = (number.to_u64() ^ self.0).to_be_bytes();
        let upper = u32::from_be_bytes([0, a, b, c]);
        let lower = u32::from_be_bytes([0, d, e, f]);
        (LOCK_TIME_TAG | lower, SEQUENCE_TAG | upper)
    }

    /// The number behind a locktime and sequence, if they carry one.
    pub(super) fn reveal(
        self,
        lock_time: LockTime,
        sequence: Sequence,
    ) -> Option<CommitmentNumber> {
        let lower = lock_time.to_consensus_u32();
        let upper = sequence.to_consensus_u32();
        if lower & !HALF_MASK != LOCK_TIME_TAG || upper & !HALF_MASK != SEQUENCE_TAG {
            return None;
        }
        let hidden = u64::from(upper & HALF_MASK) << 24 | u64::from(lower & HALF_MASK);
        CommitmentNumber::new(hidden ^ self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_hiding_at_both_ends_of_its_range() {
        let mask = NumberMask(0x2bb0_3852_1914);
        for number in [0, 1, 42, 0x00ff_ffff, 0x0100_0000, (1 << 48) - 1] {
            let number = CommitmentNumber::new(number).unwrap();
            let (lock_time, sequence) = mask.hide(number);
            let revealed = mask
                .reveal(LockTime::from_consensus(lock_time), Sequence::from_consensus(sequence));
            assert_eq!(revealed, Some(number));
        }
    }

    #[test]
    fn the_layout_is_that_of_bolt_0003() {
        // Appendix C of BOLT-0003: number 42 under the mask 0x2bb038521914.
        let mask = NumberMask(0x2bb0_3852_1914);
        let (lock_time, sequence) = mask.hide(CommitmentNumber::new(42).unwrap());
        assert_eq!(lock_time, 0x2052_193e);
        assert_eq!(sequence, 0x802b_b038);
    }

    #[test]
    fn other_tags_carry_no_number() {
        let mask = NumberMask(0);
        let check = |lock_time, sequence| {
            let revealed = mask
                .reveal(LockTime::from_consensus(lock_time), Sequence::from_consensus(sequence));
            assert_eq!(revealed, None);
        };
        check(0, 0x8000_0000);
        check(0x2000_0000, 0xffff_fffd);
        check(0x2100_0000, 0x8000_0000);
    }
}
