//! The node as a value: inputs to events and effects.
