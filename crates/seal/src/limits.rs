//! Bounds of this crate, each with its unit and its reason.

/// Logarithm of scrypt's work for a passphrase of ours: 2^17 rounds take 128 MiB and about 0.3 s on a small machine.
///
/// The `age` tool takes 18; a pod with 512 MiB opens its seed with either, and starts sooner with this.
pub const WORK_LOG2: u8 = 17;

/// The most work that is done for somebody else's file: 2^20 rounds take 1 GiB and a few seconds.
pub const WORK_LOG2_MAX: u8 = 20;

/// Bytes of a passphrase or identity file: a hundred keys with comments; whatever is larger is something else.
pub const SECRET_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Bytes of a passphrase: more than anyone types or generates.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

// What is made here can be opened here.
const _: () = assert!(WORK_LOG2 <= WORK_LOG2_MAX);
