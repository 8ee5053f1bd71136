//! The two-party channel machine.
