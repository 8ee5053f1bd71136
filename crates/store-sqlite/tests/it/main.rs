//! What the store promises, tried from outside: on a real disk, with killed writers and spoiled files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backups;
mod compaction;
mod crash;
mod damage;
mod openings;
mod records;
mod room;
