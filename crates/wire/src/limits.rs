//! Every bound of the wire format, with its unit and its reason.

/// Bytes of one frame, type included. Large enough for a full batch, small enough to hold many.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Operations of one round. More gain nothing: the signatures are already shared by thousands.
pub const OPERATIONS_MAX: usize = 4_096;
/// Encoded bytes of all operations of one round, so that a proposal always fits a frame.
pub const OPERATIONS_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a payment's reference: an order number or two hashes, not a document.
pub const REFERENCE_BYTES_MAX: usize = 64;
/// Bytes of an output script a node may ask to be paid to: the longest allowed kind has 34 (protocol section 1).
pub const SCRIPT_BYTES_MAX: usize = 34;
/// Bytes of an explanation sent to the peer.
pub const NOTE_BYTES_MAX: usize = 512;
/// Inputs one side may bring to a funding transaction: keeps it below the standard weight with room to spare.
pub const FUNDING_INPUTS_MAX: usize = 128;
/// Stops that a lock may have ahead of it: what Lightning's senders use at most. Some 1,000 bytes.
pub const HOPS_MAX: usize = 20;
/// Bytes of a contract's parameters or of one action.
pub const CONTRACT_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(OPERATIONS_BYTES_MAX + 4_096 <= FRAME_BYTES_MAX);
