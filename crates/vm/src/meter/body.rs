//! One function body with its counters: fuel before every straight run of instructions, cells around every call.
//!
//! A *segment* is a run of instructions that is entered only at its start. Its whole price is taken before it runs, so
//! a call that runs out of fuel may end a few instructions early, on every machine at the same place. Cells are taken
//! at the caller around each call, by the size of the caller's own frame; nothing but a trap leaves a call otherwise,
//! since tail calls and exceptions are not admitted.

use wasm_encoder::{BlockType, Encode as _, Instruction};
use wasmparser::FunctionBody;

use super::price::{Class, price};
use strait_contract::LoadError;

/// Where the counters live in the metered module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// The global that holds the fuel left.
    pub(super) fuel: u32,
    /// The global that holds the cells left.
    pub(super) cells: u32,
    /// The function that ends a call for want of fuel.
    pub(super) out_of_fuel: u32,
    /// The function that ends a call for want of cells.
    pub(super) too_deep: u32,
    /// The function that charges for a number of bytes and returns it.
    pub(super) charge_bytes: u32,
    /// The function that charges for a number of pages and returns it.
    pub(super) charge_pages: u32,
}

/// Writes a body with its counters. `cells` is the size of its frame.
pub(super) fn metered_body(
    module: &[u8],
    body: &FunctionBody<'_>,
    cells: u32,
    counters: Counters,
) -> Result<Vec<u8>, LoadError> {
    let mut operators = body.get_operators_reader().map_err(super::invalid)?;
    let first = operators.original_position();
    let mut out = Vec::with_capacity(body.range().len() * 2);
    out.extend_from_slice(super::slice(module, body.range().start..first));

    let mut segment = Segment::default();
    while !operators.eof() {
        let start = operators.original_position();
        let operator = operators.read().map_err(super::invalid)?;
        let bytes = super::slice(module, start..operators.original_position());
        let price = price(&operator);
        segment.fuel += i64::from(price.fuel);
        match price.class {
            Class::Plain => segment.code.extend_from_slice(bytes),
            Class::Call => {
                take_cells(&mut segment.code, cells, counters);
                segment.code.extend_from_slice(bytes);
                return_cells(&mut segment.code, cells, counters);
            }
            Class::Bulk => {
                Instruction::Call(counters.charge_bytes).encode(&mut segment.code);
                segment.code.extend_from_slice(bytes);
            }
            Class::Grow => {
                Instruction::Call(counters.charge_pages).encode(&mut segment.code);
                segment.code.extend_from_slice(bytes);
            }
            Class::Forbidden(what) => return Err(LoadError::Forbidden { what }),
        }
        if price.ends_segment {
            segment.flush(&mut out, counters);
        }
    }
    assert!(segment.code.is_empty(), "a valid body ends with `end`, which ends its segment");
    Ok(out)
}

/// Instructions that are entered only at their start, and what they cost together.
#[derive(Debug, Default)]
struct Segment {
    fuel: i64,
    code: Vec<u8>,
}

impl Segment {
    /// Writes the charge and then the instructions.
    fn flush(&mut self, out: &mut Vec<u8>, counters: Counters) {
        if self.fuel > 0 {
            for instruction in [
                Instruction::GlobalGet(counters.fuel),
                Instruction::I64Const(self.fuel),
                Instruction::I64Sub,
            ] {
                instruction.encode(out);
            }
            settle_fuel(out, counters);
        }
        out.append(&mut self.code);
        self.fuel = 0;
    }
}

/// Keeps the new value of the fuel, which is on the stack, and ends the call if it is negative.
pub(super) fn settle_fuel(out: &mut Vec<u8>, counters: Counters) {
    for instruction in [
        Instruction::GlobalSet(counters.fuel),
        Instruction::GlobalGet(counters.fuel),
        Instruction::I64Const(0),
        Instruction::I64LtS,
        Instruction::If(BlockType::Empty),
        Instruction::Call(counters.out_of_fuel),
        Instruction::End,
    ] {
        instruction.encode(out);
    }
}

fn take_cells(out: &mut Vec<u8>, cells: u32, counters: Counters) {
    for instruction in [
        Instruction::GlobalGet(counters.cells),
        Instruction::I32Const(frame(cells)),
        Instruction::I32Sub,
        Instruction::GlobalSet(counters.cells),
        Instruction::GlobalGet(counters.cells),
        Instruction::I32Const(0),
        Instruction::I32LtS,
        Instruction::If(BlockType::Empty),
        Instruction::Call(counters.too_deep),
        Instruction::End,
    ] {
        instruction.encode(out);
    }
}

fn return_cells(out: &mut Vec<u8>, cells: u32, counters: Counters) {
    for instruction in [
        Instruction::GlobalGet(counters.cells),
        Instruction::I32Const(frame(cells)),
        Instruction::I32Add,
        Instruction::GlobalSet(counters.cells),
    ] {
        instruction.encode(out);
    }
}

fn frame(cells: u32) -> i32 {
    i32::try_from(cells).expect("admission bounds a frame to a few thousand cells")
}
