//! The policies from outside: beside models, under failures, from many threads.

mod breaker_model;
mod bucket_model;
mod failures;
mod probes;
