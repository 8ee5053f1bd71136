//! What the engine's errors mean: the contract's own failure, or a fault of this machine.

use strait_contract::{Call, CallError, Failure, LocalFault, TrapReason};
use thiserror::Error;
use wasmtime::{Error, OutOfMemory, Trap, WasmBacktrace};

use crate::meter::Counters;

/// Why memory did not grow; raised by the store's limiter and found again in the engine's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum MemoryStop {
    /// The contract asked for more than its terms give.
    #[error("more memory asked for than the terms give")]
    Limit,
    /// The machine has no more.
    #[error("the machine has no more memory")]
    Machine,
}

/// The meaning of an error while a contract's code ran.
pub(crate) fn of_running(error: &Error, call: Call<'_>, counters: &Counters) -> CallError {
    if let Some(known) = of_memory(error, call) {
        return known;
    }
    if error.is::<OutOfMemory>() {
        return fault(error);
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        // The engine ran the code to its end and could not read the answer as a value of the interface.
        return Failure::Malformed.into();
    };
    let origin = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().first())
        .map(wasmtime::FrameInfo::func_index);
    if origin.is_some_and(|function| counters.is_out_of_fuel(function)) {
        return Failure::OutOfFuel { limit: call.fuel }.into();
    }
    if origin.is_some_and(|function| counters.is_too_deep(function)) {
        return Failure::TooDeep { limit: call.limits.call_depth }.into();
    }
    of_trap(*trap)
}

/// The meaning of an error while an instance was made, before any code of the contract ran.
pub(crate) fn of_starting(error: &Error, call: Call<'_>) -> CallError {
    of_memory(error, call).unwrap_or_else(|| fault(error))
}

/// A fault of this machine, with the engine's whole account; a stall is a stall wherever it strikes.
pub(crate) fn fault(error: &Error) -> CallError {
    if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
        return LocalFault::TimedOut.into();
    }
    LocalFault::Engine { detail: format!("{error:#}") }.into()
}

fn of_memory(error: &Error, call: Call<'_>) -> Option<CallError> {
    Some(match error.downcast_ref::<MemoryStop>()? {
        MemoryStop::Limit => Failure::OutOfMemory { limit: call.limits.memory }.into(),
        MemoryStop::Machine => {
            LocalFault::Engine { detail: MemoryStop::Machine.to_string() }.into()
        }
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign, growing enum; what it gains is a trap on every machine"
)]
fn of_trap(trap: Trap) -> CallError {
    let reason = match trap {
        Trap::Interrupt => return LocalFault::TimedOut.into(),
        // The counted cells end a call long before the engine's stack does (see `limits`): if not, it is our bug.
        Trap::StackOverflow | Trap::AllocationTooLarge => {
            return LocalFault::Engine { detail: trap.to_string() }.into();
        }
        Trap::UnreachableCodeReached => TrapReason::Unreachable,
        Trap::MemoryOutOfBounds | Trap::TableOutOfBounds => TrapReason::OutOfBounds,
        Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => {
            TrapReason::Arithmetic
        }
        Trap::IndirectCallToNull | Trap::BadSignature => TrapReason::IndirectCall,
        _ => TrapReason::Other,
    };
    Failure::Trap { reason }.into()
}
