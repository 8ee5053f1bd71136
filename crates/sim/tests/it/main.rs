//! Fixed seeds, found ones and fresh ones, and a crash at every write: each run breaks no law and comes to rest, and the
//! same seed is the same run.

mod fresh;
mod seeds;
mod sweep;
