//! Bounds of this engine, and the prices of metering version 1. The prices are part of the protocol (ADR-0004).

/// What every call costs before its first instruction: the price of a fresh instance.
pub const CALL_FUEL: u64 = 5_000;
/// What each byte costs that goes into a call or comes out of it.
pub const BYTE_FUEL: u64 = 1;
/// What an instruction on many bytes costs before its first byte: it leaves the code for the engine.
pub const BULK_FUEL: u32 = 40;
/// Bytes that one unit of fuel copies or clears.
pub const BULK_BYTES_PER_FUEL: u32 = 8;
/// What a new page of memory costs: clearing its 65,536 bytes.
pub const PAGE_FUEL: u32 = 8_192;
/// Pages that a memory starts with at no price; more cost [`PAGE_FUEL`] each, as if the call had asked for them.
pub const FREE_PAGES: u64 = 4;

/// Cells that every frame takes besides its values: return address, saved registers, spill room.
pub const FRAME_CELLS: u32 = 16;
/// Cells of the largest frame: parameters, locals and operands together, 8 bytes each.
pub const FRAME_CELLS_MAX: u32 = 4_096;
/// Bytes of the engine's stack. Frames may take three times what their cells say before it is reached:
/// `3 × 8 × STACK_CELLS_MAX` for the counted frames and `8 × FRAME_CELLS_MAX` for the last one.
pub const ENGINE_STACK_BYTES: usize = 512 * 1024;

/// Bytes of the body of one function: compiling takes more than linear time in it.
pub const BODY_BYTES_MAX: usize = 128 * 1024;
/// Functions of a module.
pub const FUNCTIONS_MAX: usize = 10_000;
/// Elements of the table at the start, which is also its largest size: contracts cannot grow it.
pub const TABLE_ELEMENTS_MAX: u64 = 10_000;
/// Bytes of a lock in an answer, for its price.
pub const LOCK_BYTES: usize = 56;
/// Bytes of a memory or table that are cleared by hand after a call; the rest goes back to the kernel.
pub const KEEP_RESIDENT_BYTES: usize = 256 * 1024;

const _: () = {
    let counted = 3 * 8 * strait_contract::limits::STACK_CELLS_MAX.0 + 8 * FRAME_CELLS_MAX;
    assert!(
        counted as usize <= ENGINE_STACK_BYTES,
        "the engine's stack must outlast the counted cells"
    );
};
