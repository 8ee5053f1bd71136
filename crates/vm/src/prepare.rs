//! The two stations before the compiler: a module is admitted, and its counters are written into it.
//!
//! [`crate::Vm`] calls it before it compiles, fuzzers call it alone.

use strait_contract::LoadError;

use crate::admit::admitted;
use crate::graft::grafted;
use crate::meter::{Counters, metered};

/// A module that is ready for the compiler.
#[derive(Debug)]
pub struct Prepared {
    /// The component, with its counters.
    pub component: Vec<u8>,
    /// Pages of memory that every call starts with.
    pub memory_pages: u64,
    /// Where the counters are.
    pub(crate) counters: Counters,
}

/// Admits a module and meters it.
///
/// # Errors
/// [`LoadError`] names the first thing that contracts may not have.
///
/// # Panics
/// Never: the parser named the place of the core module.
pub fn prepare(wasm: &[u8]) -> Result<Prepared, LoadError> {
    let admitted = admitted(wasm)?;
    let core = wasm.get(admitted.core.clone()).expect("the parser named this place");
    let metered = metered(core, &admitted.frames)?;
    let component = grafted(wasm, &admitted, &metered.module)?;
    Ok(Prepared { component, memory_pages: admitted.memory_pages, counters: metered.counters })
}
