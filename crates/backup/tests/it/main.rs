//! Backups and shipped logs of real stores, damaged in every way that a disk or an operator can think of.

mod backups;
mod shipping;
mod world;
