//! Host names to addresses, by the system's own resolver, so that `/etc/hosts` and a cluster's search domains count.

use std::net::IpAddr;

use tokio::time::timeout;

use crate::address::{Address, Host};
use crate::limits::{ADDRESSES_PER_PEER_MAX, RESOLVE};

/// Replaces every named host by its numbers; names that do not resolve vanish.
pub(crate) async fn resolve(addresses: Vec<Address>) -> Vec<Address> {
    let mut out = Vec::new();
    for address in addresses {
        match address.host() {
            Host::Ip(_) => out.push(address),
            Host::Name(name) => {
                let found = lookup(&name, address.port()).await;
                tracing::debug!(%address, found = found.len(), "resolved a peer's host");
                out.extend(found.into_iter().map(|ip| address.at(ip)));
            }
        }
    }
    out.truncate(2 * ADDRESSES_PER_PEER_MAX);
    out
}

/// The numbers of one name, none if it does not resolve in time.
async fn lookup(name: &str, port: u16) -> Vec<IpAddr> {
    match timeout(RESOLVE, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => found.map(|socket| socket.ip()).take(ADDRESSES_PER_PEER_MAX).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}
