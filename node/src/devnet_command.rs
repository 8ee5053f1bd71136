//! `strait devnet`: runs the chain of `strait-devnet` in the foreground until somebody stops it.
//!
//! Its address is data on stdout; how to use it are words on stderr. The chain is gone when the program is.

use std::io::{self, Write};
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use strait_devnet::{Devnet, DevnetError, Options, RpcAuth};
use thiserror::Error;

use crate::cli::{DevnetArgs, Globals};
use crate::stop::asked_to_stop;

/// Why the devnet did not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DevnetCommandError {
    /// The devnet did not start, or broke.
    #[error(transparent)]
    Devnet(#[from] DevnetError),
    /// A file that was named cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file with credentials holds none.
    #[error("{} does not hold user:password", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
    },
    /// The system does not tell this program when to stop.
    #[error("the system does not deliver signals")]
    Signals {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The output takes no more.
    #[error("the output cannot be written")]
    Write {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Runs a devnet until SIGINT, SIGTERM or the RPC method `stop`.
///
/// # Errors
/// [`DevnetCommandError`] if it cannot start or breaks.
pub async fn run(
    globals: &Globals,
    args: &DevnetArgs,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), DevnetCommandError> {
    let stop =
        asked_to_stop(args.stop.into()).map_err(|source| DevnetCommandError::Signals { source })?;
    let (auth, file) = credentials(args)?;
    let block_interval = args.block_every_ms.map(Duration::from_millis);
    let devnet = Devnet::bind(Options { listen: args.listen, auth, block_interval }).await?;
    tell(globals, &devnet.rpc_url(), &file, data, words)
        .map_err(|source| DevnetCommandError::Write { source })?;
    Ok(devnet.run(stop).await?)
}

/// Who is let in, and the absolute path of the file that says so.
fn credentials(args: &DevnetArgs) -> Result<(RpcAuth, PathBuf), DevnetCommandError> {
    let Some(file) = &args.credentials_file else {
        let path = absolute(&args.cookie_file)?;
        return Ok((RpcAuth::CookieFile(path.clone()), path));
    };
    let path = absolute(file)?;
    let text = std::fs::read_to_string(&path)
        .map_err(|source| DevnetCommandError::File { path: path.clone(), source })?;
    let (user, password) = text
        .trim()
        .split_once(':')
        .ok_or_else(|| DevnetCommandError::Credentials { path: path.clone() })?;
    let (user, password) = (user.to_owned(), password.to_owned());
    Ok((RpcAuth::UserPassword { user, password }, path))
}

fn absolute(file: &Path) -> Result<PathBuf, DevnetCommandError> {
    path::absolute(file)
        .map_err(|source| DevnetCommandError::File { path: file.to_owned(), source })
}

fn tell(
    globals: &Globals,
    rpc_url: &str,
    credentials: &Path,
    data: &mut dyn Write,
    words: &mut dyn Write,
) -> io::Result<()> {
    if globals.json {
        let cookie_file = credentials.display().to_string();
        let object = serde_json::json!({ "rpc_url": rpc_url, "cookie_file": cookie_file });
        writeln!(data, "{object}")?;
    } else {
        writeln!(data, "{rpc_url}")?;
    }
    data.flush()?;
    writeln!(
        words,
        "A fresh regtest chain answers at {rpc_url} until Ctrl-C.\n\
         A node needs: rpc_url = \"{rpc_url}\" and, under [chain], cookie_file = \"{}\"\n\
         To make 6 blocks:\n  {}",
        credentials.display(),
        mining_line(rpc_url, credentials, 6),
    )
}

/// A shell command that makes blocks.
pub(crate) fn mining_line(rpc_url: &str, credentials: &Path, blocks: u32) -> String {
    let request =
        format!(r#"{{"method":"generatetodescriptor","params":[{blocks},"raw(51)"],"id":1}}"#);
    format!("curl --user \"$(cat '{}')\" --data '{request}' {rpc_url}", credentials.display())
}
