//! How a node starts: by one call, once for each folder, without what is missing but not needed, and broken off at will.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use strait_client::Client;
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node};
use crate::processes::{Guarded, signal, strait, wait_for};

/// Where a configuration for a test points to.
struct Place<'a> {
    folder: &'a Path,
    rpc_url: &'a str,
}

impl Place<'_> {
    fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data_dir().join("logs/node.log")).unwrap_or_default()
    }

    /// Writes a configuration whose ports the system chooses.
    fn write(&self) -> PathBuf {
        let cookie = self.folder.join("cookie");
        private(&cookie, "strait:p@ss:word");
        let config = format!(
            "rpc_url = {url:?}\np2p_listen = \"/ip4/127.0.0.1/tcp/0\"\ndata_dir = {data:?}\n\
             metrics_port = 0\n[api]\nlisten = \"127.0.0.1:0\"\n\
             [chain]\nnetwork = \"regtest\"\ncookie_file = {cookie:?}\npoll_interval_ms = 100\n",
            url = self.rpc_url,
            data = self.data_dir(),
        );
        let path = self.folder.join("node.toml");
        fs::write(&path, config).unwrap();
        path
    }

    /// Runs `strait node` here.
    fn run(&self, variables: &[(&str, &str)]) -> Child {
        strait()
            .args(["node", "--config"])
            .arg(self.write())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// Writes a file that only its owner reads.
fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn one_call_makes_a_running_node_of_a_configuration_file() {
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path(), rpc_url: &devnet.rpc_url() };
    let config = place.write();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let node = strait_node::init_production(&config).await.unwrap();
        let token = fs::read_to_string(place.data_dir().join("api.token")).unwrap();
        let client = Client::new(&format!("http://{}", node.api()), token.trim()).unwrap();
        assert_eq!(client.status().await.unwrap().node_id, node.id().to_string());
        assert_eq!(node.p2p().len(), 1);
        assert_ne!(node.metrics().port(), 0);
        node.stop().await;
    });
    assert!(place.log().contains("stopped"), "{}", place.log());
}

#[test]
fn a_second_process_on_a_folder_names_the_first_and_touches_nothing() {
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path(), rpc_url: &devnet.rpc_url() };
    let variable = "STRAIT_PORT_9736_TCP_ADDR";
    let first = Guarded(place.run(&[(variable, "10.0.0.1")]));
    wait_for("the node's readiness", || place.log().contains("ready").then_some(()));
    let before = place.log();
    assert!(before.contains(variable), "an ignored variable is named: {before}");
    let other = "STRAIT_PORT_9737_TCP_ADDR";
    let second = place.run(&[(other, "10.0.0.1")]).wait_with_output().unwrap();
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    let expect = format!("is in use by another process (pid {})", first.0.id());
    assert!(words.contains(&expect), "{words}");
    assert!(!place.log().contains(other), "the second wrote into the first's log");
    let mut first = first;
    signal("TERM", first.0.id());
    let status = wait_for("the first's end", || first.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let mut words = String::new();
    std::io::Read::read_to_string(&mut first.0.stderr.take().unwrap(), &mut words).unwrap();
    assert!(!words.contains("Error reading"), "a fresh folder is no error: {words}");
}

#[test]
fn a_start_that_waits_for_its_chain_ends_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: SocketAddr = silent.local_addr().unwrap();
    let place = Place { folder: folder.path(), rpc_url: &format!("http://{address}") };
    let mut node = Guarded(place.run(&[]));
    // It has asked, and nobody will answer.
    let (_question, _) = silent.accept().unwrap();
    signal("TERM", node.0.id());
    let status = wait_for("the end of the start", || node.0.try_wait().unwrap());
    assert!(status.success(), "a start that is broken off is no failure: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_a_module_whose_file_is_gone_or_broken() {
    let devnet = std::thread::spawn(TestDevnet::start).join().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join("cookie");
    private(&cookie, &format!("{}:{}", devnet.user(), devnet.password()));
    // A node on an empty chain counts as behind it.
    let miner = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    devnet.rpc("generatetoaddress", serde_json::json!([1, miner])).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let mut node = Node::start(&backend).await;
    let wasm = include_bytes!("../../../contracts/metered/metered.wasm").to_vec();
    let module = node.client().add_module(wasm.clone()).await.unwrap();
    node.stop().await;
    let file = node.data_dir().join(format!("modules/{}.wasm", module.module_hash));
    for spoilt in [None, Some(b"\0asm".as_slice())] {
        match spoilt {
            None => fs::remove_file(&file).unwrap(),
            Some(bytes) => fs::write(&file, bytes).unwrap(),
        }
        node.restart().await;
        let modules = node.client().modules().await.unwrap().modules;
        assert_eq!(modules, std::slice::from_ref(&module), "the log still names it");
        assert!(node.output().contains("a module cannot be loaded"), "{}", node.output());
        node.client().add_module(wasm.clone()).await.unwrap();
        assert_eq!(fs::read(&file).unwrap(), wasm, "adding it again puts it back");
        node.stop().await;
    }
    // The devnet brings its own runtime, which may not end inside this one.
    std::thread::spawn(move || drop(devnet)).join().unwrap();
}
