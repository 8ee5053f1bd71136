//! Fixed seeds, found ones and many in a row, and a crash at every write: each run breaks no law and comes to rest, and the
//! same seed is the same run.

mod seeds;
mod storms;
mod sweep;
