//! The chain of revocation secrets: 2^48 of them from one seed, any number received kept in 49 places.
//!
//! The secret of commitment `n` is the leaf `2^48 - 1 - n` of BOLT-0003's tree, so that the first secret shown is the
//! one from which the fewest others follow.

mod store;

use core::fmt;

use bitcoin::hashes::{Hash as _, sha256};
use strait_primitives::{CommitmentNumber, RevocationSecret};
use zeroize::Zeroizing;

pub use self::store::{SecretError, SecretStore};

/// Bits of a leaf's index.
const INDEX_BITS: u32 = 48;
/// The first leaf shown.
const INDEX_MAX: u64 = (1 << INDEX_BITS) - 1;
/// Low bits of the index whose steps [`CommitmentSeed`] remembers: the rest changes every 4,096 numbers.
const CACHED_BITS: u32 = 12;

/// The leaf of a commitment.
fn index_of(number: CommitmentNumber) -> u64 {
    INDEX_MAX - number.to_u64()
}

/// One step down the tree: flips a bit and hashes.
fn step(mut node: [u8; 32], bit: u32) -> [u8; 32] {
    let (byte, mask) = (bit / 8, 1_u8 << (bit % 8));
    let byte = usize::try_from(byte).ok().and_then(|byte| node.get_mut(byte));
    *byte.expect("an index has fewer bits than a node") ^= mask;
    sha256::Hash::hash(&node).to_byte_array()
}

/// Walks down the tree along the lowest `bits` of an index.
fn descend(node: [u8; 32], bits: u32, index: u64) -> [u8; 32] {
    (0..bits).rev().filter(|bit| index >> bit & 1 == 1).fold(node, step)
}

/// The seed of a channel's own revocation secrets. Erased when dropped, never printed.
///
/// Asked for consecutive numbers, it computes about one hash for each.
pub struct CommitmentSeed {
    /// The root of the tree.
    root: Zeroizing<[u8; 32]>,
    /// The steps of the last walk.
    walk: Option<Walk>,
}

/// The nodes of one walk through the lowest bits.
struct Walk {
    /// The leaf it led to.
    index: u64,
    /// `nodes[b]` is the node after all bits from the highest to bit `b`; the last one is before any cached bit.
    nodes: Zeroizing<[[u8; 32]; CACHED_NODES]>,
}

/// Nodes of a walk: one per cached bit and the one before them.
const CACHED_NODES: usize = 13;
const _: () =
    assert!(CACHED_NODES == 12 + 1 && CACHED_BITS == 12, "one node per cached bit and one before");

impl CommitmentSeed {
    /// Wraps a root.
    #[must_use]
    pub const fn new(root: Zeroizing<[u8; 32]>) -> Self {
        Self { root, walk: None }
    }

    /// The secret of a commitment.
    pub fn secret(&mut self, number: CommitmentNumber) -> RevocationSecret {
        RevocationSecret::from_bytes(self.leaf(index_of(number)))
    }

    /// The leaf at an index.
    fn leaf(&mut self, index: u64) -> [u8; 32] {
        let (mut nodes, common) = match self.walk.take() {
            Some(walk) if walk.index >> CACHED_BITS == index >> CACHED_BITS => {
                let differing = u64::BITS - (walk.index ^ index).leading_zeros();
                (walk.nodes, differing)
            }
            Some(_) | None => {
                let mut nodes = Zeroizing::new([[0; 32]; CACHED_NODES]);
                let upper = index & !((1 << CACHED_BITS) - 1);
                *node(&mut nodes, CACHED_BITS) = descend(*self.root, INDEX_BITS, upper);
                (nodes, CACHED_BITS)
            }
        };
        for bit in (0..common).rev() {
            let above = *node(&mut nodes, bit + 1);
            let below = if index >> bit & 1 == 1 { step(above, bit) } else { above };
            *node(&mut nodes, bit) = below;
        }
        let leaf = *node(&mut nodes, 0);
        self.walk = Some(Walk { index, nodes });
        leaf
    }
}

/// The node after bit `bit`.
fn node(nodes: &mut [[u8; 32]; CACHED_NODES], bit: u32) -> &mut [u8; 32] {
    usize::try_from(bit).ok().and_then(|bit| nodes.get_mut(bit)).expect("bits stop at the cached")
}

impl fmt::Debug for CommitmentSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitmentSeed(hidden)")
    }
}

#[cfg(test)]
mod tests;
