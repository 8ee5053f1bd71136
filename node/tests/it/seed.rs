//! The seed of a real node under a passphrase: encrypted, used, and plain again, by the commands an operator has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node};
use crate::processes::strait;

/// Where the passphrase lies, as a variable says it.
const VARIABLE: &str = "STRAIT_WALLET__SEED_PASSPHRASE_FILE";

/// Runs `strait seed` on a stopped node's folder; whether it worked, and what it said.
fn seed(node: &Node, command: &str, passphrase: &Path) -> (bool, String) {
    let mut process = strait();
    process.args(["seed", command, "--config"]).arg(node.config()).env(VARIABLE, passphrase);
    let output = process.output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn work(devnet: &TestDevnet, folder: &Path) {
    let cookie = folder.join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let (right, wrong) = (folder.join("passphrase"), folder.join("wrong"));
    private(&right, "correct horse battery staple\n");
    private(&wrong, "something else altogether\n");
    let mut node = Node::start(&backend).await;
    let id = node.id().to_owned();
    let (done, said) = seed(&node, "encrypt", &right);
    assert!(!done && said.contains("in use"), "a node that runs has its seed: {said}");
    node.stop().await;
    let path = node.data_dir().join("seed");
    let words = fs::read_to_string(&path).unwrap();

    let (done, said) = seed(&node, "encrypt", &right);
    assert!(done, "{said}");
    let sealed = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    assert!(words.split_whitespace().all(|word| !sealed.contains(&format!(" {word} "))));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, said) = node.start_fails().await;
    assert!(code != Some(0) && said.contains("is encrypted"), "{said}");
    let (done, said) = seed(&node, "decrypt", &wrong);
    assert!(!done, "{said}");
    assert_eq!(String::from_utf8_lossy(&fs::read(&path).unwrap()), sealed, "nothing was changed");

    node.restart_with_settings(&[(VARIABLE, right.to_str().unwrap())]).await;
    assert_eq!(node.client().status().await.unwrap().node_id, id);
    node.stop().await;

    let (done, said) = seed(&node, "decrypt", &right);
    assert!(done, "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), words);
    node.restart_with_settings(&[]).await;
    assert_eq!(node.client().status().await.unwrap().node_id, id);
}

#[test]
fn a_seed_is_encrypted_used_with_its_passphrase_and_made_plain_again() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, folder.path()));
}
