//! Tokens of a real node: what was issued and revoked outlives the process, whichever way it ends.

use std::path::Path;

use strait_api_types::{CreateTokenRequest, ErrorCode, TokenScope};
use strait_client::{Client, ClientError};
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node};

async fn issue(node: &Node, label: &str) -> (String, Client) {
    let request = CreateTokenRequest {
        scope: TokenScope::Read,
        label: Some(label.to_owned()),
        budget_sat: None,
        payment_sat_max: None,
        expires_in_s: None,
    };
    let made = node.client().create_token(&request).await.unwrap();
    let client = Client::new(node.client().base_url(), &made.secret.0).unwrap();
    (made.token.token_id, client)
}

/// Asserts that a token gets in, as far as its scope goes.
async fn gets_in(client: &Client) {
    client.status().await.unwrap();
    let refused = client.new_address().await.unwrap_err();
    let ClientError::Refused { error, .. } = refused else { panic!("{refused}") };
    assert_eq!(error.code, ErrorCode::NotAllowed);
}

async fn is_kept_out(client: &Client) {
    let refused = client.status().await.unwrap_err();
    let ClientError::Refused { status: 401, error } = refused else { panic!("{refused}") };
    assert_eq!(error.code, ErrorCode::Unauthorized);
}

async fn work(devnet: &TestDevnet, folder: &Path) {
    let cookie = folder.join("cookie");
    std::fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let mut node = Node::start(&backend).await;
    let (id, dashboard) = issue(&node, "dashboard").await;
    let (_, other) = issue(&node, "other").await;
    gets_in(&dashboard).await;
    // What was answered is durable: no orderly end is needed.
    node.kill();
    node.restart_with_settings(&[]).await;
    gets_in(&dashboard).await;
    node.client().revoke_token(&id).await.unwrap();
    is_kept_out(&dashboard).await;
    node.kill();
    node.restart_with_settings(&[]).await;
    is_kept_out(&dashboard).await;
    gets_in(&other).await;
    let left = node.client().tokens().await.unwrap().tokens;
    assert_eq!(left.iter().map(|token| token.label.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn tokens_outlive_the_process_and_so_does_their_end() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, folder.path()));
}
