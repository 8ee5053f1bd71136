//! The interface of a real node over TLS, asked by the command line: whom it believes, and what a renewal changes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node, until};
use crate::processes::{signal, strait};

/// An authority, and the file with its certificate.
struct Authority {
    path: PathBuf,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// Where the node looks for its certificate and its key.
struct Place {
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(path: PathBuf) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(&path, certificate.pem()).unwrap();
        Self { path, certificate, key }
    }

    /// Puts a new pair where the node looks, for the address that tests listen on.
    fn install(&self, place: &Place) {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        fs::write(&place.certificate, certificate.pem()).unwrap();
        fs::write(&place.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&place.key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Asks for the node's status with the command line: its answer, or what it said.
fn status(node: &Node, url: &str, authority: Option<&Authority>) -> Result<String, String> {
    let mut command = strait();
    command.args(["--json", "--api", url, "--token-file"]).arg(node.data_dir().join("api.token"));
    if let Some(authority) = authority {
        command.arg("--ca").arg(&authority.path);
    }
    let output = command.arg("status").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

async fn work(devnet: &TestDevnet, folder: &Path) {
    let cookie = folder.join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let old = Authority::new(folder.join("old-ca.pem"));
    let new = Authority::new(folder.join("new-ca.pem"));
    let place = Place { certificate: folder.join("node.pem"), key: folder.join("node.key") };
    old.install(&place);
    let mut node = Node::start(&backend).await;
    let (plain, id) = (node.client().base_url().to_owned(), node.id().to_owned());
    let url = plain.replace("http://", "https://");
    node.stop().await;
    let settings = [
        ("STRAIT_API__TLS_CERTIFICATE_FILE", place.certificate.to_str().unwrap()),
        ("STRAIT_API__TLS_KEY_FILE", place.key.to_str().unwrap()),
    ];
    node.restart_with_settings(&settings).await;
    assert!(status(&node, &url, Some(&old)).unwrap().contains(&id));
    assert!(status(&node, &url, Some(&new)).is_err(), "nobody vouches for it there");
    assert!(status(&node, &url, None).is_err(), "nor on this machine");
    assert!(status(&node, &plain, None).is_err(), "nothing is told without TLS");

    new.install(&place);
    assert!(status(&node, &url, Some(&old)).is_ok(), "files are read when the operator says so");
    signal("HUP", node.process_id());
    until("new connections get the new certificate", async || {
        status(&node, &url, Some(&new)).ok().filter(|answer| answer.contains(&id))
    })
    .await;
    assert!(status(&node, &url, Some(&old)).is_err(), "the old one is gone");
    node.stop().await;
}

#[test]
fn the_command_line_speaks_tls_and_a_hangup_renews_the_certificate() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, folder.path()));
}
