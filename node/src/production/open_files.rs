//! How many files the process may have open: every connection is one.

use rlimit::Resource;

use crate::config::Config;

/// Connections of the API, of the health server, and what log, logs and chain keep open.
const BESIDE_PEERS: u64 = 1_024 + 64 + 64;

/// Raises the limit as far as this process may, and says if that is less than the settings need.
pub(super) fn raise_limit(config: &Config) {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let needed = needed(config.net.peers_max);
    match Resource::NOFILE.get_soft() {
        Ok(open_files_max) if open_files_max < needed => tracing::warn!(
            open_files_max,
            needed,
            "too few files may be open: raise LimitNOFILE or ulimit -n, or lower net.peers_max"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be read"),
    }
}

/// Files that may be open at once. A peer may have two connections for a moment, a kept one is let in beyond the limit.
fn needed(peers_max: u32) -> u64 {
    u64::from(peers_max).saturating_mul(2).saturating_add(BESIDE_PEERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_settings_need_less_than_the_usual_hard_limit() {
        assert_eq!(needed(256), 1_664);
        assert!(needed(10_000) < 1 << 16);
    }
}
