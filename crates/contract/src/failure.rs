//! Why a call has no result: the contract's own failures apart from this machine's faults.

use core::fmt;

use strait_primitives::{Fuel, ModuleHash};
use thiserror::Error;

use crate::limits::REASON_BYTES_MAX;
use crate::{LimitsError, MemoryPages, OutcomeError, StackCells};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The contract's own answer: the same on every machine, so a proposal that needs this call is a violation.
    #[error("the contract failed")]
    Failed(#[from] Failure),
    /// This machine has no answer. Never taken as the contract's: retry, or stop.
    #[error("this node could not run the contract")]
    Local(#[from] LocalFault),
}

/// A failure of the contract itself: every machine finds the same one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The code trapped; a panic of a guest in Rust ends here.
    #[error("the code trapped: {reason}")]
    Trap {
        /// What trapped.
        reason: TrapReason,
    },
    /// The call used all the fuel it had.
    #[error("out of fuel: the call had {}", .limit.0)]
    OutOfFuel {
        /// The fuel it had.
        limit: Fuel,
    },
    /// Calls nest too deeply.
    #[error("calls nest deeper than {limit}")]
    TooDeep {
        /// The limit of the terms.
        limit: StackCells,
    },
    /// The code asked for more memory than it may have.
    #[error("more memory asked for than {limit}")]
    OutOfMemory {
        /// The limit of the terms.
        limit: MemoryPages,
    },
    /// The new state is too long.
    #[error("a state of {actual} bytes where at most {limit} are allowed")]
    StateTooLarge {
        /// Its length in bytes.
        actual: usize,
        /// The limit of the terms.
        limit: u32,
    },
    /// The contract refused the parameters or the action, in its own words.
    #[error("refused by the contract: {0}")]
    Refused(Refusal),
    /// The outcome cannot stand.
    #[error("the outcome cannot stand")]
    BadOutcome(#[from] OutcomeError),
    /// The code answered with something that is not a value of the interface.
    #[error("the answer is no value of the interface")]
    Malformed,
}

/// What trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrapReason {
    /// `unreachable`: a panic or an abort.
    Unreachable,
    /// Memory or a table was reached out of its bounds.
    OutOfBounds,
    /// Integer arithmetic without a result: a division by zero, an overflow, a conversion of what is no integer.
    Arithmetic,
    /// An indirect call of nothing, or of a function of another type.
    IndirectCall,
    /// Anything else that the engine calls a trap.
    Other,
}

impl fmt::Display for TrapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "a panic or unreachable code",
            Self::OutOfBounds => "an access out of bounds",
            Self::Arithmetic => "arithmetic without a result",
            Self::IndirectCall => "an indirect call of nothing or of another type",
            Self::Other => "another trap",
        })
    }
}

pub use self::encapsulate::Refusal;

mod encapsulate {
    use super::REASON_BYTES_MAX;

    /// A contract's own no. The reason is cut to 256 bytes and holds no control characters: it is shown to people.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Refusal {
        code: u32,
        reason: String,
    }

    impl Refusal {
        /// Takes the contract's words, whatever they are.
        #[must_use]
        pub fn new(code: u32, reason: &[u8]) -> Self {
            let head = reason.get(..REASON_BYTES_MAX).unwrap_or(reason);
            let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
            Self { code, reason: String::from_utf8_lossy(head).chars().map(shown).collect() }
        }

        /// The contract's number for it.
        #[must_use]
        pub const fn code(&self) -> u32 {
            self.code
        }

        /// The contract's words for it.
        #[must_use]
        pub fn reason(&self) -> &str {
            &self.reason
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.reason(), self.code())
    }
}

/// This machine has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LocalFault {
    /// The module is not loaded here.
    #[error("module {module} is not loaded")]
    ModuleMissing {
        /// Which.
        module: ModuleHash,
    },
    /// The limits of the call are none that this node runs; they are checked before terms are agreed to.
    #[error("the limits cannot be run")]
    Limits(#[from] LimitsError),
    /// The call took longer than this node waits.
    #[error("the call took longer than this node waits")]
    TimedOut,
    /// The engine or the machine below it failed.
    #[error("the engine failed: {detail}")]
    Engine {
        /// The engine's own account, for the operator.
        detail: String,
    },
}

/// Why a module was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Longer than the protocol allows.
    #[error("a module of {actual} bytes where at most {limit} are allowed")]
    TooLarge {
        /// Its length in bytes.
        actual: usize,
        /// The most bytes allowed.
        limit: usize,
    },
    /// Not WebAssembly, or not a component.
    #[error("not a WebAssembly component")]
    NotComponent,
    /// WebAssembly that does not validate, or uses a proposal that contracts may not use.
    #[error("not valid for contracts: {detail}")]
    Invalid {
        /// What does not hold, and where.
        detail: String,
    },
    /// It asks for something from outside: a contract sees only its arguments.
    #[error("the module imports `{name}`: contracts import nothing")]
    Imports {
        /// The first import.
        name: String,
    },
    /// It does not export the contract interface.
    #[error("the module does not export {expected}")]
    WrongInterface {
        /// The interface or function that is missing or has another type.
        expected: &'static str,
    },
    /// Valid, but of a shape that contracts may not have.
    #[error("the module has {what}, which contracts may not have")]
    Forbidden {
        /// What it has.
        what: &'static str,
    },
    /// It needs more than any call may have before it does anything.
    #[error("the module needs {name} of {actual} where at most {limit} is allowed")]
    NeedsTooMuch {
        /// What it needs.
        name: &'static str,
        /// How much, in its own unit.
        actual: u64,
        /// The most allowed.
        limit: u64,
    },
    /// The engine could not compile a valid module: a fault of this machine, not of the module.
    #[error("the engine could not compile the module: {detail}")]
    Engine {
        /// The engine's own account.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_a_bounded_and_printable_reason() {
        let long = Refusal::new(3, &[b'x'; 1_000]);
        assert_eq!(long.reason().len(), REASON_BYTES_MAX);
        assert_eq!(Refusal::new(3, b"no\x1b[2J\xff").reason(), "no\u{fffd}[2J\u{fffd}");
        assert_eq!(Refusal::new(3, b"too late").to_string(), "too late (code 3)");
    }
}
