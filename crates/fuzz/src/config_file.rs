//! The node's configuration: a file, variables and flags as an operator or an orchestrator may write them.

use std::path::PathBuf;

use strait_config::{Setting, from_texts};

/// Reads the bytes as the text of a file, and after each zero byte a setting `key=value`: those that begin with `STRAIT_`
/// are variables, the others flags. A configuration that comes of it is the same when what it dumps is loaded.
///
/// # Panics
/// If that promise is broken.
pub fn config_file(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default().to_owned();
    let pairs = parts.filter_map(|part| part.split_once('='));
    let (variables, flags): (Vec<_>, Vec<_>) = pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .partition(|(key, _)| key.starts_with("STRAIT_"));
    let flags: Vec<Setting> =
        flags.into_iter().map(|(key, value)| Setting { key, value, flag: "--set" }).collect();
    let path = PathBuf::from("node.toml");
    match from_texts(Some((path.clone(), file)), variables, &flags) {
        Ok(loaded) => {
            let _ = loaded.to_json();
            let again = from_texts(Some((path, loaded.dump())), [], &[]);
            let again = again.map(|again| again.config);
            assert_eq!(again.ok(), Some(loaded.config), "what is dumped can be loaded");
        }
        // People read it.
        Err(problems) => drop(problems.to_string()),
    }
}
