//! A component with its core module replaced by the metered one, and the two counters' doors exported to the host.
//!
//! All of the component's own sections are copied as they are, but for custom ones; the doors come behind them, so no
//! index changes.

use core::ops::Range;

use strait_contract::LoadError;
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection,
    ComponentExportKind, ComponentExportSection, ComponentTypeSection, ComponentValType,
    ExportKind, PrimitiveValType, RawSection,
};
use wasmparser::{Parser, Payload};

use crate::admit::{Admitted, Counts};
use crate::meter::{LEFT, SET};

/// The id of a section that holds a core module (component model, binary format).
const CORE_MODULE_SECTION: u8 = 1;

/// Builds the component that is compiled.
///
/// # Errors
/// [`LoadError::Invalid`] if the component does not parse, which admission excludes.
pub(crate) fn grafted(
    wasm: &[u8],
    admitted: &Admitted,
    module: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let mut component = Component::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| LoadError::Invalid { detail: e.to_string() })?;
        if depth == 0 {
            copy_section(&mut component, wasm, &payload, module);
        }
        if matches!(payload, Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) {
            depth += 1;
        } else if matches!(payload, Payload::End(_)) {
            // The last end is the component's own.
            depth = depth.saturating_sub(1);
        }
    }
    export_doors(&mut component, admitted.counts);
    Ok(component.finish())
}

fn copy_section(component: &mut Component, wasm: &[u8], payload: &Payload<'_>, module: &[u8]) {
    let Some((id, range)) = payload.as_section() else { return };
    if matches!(payload, Payload::CustomSection(_)) {
        return;
    }
    let data = if id == CORE_MODULE_SECTION { module } else { slice(wasm, range) };
    component.section(&RawSection { id, data });
}

/// Lifts the two counter functions and exports them under the same names.
fn export_doors(component: &mut Component, counts: Counts) {
    let mut aliases = ComponentAliasSection::new();
    for name in [SET, LEFT] {
        // Admission allows one core instance, so it is the first.
        aliases.alias(Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Func, name });
    }
    let mut types = ComponentTypeSection::new();
    let fuel = ComponentValType::Primitive(PrimitiveValType::U64);
    let cells = ComponentValType::Primitive(PrimitiveValType::U32);
    types.function().params([("fuel", fuel), ("cells", cells)]).result(None);
    types.function().params::<_, ComponentValType>([]).result(Some(fuel));
    let mut lifts = CanonicalFunctionSection::new();
    let mut exports = ComponentExportSection::new();
    for (name, offset) in [(SET, 0), (LEFT, 1)] {
        let no_options: [CanonicalOption; 0] = [];
        lifts.lift(counts.core_functions + offset, counts.types + offset, no_options);
        // Each export adds a function to the index space too, but only behind both lifts.
        exports.export(name, ComponentExportKind::Func, counts.functions + offset, None);
    }
    component.section(&aliases).section(&types).section(&lifts).section(&exports);
}

fn slice(wasm: &[u8], range: Range<usize>) -> &[u8] {
    wasm.get(range).expect("the parser names places inside what it parsed")
}
