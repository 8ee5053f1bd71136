//! The tables, and the steps from each version of them to the next and back.

use core::fmt;

use rusqlite::{Connection, Error, Transaction, TransactionBehavior};
use strait_primitives::EventSeq;

use crate::OpenError;
use crate::connection::{opening, store_error};

/// Marks the database as ours in its header: "STRT".
pub(crate) const APPLICATION_ID: u32 = 0x5354_5254;

/// The version of the tables: how many steps have been taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion(pub u32);

impl SchemaVersion {
    /// No tables yet.
    pub(crate) const NONE: Self = Self(0);
    /// What this version of Strait reads and writes.
    pub const NEWEST: Self = Self(4);
    /// The oldest that holds a log; nothing goes below it.
    pub const OLDEST: Self = Self(1);
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One step between two neighbouring versions.
struct Step {
    up: &'static str,
    down: &'static str,
}

/// The steps: the first one leads from no tables to version 1. A released step is never edited.
const STEPS: [Step; 4] = [
    Step {
        up: "CREATE TABLE writer (
                 id INTEGER PRIMARY KEY CHECK (id = 1),
                 epoch INTEGER NOT NULL
             ) STRICT;
             INSERT INTO writer (id, epoch) VALUES (1, 0);
             CREATE TABLE batches (
                 first_seq INTEGER PRIMARY KEY,
                 last_seq INTEGER NOT NULL,
                 checksum INTEGER NOT NULL,
                 bytes BLOB NOT NULL
             ) STRICT;",
        down: "DROP TABLE batches; DROP TABLE writer;",
    },
    Step {
        up: "CREATE TABLE snapshots (
                 seq INTEGER PRIMARY KEY,
                 version INTEGER NOT NULL,
                 checksum INTEGER NOT NULL,
                 payload BLOB NOT NULL
             ) STRICT;",
        down: "DROP TABLE snapshots;",
    },
    Step {
        up: "CREATE TABLE backup (
                 id INTEGER PRIMARY KEY CHECK (id = 1),
                 taken_ms INTEGER NOT NULL
             ) STRICT;",
        down: "DROP TABLE backup;",
    },
    Step {
        up: "CREATE TABLE compacted (
                 id INTEGER PRIMARY KEY CHECK (id = 1),
                 last_seq INTEGER NOT NULL,
                 batch_checksum INTEGER NOT NULL,
                 checksum INTEGER NOT NULL
             ) STRICT;",
        down: "DROP TABLE compacted;",
    },
];

/// Takes every step that is missing, in one transaction.
pub(crate) fn upgrade(connection: &mut Connection) -> Result<(), OpenError> {
    let found = version(connection).map_err(|error| opening(EventSeq::ZERO, error))?;
    if found > SchemaVersion::NEWEST {
        return Err(OpenError::NewerSchema { found, newest: SchemaVersion::NEWEST });
    }
    if found == SchemaVersion::NEWEST {
        return Ok(());
    }
    let failed =
        |error| OpenError::Store(store_error("bring the tables up to date", EventSeq::ZERO, error));
    shift(connection, found, SchemaVersion::NEWEST).map_err(failed)
}

/// Takes steps down to `wanted`, in one transaction.
pub(crate) fn downgrade(
    connection: &mut Connection,
    wanted: SchemaVersion,
) -> Result<(), OpenError> {
    let found = version(connection).map_err(|error| opening(EventSeq::ZERO, error))?;
    if found > SchemaVersion::NEWEST {
        return Err(OpenError::NewerSchema { found, newest: SchemaVersion::NEWEST });
    }
    if wanted < SchemaVersion::OLDEST || wanted > found {
        return Err(OpenError::NoWayDown { found, wanted });
    }
    let failed =
        |error| OpenError::Store(store_error("take the tables down", EventSeq::ZERO, error));
    shift(connection, found, wanted).map_err(failed)
}

/// The version on disk.
pub(crate) fn version(connection: &Connection) -> Result<SchemaVersion, Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map(SchemaVersion)
}

/// Takes the steps between two versions, all or none.
fn shift(connection: &mut Connection, from: SchemaVersion, to: SchemaVersion) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (number, step) in (1..).zip(&STEPS) {
        if number > from.0 && number <= to.0 {
            transaction.execute_batch(step.up)?;
        }
    }
    for (number, step) in (1..).zip(&STEPS).collect::<Vec<(u32, &Step)>>().into_iter().rev() {
        if number <= from.0 && number > to.0 {
            transaction.execute_batch(step.down)?;
        }
    }
    stamp(&transaction, to)?;
    transaction.commit()
}

/// Writes whose tables these are and which version of them.
fn stamp(transaction: &Transaction<'_>, version: SchemaVersion) -> Result<(), Error> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn every_step_up_is_undone_by_its_step_down() {
        assert_eq!(STEPS.len(), usize::try_from(SchemaVersion::NEWEST.0).unwrap());
        let mut connection = Connection::open_in_memory().unwrap();
        let mut before = vec![tables(&connection)];
        for number in 1..=SchemaVersion::NEWEST.0 {
            shift(&mut connection, SchemaVersion(number - 1), SchemaVersion(number)).unwrap();
            before.push(tables(&connection));
        }
        for number in (0..SchemaVersion::NEWEST.0).rev() {
            before.pop();
            shift(&mut connection, SchemaVersion(number + 1), SchemaVersion(number)).unwrap();
            assert_eq!(tables(&connection), *before.last().unwrap(), "down to {number}");
            assert_eq!(version(&connection).unwrap(), SchemaVersion(number));
        }
    }

    #[test]
    fn several_steps_are_taken_at_once_and_an_up_to_date_schema_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        upgrade(&mut connection).unwrap();
        let newest = tables(&connection);
        assert_eq!(newest.len(), 5);
        upgrade(&mut connection).unwrap();
        assert_eq!(tables(&connection), newest);
    }

    #[test]
    fn a_failed_step_leaves_the_schema_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE snapshots (in_the_way)").unwrap();
        assert!(upgrade(&mut connection).is_err());
        assert_eq!(tables(&connection), ["CREATE TABLE snapshots (in_the_way)"]);
        assert_eq!(version(&connection).unwrap(), SchemaVersion::NONE);
    }

    #[test]
    fn nothing_goes_below_the_oldest_schema_or_touches_a_newer_one() {
        let mut connection = Connection::open_in_memory().unwrap();
        upgrade(&mut connection).unwrap();
        assert!(matches!(
            downgrade(&mut connection, SchemaVersion::NONE),
            Err(OpenError::NoWayDown { .. })
        ));
        connection.pragma_update(None, "user_version", SchemaVersion::NEWEST.0 + 1).unwrap();
        assert!(matches!(upgrade(&mut connection), Err(OpenError::NewerSchema { .. })));
        assert!(matches!(
            downgrade(&mut connection, SchemaVersion::OLDEST),
            Err(OpenError::NewerSchema { .. })
        ));
    }
}
