//! The law of the ledger, by rows and by random histories.
