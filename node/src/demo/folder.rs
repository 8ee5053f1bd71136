//! The demo's folder: configurations, data and logs of the three processes, gone at the end if all went well.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::{Trouble, Who};

/// Random bytes in the folder's name.
const NAME_BYTES: usize = 8;
/// Where the Filesystem Hierarchy Standard keeps temporary files on disk. `/tmp` may be memory, and then an fsync would
/// cost nothing and say nothing.
const ON_DISK: &str = "/var/tmp";

/// A folder that only this user can read.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// Where a node of the demo listens. All on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// For peers.
    pub(super) p2p: u16,
    /// For the REST interface.
    pub(super) api: u16,
    /// For metrics and health.
    pub(super) metrics: u16,
}

impl Folder {
    /// Makes a fresh folder.
    pub(super) fn create() -> Result<Self, Trouble> {
        let mut name = [0; NAME_BYTES];
        getrandom::fill(&mut name)
            .map_err(|source| Trouble::System { what: "random bytes", source: source.into() })?;
        let path = parent().join(format!("strait-demo-{}", hex::encode(name)));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| Trouble::File { path: path.clone(), source })?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The data folder of a node.
    pub(super) fn data_dir(&self, who: Who) -> PathBuf {
        self.path.join(who.name())
    }

    /// What a process writes to stdout and stderr.
    pub(super) fn log(&self, who: Who) -> PathBuf {
        self.path.join(format!("{who}.log"))
    }

    /// The configuration of a node.
    pub(super) fn config(&self, who: Who) -> PathBuf {
        self.path.join(format!("{who}.toml"))
    }

    /// The devnet's credentials.
    pub(super) fn cookie_file(&self) -> PathBuf {
        self.path.join("chain.cookie")
    }

    /// Writes the configuration of a node.
    pub(super) fn write_config(
        &self,
        who: Who,
        rpc_url: &str,
        ports: &Ports,
    ) -> Result<PathBuf, Trouble> {
        let text = config_text(&self.data_dir(who), rpc_url, &self.cookie_file(), ports);
        let path = self.config(who);
        fs::write(&path, text).map_err(|source| Trouble::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// Removes everything.
    pub(super) fn remove(self) -> Result<(), Trouble> {
        let Self { path } = self;
        fs::remove_dir_all(&path).map_err(|source| Trouble::File { path, source })
    }
}

/// TMPDIR if the user set it, else a folder on disk.
fn parent() -> PathBuf {
    match std::env::var_os("TMPDIR") {
        Some(folder) => folder.into(),
        None if Path::new(ON_DISK).is_dir() => ON_DISK.into(),
        None => std::env::temp_dir(),
    }
}

/// Where ports are looked for: below those that systems hand out by themselves, so that nobody gets one in between.
const PORT_FIRST: u32 = 12_000;
/// How many are tried at the most.
const PORTS_TRIED: u32 = 20_000;

/// Free ports for two nodes.
///
/// All are held at once, so they differ.
pub(super) fn free_ports() -> Result<[Ports; 2], Trouble> {
    let what = "free ports on 127.0.0.1";
    let mut start = [0; 2];
    let entropy = |_| Trouble::System { what: "entropy", source: ErrorKind::Other.into() };
    getrandom::fill(&mut start).map_err(entropy)?;
    let start = u32::from(u16::from_be_bytes(start));
    // All are held until the last is found, so that none is found twice.
    let free: Vec<(u16, TcpListener)> = (0..PORTS_TRIED)
        .filter_map(|step| u16::try_from(PORT_FIRST + (start + step) % PORTS_TRIED).ok())
        .filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
        .take(6)
        .collect();
    let mut ports = [0; 6];
    if free.len() < ports.len() {
        return Err(Trouble::System { what, source: ErrorKind::AddrInUse.into() });
    }
    for (port, (found, _)) in ports.iter_mut().zip(&free) {
        *port = *found;
    }
    let [p2p, api, metrics, other_p2p, other_api, other_metrics] = ports;
    let other = Ports { p2p: other_p2p, api: other_api, metrics: other_metrics };
    Ok([Ports { p2p, api, metrics }, other])
}

/// A node's configuration as a person would write it.
fn config_text(data_dir: &Path, rpc_url: &str, cookie_file: &Path, ports: &Ports) -> String {
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let Ports { p2p, api, metrics } = ports;
    format!(
        "# A node of `strait demo`.\n\
         rpc_url = \"{rpc_url}\"\n\
         p2p_listen = [\"/ip4/127.0.0.1/tcp/{p2p}\"]\n\
         data_dir = {}\n\
         metrics_port = {metrics}\n\
         \n\
         [api]\n\
         listen = \"127.0.0.1:{api}\"\n\
         \n\
         [chain]\n\
         network = \"regtest\"\n\
         cookie_file = {}\n\
         poll_interval_ms = 100\n\
         confirmations = 6\n\
         \n\
         [channel]\n\
         confirmations = 3\n\
         \n\
         [contracts]\n\
         allow = \"added\"\n",
        quoted(data_dir),
        quoted(cookie_file),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_node_is_one_that_a_node_takes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alice.toml");
        let ports = Ports { p2p: 1, api: 2, metrics: 3 };
        let data_dir = Path::new("/var/tmp/a \"quoted\" folder");
        fs::write(&file, config_text(data_dir, "http://127.0.0.1:4", &data_dir.join("c"), &ports))
            .unwrap();
        let config = crate::config::load(Some(&file), [], &[]).unwrap().config;
        assert_eq!(config.data_dir, data_dir);
        assert_eq!(config.rpc_url, "http://127.0.0.1:4");
        assert_eq!(config.chain.cookie_file, Some(data_dir.join("c")));
        assert_eq!((config.api.listen.port(), config.metrics.port()), (2, 3));
        assert_eq!(config.p2p_listen, ["/ip4/127.0.0.1/tcp/1"]);
    }

    #[test]
    fn two_nodes_get_six_ports() {
        let [alice, bob] = free_ports().unwrap();
        let mut all = [alice.p2p, alice.api, alice.metrics, bob.p2p, bob.api, bob.metrics];
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
