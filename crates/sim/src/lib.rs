//! The seeded world and its oracle.
