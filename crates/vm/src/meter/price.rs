//! The price list of metering version 1: what each instruction costs and what is written beside it.
//!
//! The list is part of the protocol (ADR-0004): changing a price is a new metering version.

use wasmparser::Operator;

use crate::limits::{BULK_FUEL, PAGE_FUEL};

/// What kind of counting an instruction needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Its fixed price is all.
    Plain,
    /// It enters another frame.
    Call,
    /// It touches as many bytes as its last operand says.
    Bulk,
    /// It asks for as many pages as its operand says.
    Grow,
    /// Its cost or its result could differ between machines, or nobody needs it.
    Forbidden(&'static str),
}

/// An instruction's entry in the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    /// Fixed fuel.
    pub(super) fuel: u32,
    /// What else is counted.
    pub(super) class: Class,
    /// What follows may not run as often as what precedes.
    pub(super) ends_segment: bool,
}

/// Looks an instruction up. Only instructions of the admitted features get here; all that are not named cost 1.
pub(super) fn price(operator: &Operator<'_>) -> Price {
    let class = class(operator);
    let fuel = match class {
        Class::Call => 4,
        Class::Bulk => BULK_FUEL,
        Class::Grow => PAGE_FUEL / 8,
        Class::Plain | Class::Forbidden(_) if is_marker(operator) => 0,
        Class::Plain | Class::Forbidden(_) if is_slow(operator) => 8,
        Class::Plain | Class::Forbidden(_) => 1,
    };
    Price { fuel, class, ends_segment: ends_segment(operator) }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the feature set, not this match, bounds the instructions"
)]
const fn class(operator: &Operator<'_>) -> Class {
    use Operator as O;
    match operator {
        O::Call { .. } | O::CallIndirect { .. } => Class::Call,
        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => Class::Bulk,
        O::MemoryGrow { .. } => Class::Grow,
        O::TableGet { .. }
        | O::TableSet { .. }
        | O::TableGrow { .. }
        | O::TableSize { .. }
        | O::TableFill { .. }
        | O::TableCopy { .. }
        | O::TableInit { .. }
        | O::ElemDrop { .. } => Class::Forbidden("an instruction that works on a table"),
        O::RefNull { .. } | O::RefIsNull | O::RefFunc { .. } => {
            Class::Forbidden("an instruction that makes a reference")
        }
        _ => Class::Plain,
    }
}

/// Structure without work.
const fn is_marker(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(operator, O::Nop | O::Block { .. } | O::Loop { .. } | O::Else | O::End)
}

/// Division and roots take many cycles.
const fn is_slow(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::I32DivS
            | O::I32DivU
            | O::I32RemS
            | O::I32RemU
            | O::I64DivS
            | O::I64DivU
            | O::I64RemS
            | O::I64RemU
            | O::F32Div
            | O::F64Div
            | O::F32Sqrt
            | O::F64Sqrt
            | O::BrTable { .. }
    )
}

/// Control can come from elsewhere behind these, or does not pass them.
const fn ends_segment(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Loop { .. }
            | O::If { .. }
            | O::Else
            | O::End
            | O::Br { .. }
            | O::BrIf { .. }
            | O::BrTable { .. }
            | O::Return
            | O::Unreachable
    )
}
