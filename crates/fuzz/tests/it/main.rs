//! The corpora, replayed without a fuzzer, and what must be true of them.

mod corpora;
