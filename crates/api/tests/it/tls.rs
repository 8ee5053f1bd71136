//! The interface over TLS: who gets in, what a new certificate changes, and what a wrong one does not.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use strait_api::scripted::ScriptedNode;
use strait_api::token::Token;
use strait_api::{Listen, Options, Server, Tls, TlsError, TlsFiles};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::TOKEN;

/// An authority, and the folder that certificates go to.
struct Authority {
    folder: TempDir,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// A certificate and its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), certificate, key }
    }

    fn sign(&self) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2100, 1, 2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn put(&self, name: &str, mode: u32, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn install(&self, pair: &Pair) -> TlsFiles {
        let certificate = self.put("node.pem", 0o644, &pair.certificate);
        TlsFiles { certificate, key: self.put("node.key", 0o600, &pair.key), client_ca: None }
    }

    /// A client that believes this authority.
    fn client(&self, own: Option<&Pair>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

async fn serve(tls: &Tls) -> u16 {
    let listen = Listen::loopback((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let mut options = Options::new(listen, Token::parse(TOKEN).unwrap());
    options.tls = Some(tls.clone());
    let server = Server::bind(options, Arc::new(ScriptedNode::default())).await.unwrap();
    let port = server.local_addr().port();
    tokio::spawn(server.run(std::future::pending()));
    port
}

/// Asks for the status, and gives the answer's first line, with the certificate that was shown.
async fn ask(port: u16, connector: &TlsConnector) -> Option<(String, Vec<u8>)> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.ok()?;
    let shown = stream.get_ref().1.peer_certificates()?.first()?.to_vec();
    let request = format!(
        "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).unwrap();
    Some((answer.lines().next()?.to_owned(), shown))
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_wrong_one_changes_nothing() {
    let authority = Authority::new();
    let (old, new) = (authority.sign(), authority.sign());
    let tls = Tls::load(&authority.install(&old)).unwrap();
    assert_eq!(tls.expires().to_unix_ms(), 4_102_531_200_000);
    let port = serve(&tls).await;
    let client = authority.client(None);
    let (line, before) = ask(port, &client).await.unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK");

    let mixed = Pair { certificate: new.certificate.clone(), key: old.key.clone() };
    let wrong = tls.renew(&authority.install(&mixed)).unwrap_err();
    assert!(matches!(wrong, TlsError::Pair(_)), "{wrong:?}");
    assert_eq!(ask(port, &client).await.unwrap().1, before, "the old pair stays");

    tls.renew(&authority.install(&new)).unwrap();
    let (line, after) = ask(port, &client).await.unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK");
    assert_ne!(after, before);

    let stranger = Authority::new().client(None);
    assert!(ask(port, &stranger).await.is_none(), "who does not know the authority goes away");
}

#[tokio::test]
async fn with_an_authority_of_clients_only_they_get_in() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let mut files = authority.install(&authority.sign());
    files.client_ca = Some(authority.put("clients.pem", 0o644, &clients.certificate.pem()));
    let port = serve(&Tls::load(&files).unwrap()).await;
    assert!(ask(port, &authority.client(None)).await.is_none());
    assert!(ask(port, &authority.client(Some(&authority.sign()))).await.is_none());
    let known = ask(port, &authority.client(Some(&clients.sign()))).await.unwrap();
    assert_eq!(known.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn who_speaks_no_tls_or_drips_a_handshake_is_let_go() {
    let authority = Authority::new();
    let port = serve(&Tls::load(&authority.install(&authority.sign())).unwrap()).await;
    let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    plain.write_all(b"GET /v1/status HTTP/1.1\r\n\r\n").await.unwrap();
    let mut silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    silent.write_all(&[0x16]).await.unwrap();
    for stream in [&mut plain, &mut silent] {
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let _closed = tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
        assert!(!answer.starts_with(b"HTTP"), "nothing is told without TLS");
    }
}

#[test]
fn files_that_are_wrong_are_named() {
    let authority = Authority::new();
    let pair = authority.sign();
    let load = |files: TlsFiles| Tls::load(&files).unwrap_err();
    let good = || authority.install(&pair);
    let none = Path::new("/nowhere").to_owned();
    let missing = load(TlsFiles { certificate: none, ..good() });
    assert!(matches!(missing, TlsError::File { .. }), "{missing:?}");
    let text = authority.put("text", 0o600, "no PEM");
    let no_certificate = load(TlsFiles { certificate: text.clone(), ..good() });
    assert!(matches!(no_certificate, TlsError::Pem { what: "certificate", .. }));
    let no_key = load(TlsFiles { key: text.clone(), ..good() });
    assert!(matches!(no_key, TlsError::Pem { what: "private key", .. }), "{no_key:?}");
    let shown = authority.put("shown", 0o644, &pair.key);
    let shown = load(TlsFiles { key: shown, ..good() });
    assert!(matches!(shown, TlsError::Key(_)), "{shown:?}");
    let no_authority = load(TlsFiles { client_ca: Some(text), ..good() });
    assert!(matches!(no_authority, TlsError::Pem { .. }), "{no_authority:?}");
}
