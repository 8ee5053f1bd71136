//! Counters for fuel and call depth, written into a core module.
//!
//! They are two mutable globals, appended behind the module's own, so that no index of the module changes. Besides them
//! come six functions: two that end a call, two for the host (set both counters; read the fuel left) and two that
//! charge for bytes and pages. The host tells "out of fuel" and "too deep" from a trap of the module's own by the
//! function that the trap came from.

mod body;
mod price;

use core::ops::Range;

use strait_contract::LoadError;
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, Encode as _, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, Instruction, Module, RawSection, SectionId,
    TypeSection, ValType,
};
use wasmparser::{Parser, Payload};

use self::body::{metered_body, settle_fuel};
use crate::limits::{BULK_BYTES_PER_FUEL, PAGE_FUEL};

pub(crate) use self::body::Counters;

/// The core export through which the host sets both counters.
pub(crate) const SET: &str = "strait-meter-set";
/// The core export through which the host reads the fuel left.
pub(crate) const LEFT: &str = "strait-meter-left";

/// A core module with its counters.
#[derive(Debug)]
pub(crate) struct Metered {
    /// The new module.
    pub(crate) module: Vec<u8>,
    /// Where the counters are.
    pub(crate) counters: Counters,
}

impl Counters {
    /// Whether this function ends a call for want of fuel.
    pub(crate) const fn is_out_of_fuel(&self, function: u32) -> bool {
        self.out_of_fuel == function
    }

    /// Whether this function ends a call for want of cells.
    pub(crate) const fn is_too_deep(&self, function: u32) -> bool {
        self.too_deep == function
    }
}

/// Writes the counters into a validated and admitted core module. `frames` are the cells of its functions, in order.
///
/// # Errors
/// [`LoadError::Forbidden`] if an instruction has no price.
pub(crate) fn metered(module: &[u8], frames: &[u32]) -> Result<Metered, LoadError> {
    let mut parts = Parts::default();
    let mut bodies = Vec::with_capacity(frames.len());
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(invalid)?;
        if let Payload::CodeSectionEntry(body) = payload {
            bodies.push(body);
        } else {
            parts.take(module, payload)?;
        }
    }
    assert_eq!(bodies.len(), frames.len(), "admission measured every body");

    let counters = parts.append_counters();
    let mut code = CodeSection::new();
    for (body, cells) in bodies.iter().zip(frames) {
        code.raw(&metered_body(module, body, *cells, counters)?);
    }
    for function in counter_functions(counters) {
        code.function(&function);
    }
    Ok(Metered { module: parts.assemble(&code), counters })
}

/// The sections of a module, in the order in which they are written.
#[derive(Default)]
struct Parts<'a> {
    types: TypeSection,
    functions: FunctionSection,
    table: Option<&'a [u8]>,
    memory: Option<&'a [u8]>,
    globals: GlobalSection,
    exports: ExportSection,
    elements: Option<&'a [u8]>,
    data_count: Option<u32>,
    data: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Files one section. Names and other custom sections are dropped: they change no answer.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, growing enum; admission has refused the rest"
    )]
    fn take(&mut self, module: &'a [u8], payload: Payload<'a>) -> Result<(), LoadError> {
        let mut copy = RoundtripReencoder;
        match payload {
            Payload::TypeSection(section) => {
                copy.parse_type_section(&mut self.types, section).map_err(engine)?;
            }
            Payload::FunctionSection(section) => {
                copy.parse_function_section(&mut self.functions, section).map_err(engine)?;
            }
            Payload::TableSection(section) => self.table = Some(slice(module, section.range())),
            Payload::MemorySection(section) => self.memory = Some(slice(module, section.range())),
            Payload::GlobalSection(section) => {
                copy.parse_global_section(&mut self.globals, section).map_err(engine)?;
            }
            Payload::ExportSection(section) => {
                copy.parse_export_section(&mut self.exports, section).map_err(engine)?;
            }
            Payload::ElementSection(section) => {
                self.elements = Some(slice(module, section.range()));
            }
            Payload::DataCountSection { count, .. } => self.data_count = Some(count),
            Payload::DataSection(section) => self.data = Some(slice(module, section.range())),
            Payload::Version { .. }
            | Payload::CodeSectionStart { .. }
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return Err(LoadError::Forbidden { what: "a section of an unknown kind" }),
        }
        Ok(())
    }

    /// Declares the counters and their functions behind everything the module has.
    fn append_counters(&mut self) -> Counters {
        let global = self.globals.len();
        let function = self.functions.len();
        let kind = self.types.len();
        let counters = Counters {
            fuel: global,
            cells: global + 1,
            out_of_fuel: function,
            too_deep: function + 1,
            charge_bytes: function + 4,
            charge_pages: function + 5,
        };
        let counter = |val_type| GlobalType { val_type, mutable: true, shared: false };
        self.globals.global(counter(ValType::I64), &ConstExpr::i64_const(0));
        self.globals.global(counter(ValType::I32), &ConstExpr::i32_const(0));
        self.types.ty().function([], []);
        self.types.ty().function([ValType::I64, ValType::I32], []);
        self.types.ty().function([], [ValType::I64]);
        self.types.ty().function([ValType::I32], [ValType::I32]);
        for kind in [kind, kind, kind + 1, kind + 2, kind + 3, kind + 3] {
            self.functions.function(kind);
        }
        self.exports.export(SET, ExportKind::Func, function + 2);
        self.exports.export(LEFT, ExportKind::Func, function + 3);
        counters
    }

    fn assemble(self, code: &CodeSection) -> Vec<u8> {
        let mut module = Module::new();
        let raw = |module: &mut Module, id: SectionId, data: Option<&[u8]>| {
            if let Some(data) = data {
                module.section(&RawSection { id: id.into(), data });
            }
        };
        module.section(&self.types);
        module.section(&self.functions);
        raw(&mut module, SectionId::Table, self.table);
        raw(&mut module, SectionId::Memory, self.memory);
        module.section(&self.globals);
        module.section(&self.exports);
        raw(&mut module, SectionId::Element, self.elements);
        if let Some(count) = self.data_count {
            module.section(&DataCountSection { count });
        }
        module.section(code);
        raw(&mut module, SectionId::Data, self.data);
        module.finish()
    }
}

/// The six functions, in the order in which [`Parts::append_counters`] declares them.
fn counter_functions(counters: Counters) -> [Function; 6] {
    let stop = [Instruction::Unreachable];
    let set = [
        Instruction::LocalGet(0),
        Instruction::GlobalSet(counters.fuel),
        Instruction::LocalGet(1),
        Instruction::GlobalSet(counters.cells),
    ];
    let left = [Instruction::GlobalGet(counters.fuel)];
    let bytes = [
        Instruction::LocalGet(0),
        Instruction::I32Const(BULK_BYTES_PER_FUEL.trailing_zeros().try_into().expect("below 32")),
        Instruction::I32ShrU,
        Instruction::I64ExtendI32U,
    ];
    let pages = [
        Instruction::LocalGet(0),
        Instruction::I64ExtendI32U,
        Instruction::I64Const(PAGE_FUEL.into()),
        Instruction::I64Mul,
    ];
    [
        function(&[&stop]),
        function(&[&stop]),
        function(&[&set]),
        function(&[&left]),
        charging(&bytes, counters),
        charging(&pages, counters),
    ]
}

/// A function that takes the computed price off the fuel and returns its argument.
fn charging(price: &[Instruction<'_>], counters: Counters) -> Function {
    let mut code = Vec::new();
    Instruction::GlobalGet(counters.fuel).encode(&mut code);
    for instruction in price {
        instruction.encode(&mut code);
    }
    Instruction::I64Sub.encode(&mut code);
    settle_fuel(&mut code, counters);
    Instruction::LocalGet(0).encode(&mut code);
    let mut function = Function::new([]);
    function.raw(code);
    function.instruction(&Instruction::End);
    function
}

fn function(runs: &[&[Instruction<'_>]]) -> Function {
    let mut function = Function::new([]);
    for instruction in runs.iter().copied().flatten() {
        function.instruction(instruction);
    }
    function.instruction(&Instruction::End);
    function
}

/// A part of a module at a place that the parser itself named.
fn slice(module: &[u8], range: Range<usize>) -> &[u8] {
    module.get(range).expect("the parser names places inside what it parsed")
}

fn invalid(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid { detail: error.to_string() }
}

fn engine(error: wasm_encoder::reencode::Error) -> LoadError {
    LoadError::Engine { detail: error.to_string() }
}
