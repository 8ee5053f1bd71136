//! Which node to ask, and with which token: flags first, then the node's configuration, then the usual address.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use strait_client::{Client, Trust};

use super::{CliError, Globals};
use crate::config::{self, Config};

/// Where a node listens unless it is told otherwise.
const USUAL: &str = "http://127.0.0.1:9737";

/// Prepares a client for the node that the flags mean.
pub(super) fn client(globals: &Globals) -> Result<Client, CliError> {
    let config = match (&globals.config, &globals.api, &globals.token_file) {
        (None, _, _) | (_, Some(_), Some(_)) => None,
        (Some(path), _, _) => Some(config::load(Some(path), std::env::vars(), &[])?.config),
    };
    let url = match (&globals.api, &config) {
        (Some(url), _) => url.clone(),
        (None, Some(config)) => {
            let scheme = if config.api.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", reachable(config))
        }
        (None, None) => USUAL.to_owned(),
    };
    let path = globals
        .token_file
        .as_ref()
        .or_else(|| config.as_ref().map(|config| &config.api.token_file))
        .ok_or(CliError::NoToken)?;
    let token =
        fs::read_to_string(path).map_err(|source| CliError::Read { path: path.clone(), source })?;
    let ca = globals.ca.as_deref().map(read).transpose()?;
    let identity = match (&globals.client_certificate, &globals.client_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        (None, _) | (_, None) => None,
    };
    let identity_pem = identity.as_ref().map(|(certificate, key)| (&**certificate, &**key));
    let trust = Trust { ca_pem: ca.as_deref(), identity_pem };
    Ok(Client::with_trust(&url, token.trim(), &trust)?)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|source| CliError::Read { path: path.to_owned(), source })
}

/// The address to connect to: this machine, if the node listens on every address.
fn reachable(config: &Config) -> SocketAddr {
    let mut address = config.api.listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}
