//! The bounds of contracts: what the terms fix for one contract, and what no terms may exceed.
//!
//! Every number here is part of the protocol: two nodes that disagree about one of them may disagree about money.

use core::fmt;

use strait_primitives::Fuel;
use thiserror::Error;

/// Bytes of a state (protocol section 11).
pub const STATE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the parameters: they travel in one offer.
pub const PARAMS_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an action: a round carries at most 512 KiB of operations.
pub const ACTION_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the reason a contract gives when it refuses; longer ones are cut.
pub const REASON_BYTES_MAX: usize = 256;
/// Bytes of a module. A guest in Rust takes 10 to 50 kB; compiling one of this size takes about a second.
pub const MODULE_BYTES_MAX: usize = 1024 * 1024;
/// Locks of one outcome: what one commitment can hold in one direction (protocol section 3).
pub const OUTCOME_LOCKS_MAX: u16 = 90;
/// Fuel of one call: 0.2 s at most on the machines it was measured on.
pub const FUEL_PER_CALL_MAX: Fuel = Fuel(100_000_000);
/// Fuel of all calls of one round over one contract: 2 s at most, well inside every deadline of a round.
pub const FUEL_PER_ROUND_MAX: Fuel = Fuel(1_000_000_000);
/// Cells of call depth: 8 bytes each, so that the engine's own stack (512 KiB) always outlasts them.
pub const STACK_CELLS_MAX: StackCells = StackCells(16_384);
/// Pages of memory of one call: 16 MiB.
pub const MEMORY_PAGES_MAX: MemoryPages = MemoryPages(256);

/// The rules that turn instructions into fuel and frames into cells. A node runs only versions that it knows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct MeteringVersion(#[n(0)] pub u16);

impl MeteringVersion {
    /// Counters written into the module before it is compiled, with the prices of ADR-0004.
    pub const V1: Self = Self(1);
}

/// Call depth, weighted: a frame takes a fixed number of cells and one for each value it may hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct StackCells(#[n(0)] pub u32);

/// WebAssembly pages of 64 KiB.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct MemoryPages(#[n(0)] pub u32);

impl MemoryPages {
    /// Bytes in these pages.
    #[must_use]
    pub fn to_bytes(self) -> u64 {
        u64::from(self.0) * 65_536
    }
}

impl fmt::Display for StackCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cells", self.0)
    }
}

impl fmt::Display for MemoryPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages", self.0)
    }
}

/// What one contract may use. Part of the terms that both sides agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub struct Limits {
    /// How fuel and cells are counted.
    #[n(0)]
    pub metering: MeteringVersion,
    /// The most fuel of one call.
    #[n(1)]
    pub fuel_per_call: Fuel,
    /// The most fuel of all calls in one round, over this contract.
    #[n(2)]
    pub fuel_per_round: Fuel,
    /// The deepest nesting of calls.
    #[n(3)]
    pub call_depth: StackCells,
    /// The largest memory; asking for more ends the call.
    #[n(4)]
    pub memory: MemoryPages,
    /// The longest state in bytes.
    #[n(5)]
    pub state_bytes: u32,
    /// The most locks in an outcome.
    #[n(6)]
    pub outcome_locks: u16,
}

impl Default for Limits {
    /// What terms say unless their author needs something else: far above what `metered` takes, far below the bounds.
    fn default() -> Self {
        Self {
            metering: MeteringVersion::V1,
            fuel_per_call: Fuel(10_000_000),
            fuel_per_round: Fuel(200_000_000),
            call_depth: STACK_CELLS_MAX,
            memory: MemoryPages(64),
            state_bytes: 16 * 1024,
            outcome_locks: 8,
        }
    }
}

/// Why limits cannot be agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// This node does not know the metering.
    #[error("metering version {} is unknown", .version.0)]
    Metering {
        /// The version asked for.
        version: MeteringVersion,
    },
    /// A limit is zero or above the protocol's bound.
    #[error("limit {name} is {actual} where {least} to {bound} is allowed")]
    OutOfRange {
        /// Which limit.
        name: &'static str,
        /// Its value, in its own unit.
        actual: u64,
        /// The smallest value allowed.
        least: u64,
        /// The largest value allowed.
        bound: u64,
    },
}

impl Limits {
    /// Checks every limit against the protocol's bounds.
    ///
    /// # Errors
    /// [`LimitsError`] names the first that does not fit.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.metering != MeteringVersion::V1 {
            return Err(LimitsError::Metering { version: self.metering });
        }
        let state_bytes_max = u64::try_from(STATE_BYTES_MAX).expect("64 KiB fits");
        let rows = [
            ("fuel_per_call", self.fuel_per_call.0, 1, FUEL_PER_CALL_MAX.0),
            ("fuel_per_round", self.fuel_per_round.0, 1, FUEL_PER_ROUND_MAX.0),
            ("call_depth", u64::from(self.call_depth.0), 1, u64::from(STACK_CELLS_MAX.0)),
            ("memory", u64::from(self.memory.0), 1, u64::from(MEMORY_PAGES_MAX.0)),
            ("state_bytes", u64::from(self.state_bytes), 1, state_bytes_max),
            ("outcome_locks", u64::from(self.outcome_locks), 0, u64::from(OUTCOME_LOCKS_MAX)),
        ];
        for (name, actual, least, bound) in rows {
            if actual < least || actual > bound {
                return Err(LimitsError::OutOfRange { name, actual, least, bound });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limits_are_within_the_bounds() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_limit_of_zero_or_above_its_bound_is_named() {
        let check = |limits: Limits, expect: &str| {
            assert_eq!(limits.check().unwrap_err().to_string(), expect);
        };
        let sound = Limits::default();
        check(
            Limits { fuel_per_call: Fuel(0), ..sound },
            "limit fuel_per_call is 0 where 1 to 100000000 is allowed",
        );
        check(
            Limits { state_bytes: 65_537, ..sound },
            "limit state_bytes is 65537 where 1 to 65536 is allowed",
        );
        check(
            Limits { call_depth: StackCells(16_385), ..sound },
            "limit call_depth is 16385 where 1 to 16384 is allowed",
        );
        check(Limits { metering: MeteringVersion(2), ..sound }, "metering version 2 is unknown");
    }
}
