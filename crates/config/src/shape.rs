//! The shapes of texts: URLs, multiaddrs, log directives.

use std::net::{Ipv4Addr, Ipv6Addr};

/// `http://HOST:PORT`, with nothing after it and no password in it.
pub(crate) fn is_plain_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://") else {
        return false;
    };
    let Some((host, port)) = rest.trim_end_matches('/').rsplit_once(':') else {
        return false;
    };
    let named = !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']);
    named && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// An address to listen on: an IP address with TCP or QUIC.
pub(crate) fn is_multiaddr(text: &str) -> bool {
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
    ip_fits && transport.parse::<u16>().is_ok()
}

/// The form of an age recipient; whether it is one the seal finds out.
pub(crate) fn is_recipient(text: &str) -> bool {
    text.len() == 62
        && text.starts_with("age1")
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// A level, or levels by target.
pub(crate) fn is_log_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').all(|directive| match directive.split_once('=') {
        None => LEVELS.contains(&directive),
        Some((target, level)) => {
            let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            !target.is_empty() && target.chars().all(named) && LEVELS.contains(&level)
        }
    })
}
