//! Keys of requests that move money, and dry runs.

use serde::Serialize;
use strait_client::IdempotencyKey;

use super::output::Output;
use super::{CliError, MoneyArgs};

/// Random bytes in a key that is made here.
const KEY_BYTES: usize = 16;

/// What to do with a request that moves money.
pub(super) enum Intention {
    /// Send it under this key.
    Send(IdempotencyKey),
    /// It was only printed.
    Shown,
}

/// Takes or makes the key and tells it, or prints the request if that is all that is wanted.
pub(super) fn intend<T: Serialize>(
    money: &MoneyArgs,
    path: &str,
    request: &T,
    output: &mut Output<'_>,
) -> Result<Intention, CliError> {
    if money.dry_run {
        output.say(&format!("dry run: this would go to POST {path}"));
        output.object(request)?;
        return Ok(Intention::Shown);
    }
    let key = match &money.idempotency_key {
        Some(text) => IdempotencyKey::new(text).ok_or_else(|| CliError::Argument {
            argument: "--idempotency-key",
            value: text.clone(),
            right: "1 to 255 visible ASCII characters are right",
        })?,
        None => fresh()?,
    };
    output.say(&format!("idempotency key: {key} (to ask again: --idempotency-key {key})"));
    Ok(Intention::Send(key))
}

fn fresh() -> Result<IdempotencyKey, CliError> {
    let mut random = [0; KEY_BYTES];
    getrandom::fill(&mut random).map_err(|source| CliError::Entropy { source })?;
    Ok(IdempotencyKey::new(hex::encode(random)).expect("hex digits make a key"))
}
