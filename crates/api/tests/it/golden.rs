//! The checked-in OpenAPI document is the one the code makes.

use std::fs;
use std::path::PathBuf;

use strait_api_types::ErrorCode;

/// `STRAIT_GOLDEN=write cargo test -p strait-api` rewrites the file.
#[test]
fn the_openapi_document_is_checked_in() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/openapi.json");
    let made = strait_api::openapi_json();
    if std::env::var("STRAIT_GOLDEN").is_ok_and(|value| value == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == made,
        "docs/api/openapi.json is not what the code makes: STRAIT_GOLDEN=write cargo test -p strait-api rewrites it"
    );
}

#[tokio::test]
async fn a_node_gives_the_document_out_to_who_has_the_token() {
    let server = crate::http::Running::start().await;
    let answer = server.ask("GET /v1/openapi.json", &[], "").await;
    assert!(answer.head.contains("application/json"), "{}", answer.head);
    assert_eq!(answer.body, strait_api::openapi_json());
    assert_eq!(server.ask_bare("GET /v1/openapi.json", &[], "").await.status, 401);
    server.stop().await;
}

#[test]
fn the_openapi_document_spells_every_code_as_answers_do() {
    let document = strait_api::openapi_json();
    for code in ErrorCode::ALL {
        assert!(document.contains(&format!("\"{code}\"")), "the document lacks {code}");
    }
}
