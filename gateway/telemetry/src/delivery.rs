//! One message to a collector, and what came of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::Headers;

/// The longest answer that is read: it says at most how many spans were turned down, and why.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of certificate authorities cannot be used.
    #[error("the certificate authorities of the collector cannot be read from `{file}`")]
    Authorities {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// One of them is no certificate authority.
    #[error("the certificate authorities of the collector cannot be used")]
    Tls(#[from] rustls::Error),
    /// The system's own cannot be read.
    #[error("the system's certificate authorities cannot be read; name a file of your own")]
    System(#[source] std::io::Error),
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("no answer within the timeout")]
    TimedOut,
    #[error("the collector cannot be reached")]
    Away(#[source] hyper_util::client::legacy::Error),
    #[error("the answer broke off")]
    Broken,
    #[error("the collector answered {0}")]
    Status(StatusCode),
}

impl DeliveryError {
    /// Whether the same message may be welcome later (OTLP, failures over HTTP).
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut | Self::Away(_) | Self::Broken => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

/// The way to one collector. It follows no redirect: headers with credentials go where they were meant to go.
pub(crate) struct Delivery {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: Headers,
    timeout: Duration,
}

impl Delivery {
    /// `authorities` is a PEM file that replaces the system's certificate authorities. Without TLS none are read.
    pub(crate) fn new(
        is_tls: bool,
        authorities: Option<&Path>,
        headers: Headers,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(is_tls, authorities)?);
        let connector = connector.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Ok(Self { client, headers, timeout })
    }

    /// Sends a message once.
    pub(crate) async fn send(&self, to: &Uri, message: Bytes) -> Result<Bytes, DeliveryError> {
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = to.clone();
        request.headers_mut().clone_from(self.headers.map());
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-protobuf"));
        let exchange = async {
            let response = self.client.request(request).await.map_err(DeliveryError::Away)?;
            if !response.status().is_success() {
                return Err(DeliveryError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            body.map(http_body_util::Collected::to_bytes).map_err(|_| DeliveryError::Broken)
        };
        timeout(self.timeout, exchange).await.map_err(|_| DeliveryError::TimedOut)?
    }
}

fn tls(is_tls: bool, authorities: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match authorities {
        None if is_tls => builder.with_native_roots().map_err(ClientError::System)?,
        None => builder.with_root_certificates(RootCertStore::empty()),
        Some(file) => {
            let unreadable = |source| ClientError::Authorities { file: file.display().to_string(), source };
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
                roots.add(certificate.map_err(unreadable)?)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}
