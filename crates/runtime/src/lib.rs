//! The loop around the engine: clock, entropy, threads.
