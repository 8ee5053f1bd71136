//! What the node asks of a Bitcoin chain, and how it follows one.
