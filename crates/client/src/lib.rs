//! The typed client of the REST interface.
