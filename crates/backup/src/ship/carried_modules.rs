//! The modules of contracts beside a shipped log: each once, sealed or not as the log is.
//!
//! Others may write to that folder. It is never the node's own, whatever links lie there: modules are removed from it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, unlinkat};

use super::ShipError;
use crate::disk::PlaceError;
use crate::seals::{SealKey, seal_bytes};
use crate::{durable, modules, regular};

/// Carries over what is new. Where modules are sealed, none stays that is not: sealing may have been turned on later.
pub(super) fn carry(data_dir: &Path, ship_folder: &Path, seal: &SealKey) -> Result<(), ShipError> {
    let (from, to) = (modules::folder(data_dir), ship_folder.join("modules"));
    let _apart = hold(&from, &to)?;
    for name in modules::names(&from).map_err(PlaceError::of(&from))? {
        carry_one(&from, &to, &name, seal)?;
    }
    if seal.seal_to().is_none() {
        return Ok(());
    }
    let Some(held) = hold(&from, &to)? else { return Ok(()) };
    for name in modules::names(&to).map_err(PlaceError::of(&to))? {
        // One that the node has no more is needed by the log that is shipped all the same.
        carry_one(&to, &to, &name, seal)?;
        // In the folder that was looked at, though another may lie under its name by now.
        unlinkat(&held, &name, AtFlags::empty())
            .map_err(io::Error::from)
            .and_then(|()| held.sync_all())
            .map_err(PlaceError::of(&to))?;
    }
    Ok(())
}

/// Opens the folder that is carried to, if there is one: a folder, no link, and not the one that is carried from.
fn hold(from: &Path, to: &Path) -> Result<Option<File>, ShipError> {
    let failed = PlaceError::of(to);
    let held = match regular::open_folder(to) {
        Ok(held) => held,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error).into()),
    };
    let found = held.metadata().map_err(&failed)?;
    let is_own = |own: fs::Metadata| (own.dev(), own.ino()) == (found.dev(), found.ino());
    if fs::metadata(from).is_ok_and(is_own) {
        return Err(ShipError::NodesOwn { folder: to.into() });
    }
    Ok(Some(held))
}

/// Carries one over, if it is not there; durable when this returns.
fn carry_one(from: &Path, to: &Path, name: &str, seal: &SealKey) -> Result<(), ShipError> {
    let who = seal.seal_to();
    let target = to.join(if who.is_some() { format!("{name}.age") } else { name.to_owned() });
    if target.exists() {
        return Ok(());
    }
    let path = from.join(name);
    let bytes = regular::read(&path, modules::BYTES_MAX).map_err(PlaceError::of(&path))?;
    let bytes = match who {
        None => bytes,
        Some(who) => seal_bytes(&bytes, who)?,
    };
    durable::create_folder(to)
        .and_then(|()| durable::replace(&target, &bytes))
        .map_err(PlaceError::of(&target))?;
    Ok(())
}
