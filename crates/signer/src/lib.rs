//! Secrets, revocation and the rules of signing.
