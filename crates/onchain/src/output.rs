//! Output scripts of at most 34 bytes, held inline so that building a commitment allocates once.

use core::cmp::Ordering;

use bitcoin::{Script, ScriptBuf};

/// Bytes of the longest output script of a commitment.
const SCRIPT_BYTES_MAX: usize = 34;

/// A pay-to-anchor script: anyone may spend it, with an empty witness.
pub(crate) const ANCHOR_SCRIPT: ShortScript = {
    let mut bytes = [0; SCRIPT_BYTES_MAX];
    [bytes[0], bytes[1], bytes[2], bytes[3]] = [0x51, 0x02, 0x4e, 0x73];
    ShortScript { bytes, len: 4 }
};

/// An output script of at most 34 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortScript {
    /// The script, then zeros.
    bytes: [u8; SCRIPT_BYTES_MAX],
    /// Length of the script.
    len: u8,
}

impl ShortScript {
    /// Pay to the script with this SHA-256.
    pub(crate) fn witness_script_hash(hash: [u8; 32]) -> Self {
        Self::prefixed([0x00, 0x20], hash)
    }

    /// An unspendable output that carries 32 bytes.
    pub(crate) fn data(data: [u8; 32]) -> Self {
        Self::prefixed([0x6a, 0x20], data)
    }

    /// Wraps a script, if it is short enough.
    pub(crate) fn from_script(script: &Script) -> Option<Self> {
        let mut bytes = [0; SCRIPT_BYTES_MAX];
        bytes.get_mut(..script.len())?.copy_from_slice(script.as_bytes());
        Some(Self { bytes, len: u8::try_from(script.len()).ok()? })
    }

    /// Two bytes of opcodes before 32 of content.
    fn prefixed(prefix: [u8; 2], content: [u8; 32]) -> Self {
        let mut bytes = [0; SCRIPT_BYTES_MAX];
        let (head, tail) = bytes.split_at_mut(prefix.len());
        head.copy_from_slice(&prefix);
        tail.copy_from_slice(&content);
        Self { bytes, len: 34 }
    }

    /// The script.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).expect("constructed no longer than its buffer")
    }

    /// Its length, which is also its encoding as a compact size.
    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    /// The script in the form transactions hold.
    pub(crate) fn to_script_buf(self) -> ScriptBuf {
        ScriptBuf::from_bytes(self.as_bytes().to_vec())
    }

    /// Byte order, a prefix before what it begins.
    pub(crate) fn cmp_bytes(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}
