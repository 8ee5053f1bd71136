//! Where a bitcoind is and how to sign in: options, parsed once.

use core::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bitcoin::Network;
use strait_chain::Policies;
use thiserror::Error;

use crate::limits::COOKIE_BYTES_MAX;

/// How to sign in.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// With a user name and a password (`rpcauth` or `rpcuser` of bitcoind).
    UserPassword {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// With the cookie that bitcoind writes at start, read again whenever it is refused.
    CookieFile(PathBuf),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserPassword { .. } => f.write_str("UserPassword(hidden)"),
            Self::CookieFile(path) => write!(f, "CookieFile({})", path.display()),
        }
    }
}

/// What a [`BitcoindSource`](crate::BitcoindSource) is made of.
#[derive(Clone)]
pub struct Options {
    /// `http://host:port` or `http://user:password@host:port`, with percent-encoding in user and password. Without a
    /// port the network's usual RPC port is taken.
    pub rpc_url: String,
    /// How to sign in; may be absent if the URL says it, and goes before the URL if both do.
    pub auth: Option<Auth>,
    /// The network the node is on; a source on another one fails its self-test.
    pub network: Network,
    /// How long one call may take, from connecting to the last byte, and when the source is left alone.
    pub policies: Arc<Policies>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        let Self { rpc_url: _, auth, network, policies } = self;
        let mut shown = f.debug_struct("Options");
        shown.field("auth", auth).field("network", network).field("policies", policies);
        shown.finish_non_exhaustive()
    }
}

/// Why options are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// It does not begin with `http://`.
    #[error(
        "rpc_url must begin with http:// (bitcoind speaks no TLS; use a tunnel to reach one elsewhere)"
    )]
    Scheme,
    /// There is no host, or host and port are not well formed.
    #[error("rpc_url must be http://user:password@host:port; host or port is malformed")]
    Host,
    /// There is something after host and port.
    #[error("rpc_url must end after host and port")]
    Path,
    /// User or password are not well formed.
    #[error("rpc_url has a user or password that is not percent-encoded text")]
    Credentials,
    /// Neither the options nor the URL say how to sign in.
    #[error("rpc_url has no user and password, and no cookie file is given")]
    NoCredentials,
}

/// A parsed place and sign-in.
pub(crate) struct Endpoint {
    /// `http://host:port`, without credentials.
    pub(crate) url: String,
    /// How to sign in.
    pub(crate) auth: Auth,
}

impl Endpoint {
    /// Parses options.
    pub(crate) fn new(options: &Options) -> Result<Self, OptionsError> {
        let rest = options.rpc_url.trim().strip_prefix("http://").ok_or(OptionsError::Scheme)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(OptionsError::Path);
        }
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let in_url = credentials.map(parse_credentials).transpose()?;
        let auth = options.auth.clone().or(in_url).ok_or(OptionsError::NoCredentials)?;
        Ok(Self { url: parse_place(place, options.network)?, auth })
    }

    /// The value of the `Authorization` header; `None` if the cookie cannot be read.
    pub(crate) fn authorisation(&self) -> Option<String> {
        let credentials = match &self.auth {
            Auth::UserPassword { user, password } => format!("{user}:{password}"),
            Auth::CookieFile(path) => {
                let mut cookie = String::new();
                let file = File::open(path).ok()?;
                file.take(COOKIE_BYTES_MAX).read_to_string(&mut cookie).ok()?;
                cookie.trim_end().to_owned()
            }
        };
        Some(format!("Basic {}", STANDARD.encode(credentials)))
    }
}

/// Checks host and port, and adds the network's port if there is none.
fn parse_place(place: &str, network: Network) -> Result<String, OptionsError> {
    let authority: ureq::http::uri::Authority = place.parse().map_err(|_| OptionsError::Host)?;
    if authority.host().is_empty() || authority.as_str().ends_with(':') {
        return Err(OptionsError::Host);
    }
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str() == authority.host() => default_port(network),
        None => return Err(OptionsError::Host),
    };
    Ok(format!("http://{}:{port}", authority.host()))
}

/// The port that bitcoind's RPC has on a network.
fn default_port(network: Network) -> u16 {
    match network {
        Network::Bitcoin => 8_332,
        Network::Testnet => 18_332,
        Network::Testnet4 => 48_332,
        Network::Signet => 38_332,
        Network::Regtest => 18_443,
    }
}

/// Parses `user:password`.
fn parse_credentials(text: &str) -> Result<Auth, OptionsError> {
    let (user, password) = text.split_once(':').ok_or(OptionsError::Credentials)?;
    let decode = |part| percent_decoded(part).ok_or(OptionsError::Credentials);
    Ok(Auth::UserPassword { user: decode(user)?, password: decode(password)? })
}

/// Replaces every `%xx` by the byte it stands for.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(code).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(rpc_url: &str, auth: Option<Auth>) -> Options {
        let policies = Arc::default();
        Options { rpc_url: rpc_url.into(), auth, network: Network::Signet, policies }
    }

    #[test]
    fn urls_are_parsed_or_refused_with_the_part_that_is_wrong() {
        let check = |url: &str, expect: Result<(&str, &str, &str), OptionsError>| {
            let parsed = Endpoint::new(&options(url, None)).map(|endpoint| match endpoint.auth {
                Auth::UserPassword { user, password } => (endpoint.url, user, password),
                Auth::CookieFile(_) => panic!("a URL names no cookie"),
            });
            let expect = expect.map(|(url, user, password)| {
                (url.to_owned(), user.to_owned(), password.to_owned())
            });
            assert_eq!(parsed, expect, "{url}");
        };
        check("http://u:p@127.0.0.1:18443", Ok(("http://127.0.0.1:18443", "u", "p")));
        check("http://u:p@127.0.0.1:18443/", Ok(("http://127.0.0.1:18443", "u", "p")));
        check("http://u:p%40%3a@node", Ok(("http://node:38332", "u", "p@:")));
        check("http://u:p@q@[::1]:1", Ok(("http://[::1]:1", "u", "p@q")));
        check("https://u:p@node", Err(OptionsError::Scheme));
        check("127.0.0.1:8332", Err(OptionsError::Scheme));
        check("http://u:p@:1", Err(OptionsError::Host));
        check("http://u:p@node:", Err(OptionsError::Host));
        check("http://u:p@node:99999", Err(OptionsError::Host));
        check("http://u:p@no de", Err(OptionsError::Host));
        check("http://u:p@node/wallet/x", Err(OptionsError::Path));
        check("http://u@node", Err(OptionsError::Credentials));
        check("http://u:%zz@node", Err(OptionsError::Credentials));
        check("http://u:%f@node", Err(OptionsError::Credentials));
        check("http://node", Err(OptionsError::NoCredentials));
    }

    #[test]
    fn nothing_printed_holds_a_password() {
        let auth = Auth::UserPassword { user: "u".into(), password: "s3cret".into() };
        let shown = format!("{:?}", options("http://u:s3cret@node", Some(auth)));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
