//! The door: which modules may become contracts. Validates against a closed set of features and one shape.
//!
//! The shape is what component tools make of a plain module: one core module without imports and without a start
//! function, instantiated once; functions lifted from it; at most one nested component, which only names types. All
//! else is refused, so that the two stations behind this one handle a form small enough to be sure of.

use core::ops::Range;

use strait_contract::LoadError;
use strait_contract::limits::{MEMORY_PAGES_MAX, MODULE_BYTES_MAX};
use wasmparser::{
    BinaryReaderError, CanonicalFunction, CanonicalOption, ComponentInstance, FuncToValidate,
    FuncValidatorAllocations, FunctionBody, Instance, Parser, Payload, ValidPayload, Validator,
    ValidatorResources, WasmFeatures,
};

use crate::limits::{
    BODY_BYTES_MAX, FRAME_CELLS, FRAME_CELLS_MAX, FUNCTIONS_MAX, TABLE_ELEMENTS_MAX,
};
use crate::meter::{LEFT, SET};

/// The one instance that a contract exports.
pub(crate) const INSTANCE: &str = "strait:contract/contract@1.0.0";

/// Deterministic, needed by compilers of today, and all of it priced. Reference types and bulk memory are in for their
/// encodings and `memory.copy`; instructions on tables and references have no price. Floats are in: their only
/// freedom, the bits of a NaN, is fixed by the engine's canonicalisation.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A module that may become a contract.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Where its core module is.
    pub(crate) core: Range<usize>,
    /// The cells of each function's frame, in order.
    pub(crate) frames: Vec<u32>,
    /// Pages of memory that every call starts with.
    pub(crate) memory_pages: u64,
    /// What the component has, for those who append to it.
    pub(crate) counts: Counts,
}

/// The sizes of a component's index spaces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) types: u32,
    pub(crate) functions: u32,
    pub(crate) core_functions: u32,
}

/// Validates a module and checks its shape.
///
/// # Errors
/// [`LoadError`] names the first thing that contracts may not have.
pub(crate) fn admitted(wasm: &[u8]) -> Result<Admitted, LoadError> {
    if wasm.len() > MODULE_BYTES_MAX {
        return Err(LoadError::TooLarge { actual: wasm.len(), limit: MODULE_BYTES_MAX });
    }
    if !Parser::is_component(wasm) {
        return Err(LoadError::NotComponent);
    }
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    let mut shape = Shape::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(invalid)?;
        shape.see(&payload)?;
        match validator.payload(&payload).map_err(invalid)? {
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
            ValidPayload::Func(function, body) => {
                let (cells, reusable) = measured(function, &body, allocations)?;
                shape.frames.push(cells);
                allocations = reusable;
            }
            ValidPayload::End(types) => {
                let types = types.as_ref();
                // Every level reports; the last one is the component itself.
                shape.counts = Counts {
                    types: types.component_type_count(),
                    functions: types.component_function_count(),
                    core_functions: types.function_count(),
                };
            }
        }
    }
    shape.finish()
}

/// Validates a body and measures its frame: parameters, locals and the most operands it holds at once.
fn measured(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
) -> Result<(u32, FuncValidatorAllocations), LoadError> {
    let bytes = body.range().len();
    if bytes > BODY_BYTES_MAX {
        return Err(needs("bytes in one function", bytes, BODY_BYTES_MAX));
    }
    let mut validator = function.into_validator(allocations);
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader).map_err(invalid)?;
    let mut operators = body.get_operators_reader().map_err(invalid)?;
    let mut operands = 0;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset().map_err(invalid)?;
        validator.op(offset, &operator).map_err(invalid)?;
        operands = operands.max(validator.operand_stack_height());
    }
    operators.finish().map_err(invalid)?;
    let cells = validator.len_locals().saturating_add(operands).saturating_add(FRAME_CELLS);
    if cells > FRAME_CELLS_MAX {
        return Err(LoadError::NeedsTooMuch {
            name: "cells in one frame",
            actual: cells.into(),
            limit: FRAME_CELLS_MAX.into(),
        });
    }
    Ok((cells, validator.into_allocations()))
}

/// What a nested level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    CoreModule,
    NamingComponent,
}

/// What has been seen so far.
#[derive(Debug, Default)]
struct Shape {
    /// The levels entered and not left; empty in the outermost component.
    inside: Vec<Level>,
    /// Where the core module is.
    core: Option<Range<usize>>,
    /// Nested components: at most one.
    naming_components: u32,
    /// Core instances: exactly one.
    core_instances: u32,
    /// Instances of nested components: at most one.
    instances: u32,
    /// The contract interface is exported.
    has_interface: bool,
    /// The cells of each function's frame, in order.
    frames: Vec<u32>,
    /// Pages of memory that every call starts with.
    memory_pages: u64,
    /// Index spaces of the level that ended last.
    counts: Counts,
}

impl Shape {
    fn see(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        if matches!(payload, Payload::End(_)) {
            // The end of the outermost component finds nothing to leave.
            self.inside.pop();
            return Ok(());
        }
        match self.inside.last() {
            None => self.see_component(payload),
            Some(Level::CoreModule) => self.see_core(payload),
            Some(Level::NamingComponent) => see_naming(payload),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, growing enum: what is not named is refused"
    )]
    fn see_component(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { .. }
            | Payload::CustomSection(_)
            | Payload::ComponentTypeSection(_)
            | Payload::CoreTypeSection(_)
            | Payload::ComponentAliasSection(_) => {}
            Payload::ComponentImportSection(section) => {
                if let Some(import) = section.clone().into_iter().next() {
                    let name = import.map_err(invalid)?.name.name.to_owned();
                    return Err(LoadError::Imports { name });
                }
            }
            Payload::ModuleSection { unchecked_range, .. } => {
                if self.core.replace(unchecked_range.clone()).is_some() {
                    return Err(LoadError::Forbidden { what: "more than one core module" });
                }
                self.inside.push(Level::CoreModule);
            }
            Payload::ComponentSection { .. } => {
                self.naming_components += 1;
                self.inside.push(Level::NamingComponent);
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    self.see_core_instance(&instance.map_err(invalid)?)?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    match instance.map_err(invalid)? {
                        ComponentInstance::Instantiate { .. } => self.instances += 1,
                        ComponentInstance::FromExports(_) => {}
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    see_canonical(&function.map_err(invalid)?)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    if export.map_err(invalid)?.name.name != INSTANCE {
                        return Err(LoadError::Forbidden { what: "an export of another name" });
                    }
                    self.has_interface = true;
                }
            }
            _ => return Err(LoadError::Forbidden { what: "a section of an unknown kind" }),
        }
        Ok(())
    }

    /// The core module: nothing that runs before the call, nothing larger than a call may have.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, growing enum; the validator bounds the rest"
    )]
    fn see_core(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::ImportSection(_) => Err(LoadError::Imports { name: "a core import".into() }),
            Payload::StartSection { .. } => Err(LoadError::Forbidden { what: "a start function" }),
            Payload::TagSection(_) => Err(LoadError::Forbidden { what: "exception tags" }),
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let pages = memory.map_err(invalid)?.initial;
                    let limit = u64::from(MEMORY_PAGES_MAX.0);
                    self.memory_pages = self.memory_pages.max(pages);
                    if pages > limit {
                        return Err(LoadError::NeedsTooMuch {
                            name: "pages of memory",
                            actual: pages,
                            limit,
                        });
                    }
                }
                Ok(())
            }
            Payload::TableSection(section) => {
                if section.count() > 1 {
                    return Err(LoadError::Forbidden { what: "more than one table" });
                }
                for table in section.clone() {
                    let actual = table.map_err(invalid)?.ty.initial;
                    if actual > TABLE_ELEMENTS_MAX {
                        return Err(LoadError::NeedsTooMuch {
                            name: "elements of a table",
                            actual,
                            limit: TABLE_ELEMENTS_MAX,
                        });
                    }
                }
                Ok(())
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    if [SET, LEFT].contains(&export.map_err(invalid)?.name) {
                        return Err(LoadError::Forbidden { what: "an export named as a counter" });
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn see_core_instance(&mut self, instance: &Instance<'_>) -> Result<(), LoadError> {
        self.core_instances += 1;
        match instance {
            Instance::Instantiate { args, .. } if args.is_empty() => Ok(()),
            Instance::Instantiate { .. } | Instance::FromExports(_) => {
                Err(LoadError::Forbidden { what: "a core instance with arguments" })
            }
        }
    }

    fn finish(self) -> Result<Admitted, LoadError> {
        let Some(core) = self.core else {
            return Err(LoadError::Forbidden { what: "no core module" });
        };
        if self.core_instances != 1 || self.instances > 1 || self.naming_components > 1 {
            return Err(LoadError::Forbidden { what: "another number of instances than one" });
        }
        if !self.has_interface {
            return Err(LoadError::WrongInterface { expected: INSTANCE });
        }
        if self.frames.len() > FUNCTIONS_MAX {
            return Err(needs("functions", self.frames.len(), FUNCTIONS_MAX));
        }
        Ok(Admitted {
            core,
            frames: self.frames,
            memory_pages: self.memory_pages,
            counts: self.counts,
        })
    }
}

/// The nested component through which tools name an interface's types: it runs nothing.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign, growing enum: what is not named is refused"
)]
fn see_naming(payload: &Payload<'_>) -> Result<(), LoadError> {
    match payload {
        Payload::Version { .. }
        | Payload::CustomSection(_)
        | Payload::ComponentTypeSection(_)
        | Payload::CoreTypeSection(_)
        | Payload::ComponentAliasSection(_)
        | Payload::ComponentImportSection(_)
        | Payload::ComponentExportSection(_) => Ok(()),
        _ => {
            Err(LoadError::Forbidden { what: "a nested component that does more than name types" })
        }
    }
}

/// Only plain lifts: the host calls in, nothing calls out.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign, growing enum: what is not named is refused"
)]
fn see_canonical(function: &CanonicalFunction) -> Result<(), LoadError> {
    let CanonicalFunction::Lift { options, .. } = function else {
        return Err(LoadError::Forbidden { what: "a built-in function of the component model" });
    };
    for option in options {
        match option {
            CanonicalOption::UTF8
            | CanonicalOption::Memory(_)
            | CanonicalOption::Realloc(_)
            | CanonicalOption::PostReturn(_) => {}
            _ => return Err(LoadError::Forbidden { what: "a function lifted in another way" }),
        }
    }
    Ok(())
}

fn needs(name: &'static str, actual: usize, limit: usize) -> LoadError {
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    LoadError::NeedsTooMuch { name, actual: wide(actual), limit: wide(limit) }
}

fn invalid(error: BinaryReaderError) -> LoadError {
    LoadError::Invalid { detail: error.to_string() }
}
