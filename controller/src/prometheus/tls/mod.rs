//! The connector for http and https.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::ClientError;

/// A connector for the host, over TLS or not. An http url never needs a certificate, so none is loaded for it.
///
/// # Errors
/// [`ClientError::CaFile`], [`ClientError::NoRoots`], [`ClientError::Tls`].
pub(crate) fn connector(
    host: &str,
    over_tls: bool,
    ca_file: Option<&Path>,
    timeout: Duration,
) -> Result<HttpsConnector<HttpConnector>, ClientError> {
    let roots = if over_tls { roots(host, ca_file)? } else { RootCertStore::empty() };
    // The provider is named, not taken from the process: a library cannot know whether `main` has set one.
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Tls { host: host.into(), problem: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(30)));
    http.set_connect_timeout(Some(timeout));
    Ok(hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}

/// The system's certificates and those of the file.
fn roots(host: &str, ca_file: Option<&Path>) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // One certificate that cannot be read is no reason to do without the others.
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let bad = |problem: String| ClientError::CaFile { path: path.to_owned(), problem };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(bad("there is no certificate in it".to_owned()));
        }
    }
    if roots.is_empty() {
        return Err(ClientError::NoRoots {
            host: host.into(),
            problem: match system.errors.first() {
                Some(error) => error.to_string(),
                None => "none is installed".to_owned(),
            },
        });
    }
    Ok(roots)
}

#[cfg(test)]
pub(crate) mod tests;
