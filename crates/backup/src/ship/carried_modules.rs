//! The modules of contracts beside a shipped log: each once, sealed or not as the log is.

use std::fs;
use std::path::Path;

use super::ShipError;
use crate::disk::PlaceError;
use crate::seals::{SealKey, seal_bytes};
use crate::{durable, modules};

/// Carries over what is new. Where modules are sealed, none stays that is not: sealing may have been turned on later.
pub(super) fn carry(data_dir: &Path, ship_folder: &Path, seal: &SealKey) -> Result<(), ShipError> {
    let (from, to) = (modules::folder(data_dir), ship_folder.join("modules"));
    for name in modules::names(&from).map_err(PlaceError::of(&from))? {
        carry_one(&from, &to, &name, seal)?;
    }
    if seal.seal_to().is_none() {
        return Ok(());
    }
    for name in modules::names(&to).map_err(PlaceError::of(&to))? {
        // One that the node has no more is needed by the log that is shipped all the same.
        carry_one(&to, &to, &name, seal)?;
        fs::remove_file(to.join(&name)).map_err(PlaceError::of(&to))?;
        durable::sync_folder_of(&to.join(&name)).map_err(PlaceError::of(&to))?;
    }
    Ok(())
}

/// Carries one over, if it is not there; durable when this returns.
fn carry_one(from: &Path, to: &Path, name: &str, seal: &SealKey) -> Result<(), ShipError> {
    let who = seal.seal_to();
    let target = to.join(if who.is_some() { format!("{name}.age") } else { name.to_owned() });
    if target.exists() {
        return Ok(());
    }
    let bytes = fs::read(from.join(name)).map_err(PlaceError::of(from))?;
    let bytes = match who {
        None => bytes,
        Some(who) => seal_bytes(&bytes, who)?,
    };
    durable::create_folder(to)
        .and_then(|()| durable::replace(&target, &bytes))
        .map_err(PlaceError::of(&target))?;
    Ok(())
}
