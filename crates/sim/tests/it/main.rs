//! Fixed seeds, found ones and fresh ones: each run breaks no law and comes to rest, and the same seed is the same run.

mod seeds;
