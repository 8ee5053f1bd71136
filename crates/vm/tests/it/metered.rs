//! The example contract in its compiled form, through the same door as a channel uses.
