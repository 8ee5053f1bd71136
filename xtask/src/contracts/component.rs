//! From a core module to the component that is checked in, and what a component exports.

use anyhow::{Context as _, Result};
use wasm_encoder::{Component, Module, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};

/// The id of a section that holds a core module (component model, binary format).
const CORE_MODULE_SECTION: u8 = 1;

/// Packs a core module, which carries its WIT world in a custom section, as a component without custom sections.
pub(super) fn from_core(core: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(core)?.encode()?;
    without_custom_sections(&component)
}

/// What a component imports and exports, as WIT.
pub(super) fn world(component: &[u8]) -> Result<String> {
    let decoded: DecodedWasm = wit_component::decode(component).context("reading the interface")?;
    let mut printer = WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[])?;
    Ok(printer.output.to_string())
}

/// Drops names, producers and the like from a component and its core modules; nested components have none.
fn without_custom_sections(component: &[u8]) -> Result<Vec<u8>> {
    let mut out = Component::new();
    for (id, data) in outer_sections(component)? {
        if id == CORE_MODULE_SECTION {
            let mut module = Module::new();
            for (id, data) in outer_sections(data)? {
                module.section(&RawSection { id, data });
            }
            out.section(&RawSection { id: CORE_MODULE_SECTION, data: module.as_slice() });
        } else {
            out.section(&RawSection { id, data });
        }
    }
    Ok(out.finish())
}

/// The sections of the outermost level, without custom ones.
fn outer_sections(binary: &[u8]) -> Result<Vec<(u8, &[u8])>> {
    let mut sections = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload?;
        let is_custom = matches!(payload, Payload::CustomSection(_));
        if let (0, false, Some((id, range))) = (depth, is_custom, payload.as_section()) {
            sections.push((id, binary.get(range).context("a section inside its file")?));
        }
        if matches!(payload, Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) {
            depth += 1;
        } else if matches!(payload, Payload::End(_)) {
            depth = depth.saturating_sub(1);
        }
    }
    Ok(sections)
}
