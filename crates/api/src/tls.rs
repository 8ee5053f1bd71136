//! TLS of the interface: certificate, key and, if wanted, the authority whose clients alone get in.
//!
//! Only TLS 1.3. A [`Tls`] is made at start and renewed when the operator has put other files in place: connections that are
//! made after that use the new ones, and files that are wrong change nothing.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, version};
use strait_primitives::Timestamp;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Where certificate and key lie, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority, in this order.
    pub certificate: PathBuf,
    /// Its key; others than its owner may not read it, but for a group that root mounted it for.
    pub key: PathBuf,
    /// The authority of clients: without it clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Why there is no TLS, or why it was not renewed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The key's file cannot be read, or others may.
    #[error("the key is not usable")]
    Key(#[from] strait_seal::SecretFileError),
    /// A file holds something else.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// Certificate and key are not one pair, or of a kind that TLS 1.3 has not.
    #[error("certificate and key do not go together")]
    Pair(#[source] rustls::Error),
    /// No clients can be verified with that authority.
    #[error("the authority of clients is not usable")]
    ClientCa(#[source] VerifierBuilderError),
    /// The certificate cannot be read as one.
    #[error("the certificate in {} is none", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
    },
}

/// What connections are made with, now.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Current>>);

struct Current {
    config: Arc<ServerConfig>,
    expires: Timestamp,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] says which of them is wrong.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(Current::load(files)?))))
    }

    /// Reads the files again. Connections that stand keep what they have.
    ///
    /// # Errors
    /// [`TlsError`]; everything stays as it was then.
    pub fn renew(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let next = Current::load(files)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// When the certificate expires.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.0.read().unwrap_or_else(PoisonError::into_inner).expires
    }

    /// What takes up the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }
}

impl Current {
    fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate)?;
        let expires = chain
            .first()
            .and_then(expiry_of)
            .ok_or_else(|| TlsError::Certificate { path: files.certificate.clone() })?;
        let key = strait_seal::read_secret_file(&files.key)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| TlsError::Pem { path: files.key.clone(), what: "private key" })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider has suites of TLS 1.3");
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                let (added, _) = roots.add_parsable_certificates(certificates(path)?);
                if added == 0 {
                    return Err(TlsError::Certificate { path: path.clone() });
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(TlsError::ClientCa)?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), expires })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("expires", &self.expires()).finish_non_exhaustive()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::Pem { path: path.to_owned(), what: "certificate" };
    let pem = fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(none)
}

fn expiry_of(certificate: &CertificateDer<'static>) -> Option<Timestamp> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = parsed.validity().not_after.timestamp();
    // A certificate that expired before 1970 has expired.
    let ms = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
    Some(Timestamp::from_unix_ms(ms))
}
