//! The shapes of texts: URLs, multiaddrs, log directives. Each check says what would be right.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Checks the chain's URL.
pub(crate) fn rpc_url(text: &str) -> Result<(), &'static str> {
    if text.contains('@') {
        return Err("a password does not belong here: write user:password into chain.cookie_file");
    }
    plain_url(text, "http://HOST:PORT is right: http://127.0.0.1:8332")
}

/// Checks the URL of a collector of traces.
pub(crate) fn otlp_endpoint(text: &str) -> Result<(), &'static str> {
    plain_url(text, "http://HOST:PORT is right: http://127.0.0.1:4318")
}

/// Checks `http://HOST:PORT`, with nothing after it and no password in it.
fn plain_url(text: &str, right: &'static str) -> Result<(), &'static str> {
    let right = Err(right);
    let Some(rest) = text.strip_prefix("http://") else {
        return right;
    };
    let Some((host, port)) = rest.trim_end_matches('/').rsplit_once(':') else {
        return right;
    };
    let named = !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']);
    if named && port.parse::<u16>().is_ok_and(|port| port != 0) { Ok(()) } else { right }
}

/// Checks an address to listen on: an IP address with TCP or QUIC.
pub(crate) fn multiaddr(text: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = text.split('/').collect();
    let (family, ip, transport) = match parts.as_slice() {
        ["", family, ip, "tcp", port] => (*family, *ip, *port),
        ["", family, ip, "udp", port, "quic-v1"] => (*family, *ip, *port),
        _ => ("", "", ""),
    };
    let ip_fits = match family {
        "ip4" => ip.parse::<Ipv4Addr>().is_ok(),
        "ip6" => ip.parse::<Ipv6Addr>().is_ok(),
        _ => false,
    };
    if ip_fits && transport.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err("/ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1 is right, or the same with ip6")
    }
}

/// Checks the form of an age recipient; whether it is one the seal finds out.
pub(crate) fn recipient(text: &str) -> Result<(), &'static str> {
    let is_key = text.len() == 62
        && text.starts_with("age1")
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if is_key { Ok(()) } else { Err("a recipient as `age-keygen` prints it is right: age1…") }
}

/// Checks a level, or levels by target.
pub(crate) fn log_level(text: &str) -> Result<(), &'static str> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let fits = text.split(',').all(|directive| match directive.split_once('=') {
        None => LEVELS.contains(&directive),
        Some((target, level)) => {
            let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            !target.is_empty() && target.chars().all(named) && LEVELS.contains(&level)
        }
    });
    if fits {
        Ok(())
    } else {
        Err("error, warn, info, debug or trace is right, or directives: info,strait_net=debug")
    }
}
