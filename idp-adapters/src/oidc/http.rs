//! Calls to providers: one connection each, bounded in time and size, and never on to where an answer points.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tower::Service;
use url::form_urlencoded;

use super::address::{ProviderUrl, leads_where_it_may};

/// How long one call may take. A sign-in makes three at most one after the other, and the walk waits ten seconds.
const CALL_TIMEOUT: Duration = Duration::from_millis(3_000);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2_000);

/// The longest answer that is read: a key set of a hundred RSA keys with certificates is under this.
const ANSWER_BYTES_MAX: usize = 512 * 1024;

/// Calls providers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProviderHttp {
    client: Client<HttpsConnector<HttpConnector<Careful>>, Full<Bytes>>,
}

/// Why no provider can be called.
#[derive(Debug, thiserror::Error)]
pub enum ProviderHttpError {
    /// The system's certificate authorities cannot be read.
    #[error("the system's certificate authorities cannot be read: install them (Debian: `ca-certificates`)")]
    Authorities(#[source] std::io::Error),
    /// TLS cannot be set up.
    #[error("TLS towards providers cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It took too long.
    #[error("no answer within the time that there is")]
    TimedOut,
    /// Nobody answers there.
    #[error("the provider cannot be reached")]
    Away(#[source] hyper_util::client::legacy::Error),
    /// The answer is not whole.
    #[error("the answer broke off or is longer than {ANSWER_BYTES_MAX} octets")]
    Broken,
    /// There is nothing to call.
    #[error("the call cannot be made: `{0}`")]
    Malformed(String),
}

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl ProviderHttp {
    /// A client. The system's certificate authorities are read only where some provider needs them.
    ///
    /// # Errors
    /// [`ProviderHttpError`].
    pub fn new(needs_tls: bool) -> Result<Self, ProviderHttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = match needs_tls {
            true => builder.with_native_roots().map_err(ProviderHttpError::Authorities)?,
            false => builder.with_root_certificates(RootCertStore::empty()),
        };
        let mut tcp = HttpConnector::new_with_resolver(Careful(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // No connection is kept: sign-ins are rare, and one that a provider closed meanwhile would cost a person a retry.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client })
    }

    /// Fetches JSON.
    pub(crate) async fn get(&self, from: &ProviderUrl, bearer: Option<&str>) -> Result<Answer, CallError> {
        let mut request = self.request(Method::GET, from, Bytes::new())?;
        if let Some(token) = bearer {
            // Whoever issued it may have put anything into it.
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| CallError::Malformed("an access token that no header can carry".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        self.call(request).await
    }

    /// Fetches text, filled up so that its length tells nobody on the way what was asked for.
    pub(crate) async fn get_padded(&self, from: &ProviderUrl) -> Result<Answer, CallError> {
        let mut request = self.request(Method::GET, from, Bytes::new())?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/plain"));
        headers.insert(HeaderName::from_static("add-padding"), HeaderValue::from_static("true"));
        self.call(request).await
    }

    /// Fetches XML.
    pub(crate) async fn get_xml(&self, from: &ProviderUrl) -> Result<Answer, CallError> {
        let mut request = self.request(Method::GET, from, Bytes::new())?;
        let xml = HeaderValue::from_static("application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8");
        request.headers_mut().insert(header::ACCEPT, xml);
        self.call(request).await
    }

    /// Posts a form. A redirect is an answer like any other: whom a code is for must be known before it is sent.
    pub(crate) async fn post_form(
        &self,
        to: &ProviderUrl,
        fields: &[(&str, &str)],
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, CallError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = self.request(Method::POST, to, body.into())?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        self.call(request).await
    }

    fn request(&self, method: Method, to: &ProviderUrl, body: Bytes) -> Result<Request<Full<Bytes>>, CallError> {
        let uri: Uri = to.url().as_str().parse().map_err(|_| CallError::Malformed(to.to_string()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("cedargate"));
        Ok(request)
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(CallError::Away)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok(Answer { status, body: body.map_err(|_| CallError::Broken)?.to_bytes() })
        };
        timeout(CALL_TIMEOUT, exchange).await.map_err(|_| CallError::TimedOut)?
    }
}

/// Resolves names, and leaves out where they must not lead. What is connected to is what was looked at: there is no second lookup.
#[derive(Clone, Debug)]
struct Careful(GaiResolver);

/// A name leads only to where no provider is.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` leads to this machine or to a link-local address, where no provider is called")]
struct LedAstray(String);

type Resolving = Pin<
    Box<dyn Future<Output = Result<std::vec::IntoIter<SocketAddr>, Box<dyn std::error::Error + Send + Sync>>> + Send>,
>;

impl Service<Name> for Careful {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Resolving;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Resolving {
        let asked = name.as_str().to_ascii_lowercase();
        let resolving = self.0.call(name);
        Box::pin(async move {
            let found: Vec<_> = resolving.await?.filter(|found| leads_where_it_may(&asked, found.ip())).collect();
            if found.is_empty() { Err(LedAstray(asked).into()) } else { Ok(found.into_iter()) }
        })
    }
}
