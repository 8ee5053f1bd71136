//! Events to durable records and back, snapshots, and the memory store.
