//! Where clients and operators connect, and how the server runs.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use cedargate_dataplane::{ClientAuthorityFile, TrustedProxies, TrustedProxiesError};

use super::base_url::BaseUrl;
use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::listener::{self, Certificate, Listener};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[listen]",
    about: "Where clients and operators connect, and how the server runs.",
    keys: &[BASE_URL, ADMIN_ADDRESS, TRUSTED_PROXIES, HTTP2, THREADS, DRAIN_TIMEOUT_SECONDS],
};

const BASE_URL: Key = Key {
    name: "base_url",
    shape: Shape::Text("a URL of scheme, host name and port, such as `https://gateway.example`"),
    fallback: Fallback::Value(r#""http://localhost:8080""#),
    environment: Some(environment::BASE_URL),
    about: "How clients reach the gateway. A tenant answers at `<name>.<host name>`, the bare host name lists the \
            tenants. It is also the issuer (`iss`) of identity assertions, which services compare as text.",
};
const ADMIN_ADDRESS: Key = Key {
    name: "admin_address",
    shape: Shape::Text("an address and port, such as `127.0.0.1:9901`"),
    fallback: Fallback::Value(r#""127.0.0.1:9901""#),
    environment: Some(environment::ADMIN_ADDRESS),
    about: "Where `/healthz`, `/readyz` and `/metrics` are served, without TLS and without sign-in: an address that only \
            operators reach.",
};
const TRUSTED_PROXIES: Key = Key {
    name: "trusted_proxies",
    shape: Shape::Texts("an address or a network, such as `10.0.0.7` or `10.0.0.0/8`"),
    fallback: Fallback::Value("[]"),
    environment: None,
    about: "The proxies whose `X-Forwarded-*` headers and request ids are believed. Everybody else's are removed.",
};
const HTTP2: Key = Key {
    name: "http2",
    shape: Shape::Switch,
    fallback: Fallback::Value("true"),
    environment: None,
    about: "Offers HTTP/2 to clients with TLS (ALPN).",
};
const THREADS: Key = Key {
    name: "threads",
    shape: Shape::Integer { min: 0, max: 1024 },
    fallback: Fallback::Value("0"),
    environment: None,
    about: "Proxy threads. `0` takes one for each core of the machine.",
};
const DRAIN_TIMEOUT_SECONDS: Key = Key {
    name: "drain_timeout_seconds",
    shape: Shape::Integer { min: 0, max: 3600 },
    fallback: Fallback::Value("30"),
    environment: None,
    about: "How long requests in flight may take to finish after SIGTERM. What runs longer is cut.",
};

/// `[listen]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) base_url: BaseUrl,
    pub(crate) admin_address: SocketAddr,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) client_certificates: Vec<ClientAuthorityFile>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) http2: bool,
    pub(crate) threads: usize,
    pub(crate) drain_timeout: Duration,
}

impl Listen {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let base_url = section.text(&BASE_URL, BaseUrl::parse);
        let admin_address = section.text(&ADMIN_ADDRESS, socket_address);
        let trusted_proxies = section.texts(&TRUSTED_PROXIES, proxy);
        let http2 = section.switch(&HTTP2);
        let threads = section.integer_as::<usize>(&THREADS);
        let drain_timeout = section.integer(&DRAIN_TIMEOUT_SECONDS);
        let certificates = listener::certificates(&mut section);
        let client_certificates = listener::client_certificates(&mut section);
        let listeners = listener::listeners(&mut section, certificates);
        if let (Ok(admin), Ok((listeners, _))) = (&admin_address, &listeners)
            && listeners.iter().any(|listener| listener.address == *admin)
        {
            section
                .complain(&ADMIN_ADDRESS, format!("clients are served on `{admin}`; operators need another address"));
        }
        section.finish();
        let (listeners, certificates) = listeners?;
        Ok(Self {
            base_url: base_url?,
            admin_address: admin_address?,
            listeners,
            certificates,
            client_certificates: client_certificates?,
            trusted_proxies: trusted_proxies?,
            http2: http2?,
            threads: match threads? {
                0 => thread::available_parallelism().map_or(1, Into::into),
                given => given,
            },
            drain_timeout: Duration::from_secs(drain_timeout?),
        })
    }
}

/// Kept as text: all of them become one value later.
fn proxy(text: &str) -> Result<String, TrustedProxiesError> {
    let text = text.to_owned();
    TrustedProxies::parse(std::slice::from_ref(&text)).map(|_| text)
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let malformed = |_| format!("`{text}` is not an address and port; write `127.0.0.1:8080` or `[::]:8080`");
    text.parse().map_err(malformed)
}
