//! Whom a client believes over TLS, and how it shows itself if the node wants that.

use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

use crate::ClientError;

/// The authorities of nodes, in PEM, and a certificate of the client's own if the node asks for one.
///
/// Without authorities only plain HTTP is spoken: a node's certificate is seldom one that the world's browsers know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// PEM of the authorities, or of the node's own certificate.
    pub ca_pem: Option<&'a [u8]>,
    /// PEM of the client's certificate and of its key.
    pub identity_pem: Option<(&'a [u8], &'a [u8])>,
}

impl Trust<'_> {
    /// What opens connections, plain or encrypted as the URL says.
    pub(crate) fn connector(
        &self,
        mut http: HttpConnector,
    ) -> Result<HttpsConnector<HttpConnector>, ClientError> {
        http.enforce_http(false);
        let mut roots = RootCertStore::empty();
        for certificate in self.ca_pem.map(certificates).transpose()?.unwrap_or_default() {
            let what = "an authority's certificate";
            roots.add(certificate).map_err(|_| ClientError::Trust { what })?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_root_certificates(roots);
        let config = match self.identity_pem {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let what = "the client's certificate and key";
                let key =
                    PrivateKeyDer::from_pem_slice(key).map_err(|_| ClientError::Trust { what })?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, key)
                    .map_err(|_| ClientError::Trust { what })?
            }
        };
        let https = HttpsConnectorBuilder::new().with_tls_config(config);
        Ok(https.https_or_http().enable_http1().wrap_connector(http))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.ok().filter(|all| !all.is_empty());
    all.ok_or(ClientError::Trust { what: "a certificate" })
}
