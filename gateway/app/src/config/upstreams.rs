//! Where services are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cedargate_dataplane::{Authorities, ClientCertificateFiles, Protocol, ServerName, UpstreamTls};

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::{Document, Section};

/// The gateway's own service, which routes name like any other.
pub(crate) const OWN_SERVICE: &str = "gateway";

pub(crate) const TABLE: Table = Table {
    header: "[upstreams.NAME]",
    about: "Where the service `NAME` is, as routes name it (`service = \"NAME\"`); also the audience (`aud`) of the identity \
            that it is sent. The service `gateway` is the gateway itself and is not configured.",
    keys: &[
        ADDRESSES,
        PROTOCOL,
        HEALTH_PATH,
        HEALTH_INTERVAL_MS,
        CONNECT_TIMEOUT_MS,
        IDLE_TIMEOUT_SECONDS,
        PORTAL_PATH,
        PORTAL_TITLE,
        PORTAL_ABOUT,
    ],
};

const ADDRESSES: Key = Key {
    name: "addresses",
    shape: Shape::Texts("`unix:PATH` or an address and port"),
    fallback: Fallback::Required,
    environment: None,
    about: "The service's backends, taken in turn while they are healthy. Prefer `unix:PATH`: then nothing but the \
            gateway reaches the service.",
};
const PROTOCOL: Key = Key {
    name: "protocol",
    shape: Shape::Text("`http1`, `h2` or `h2c`"),
    fallback: Fallback::Value(r#""http1""#),
    environment: None,
    about: "What the service speaks: `http1` is HTTP/1.1, with TLS or without; `h2` is HTTP/2 with TLS, agreed on in the \
            handshake (ALPN); `h2c` is HTTP/2 without TLS, begun with. A service of `h2` or `h2c` is never spoken to in HTTP/1.1. \
            gRPC needs one of the two.",
};
const HEALTH_PATH: Key = Key {
    name: "health_path",
    shape: Shape::Text("a path, such as `/healthz`"),
    fallback: Fallback::Words("a backend is healthy while it accepts connections"),
    environment: None,
    about: "The path that answers 200 while a backend is healthy.",
};
const HEALTH_INTERVAL_MS: Key = Key {
    name: "health_interval_ms",
    shape: Shape::Integer { min: 50, max: 600_000 },
    fallback: Fallback::Value("2000"),
    environment: None,
    about: "How often every backend's health is asked.",
};
const CONNECT_TIMEOUT_MS: Key = Key {
    name: "connect_timeout_ms",
    shape: Shape::Integer { min: 10, max: 60_000 },
    fallback: Fallback::Value("1000"),
    environment: None,
    about: "For establishing a connection, and for the answer to a health check. How long a service may take to answer \
            a request is its route's `timeout_ms`.",
};
const IDLE_TIMEOUT_SECONDS: Key = Key {
    name: "idle_timeout_seconds",
    shape: Shape::Integer { min: 1, max: 3_600 },
    fallback: Fallback::Value("30"),
    environment: None,
    about: "How long an idle connection is kept for reuse. Keep it below the service's own.",
};

const PORTAL_PATH: Key = Key {
    name: "portal_path",
    shape: Shape::Text("a path, such as `/inventory/items`"),
    fallback: Fallback::Words("not linked"),
    environment: None,
    about: "Where people begin: the portal of every tenant links to it.",
};
const PORTAL_TITLE: Key = Key {
    name: "portal_title",
    shape: Shape::Text("a short name for people"),
    fallback: Fallback::Words("the service's name"),
    environment: None,
    about: "What the portal calls the service.",
};
const PORTAL_ABOUT: Key = Key {
    name: "portal_about",
    shape: Shape::Text("a few words"),
    fallback: Fallback::Value(r#""""#),
    environment: None,
    about: "What one finds there, in a few words.",
};

pub(crate) const TLS_TABLE: Table = Table {
    header: "[upstreams.NAME.tls]",
    about: "TLS to the service's backends; without this table there is none. The service's certificate is always verified, chain and \
            name, for requests and for health checks alike. Changed files are taken up while the gateway runs: connections that \
            are made from then on use them.",
    keys: &[SERVER_NAME, CA_FILE, SYSTEM_ROOTS, CLIENT_CERTIFICATE, CLIENT_KEY],
};

const SERVER_NAME: Key = Key {
    name: "server_name",
    shape: Shape::Text("a DNS name or an address"),
    fallback: Fallback::Required,
    environment: None,
    about: "The name that the service's certificate must be for. A DNS name is also what the handshake asks for (SNI); an \
            address must stand in the certificate as one.",
};
const CA_FILE: Key = Key {
    name: "ca_file",
    shape: Shape::Path,
    fallback: Fallback::Words("none; then `system_roots` must be `true`"),
    environment: None,
    about: "The authorities that may have issued the service's certificate, as PEM. Nobody else is believed.",
};
const SYSTEM_ROOTS: Key = Key {
    name: "system_roots",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Believes every authority that the system trusts, instead of those of a `ca_file`.",
};
const CLIENT_CERTIFICATE: Key = Key {
    name: "client_certificate",
    shape: Shape::Path,
    fallback: Fallback::Words("none"),
    environment: None,
    about: "What the gateway shows a service that asks for a certificate (mutual TLS): a chain as PEM, its own first. Needs \
            `client_key`.",
};
const CLIENT_KEY: Key = Key {
    name: "client_key",
    shape: Shape::Path,
    fallback: Fallback::Words("none"),
    environment: None,
    about: "The private key of `client_certificate` as PEM.",
};

/// Where one backend is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// `[upstreams.NAME]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) addresses: Vec<Backend>,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<UpstreamTls>,
    pub(crate) health_path: Option<String>,
    pub(crate) health_interval: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) portal: Option<PortalLink>,
}

/// How the portal shows a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortalLink {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) about: String,
}

/// `[upstreams]`, checked.
pub(crate) fn read(section: Section<'_, '_>) -> Result<BTreeMap<String, Upstream>, Noted> {
    let read = section.named_sections()?.into_iter().map(|(name, section)| {
        let named = check_name(&name).map_err(|error| section.complain_of_table(error));
        let upstream = upstream(&name, section);
        named.and(upstream).map(|upstream| (name, upstream))
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

/// The bound on a Unix socket's path, the closing NUL included (`sockaddr_un`).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Checks that a socket can have this path.
pub(crate) fn check_socket_path(path: &std::path::Path) -> Result<(), String> {
    let bytes = path.as_os_str().len();
    if bytes <= SOCKET_PATH_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "the socket path `{}` has {bytes} octets and may have {SOCKET_PATH_BYTES_MAX}; use a shorter one",
        path.display()
    ))
}

fn check_name(name: &str) -> Result<(), String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if name == OWN_SERVICE {
        return Err(format!("`{OWN_SERVICE}` is the gateway itself and is not configured"));
    }
    let well_formed = (1..=40).contains(&name.len()) && name.bytes().all(inner);
    if well_formed {
        Ok(())
    } else {
        Err(format!("`{name}` is not a service name: use 1 to 40 of a-z, 0-9, `-` and `_`"))
    }
}

fn upstream(name: &str, mut section: Section<'_, '_>) -> Result<Upstream, Noted> {
    let document = section.document;
    let addresses = section.texts(&ADDRESSES, |text| backend(document, text));
    let protocol = section.text(&PROTOCOL, Spoken::parse);
    let tls = section.optional_section("tls").and_then(|section| section.map(tls).transpose());
    let protocol =
        match (&protocol, &tls) {
            (Ok(Spoken::H2), Ok(None)) => Err(section
                .complain(&PROTOCOL, "`h2` is HTTP/2 with TLS, and there is no `tls` table; without TLS it is `h2c`")),
            (Ok(Spoken::H2c), Ok(Some(_))) => Err(section
                .complain(&PROTOCOL, "`h2c` is HTTP/2 without TLS, and there is a `tls` table; with TLS it is `h2`")),
            (protocol, _) => protocol.map(Spoken::protocol),
        };
    let health_path = section.optional_text(&HEALTH_PATH, url_path);
    let portal_path = section.optional_text(&PORTAL_PATH, url_path);
    let portal_title = section.optional_text(&PORTAL_TITLE, any_text);
    let portal_about = section.text(&PORTAL_ABOUT, any_text);
    let health_interval = section.integer(&HEALTH_INTERVAL_MS);
    let connect_timeout = section.integer(&CONNECT_TIMEOUT_MS);
    let idle_timeout = section.integer(&IDLE_TIMEOUT_SECONDS);
    let addresses = addresses.and_then(|addresses| match addresses.as_slice() {
        [] => Err(section.complain(&ADDRESSES, "needs one address at least")),
        _ => Ok(addresses),
    });
    section.finish();
    Ok(Upstream {
        addresses: addresses?,
        protocol: protocol?,
        tls: tls?,
        health_path: health_path?,
        health_interval: Duration::from_millis(health_interval?),
        connect_timeout: Duration::from_millis(connect_timeout?),
        idle_timeout: Duration::from_secs(idle_timeout?),
        portal: {
            let (title, about) = (portal_title?.unwrap_or_else(|| name.to_owned()), portal_about?);
            portal_path?.map(|path| PortalLink { path, title, about })
        },
    })
}

/// What a service is said to speak, with TLS or without.
#[derive(Clone, Copy)]
enum Spoken {
    Http1,
    H2,
    H2c,
}

impl Spoken {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "http1" => Ok(Self::Http1),
            "h2" => Ok(Self::H2),
            "h2c" => Ok(Self::H2c),
            _ => Err(format!("`{text}` is no protocol; write `http1`, `h2` or `h2c`")),
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Http1 => Protocol::Http1,
            Self::H2 | Self::H2c => Protocol::Http2,
        }
    }
}

fn tls(mut section: Section<'_, '_>) -> Result<UpstreamTls, Noted> {
    let server_name =
        section.text(&SERVER_NAME, |text| ServerName::parse(text).map_err(|error| format!("`{text}` is {error}")));
    let ca_file = section.optional_path(&CA_FILE);
    let system_roots = section.switch(&SYSTEM_ROOTS);
    let certificate = section.optional_path(&CLIENT_CERTIFICATE);
    let key = section.optional_path(&CLIENT_KEY);
    let authorities = match (ca_file?, system_roots?) {
        (Some(file), false) => Ok(Authorities::File(file)),
        (None, true) => Ok(Authorities::System),
        (Some(_), true) => Err(section.complain(&SYSTEM_ROOTS, "there is a `ca_file`; leave one of the two out")),
        (None, false) => Err(section.complain(&CA_FILE, "missing; name a file, or write `system_roots = true`")),
    };
    let client = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Ok(Some(ClientCertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.complain(&CLIENT_KEY, "missing; `client_certificate` needs its key")),
        (None, Some(_)) => Err(section.complain(&CLIENT_CERTIFICATE, "missing; `client_key` needs its certificate")),
    };
    section.finish();
    Ok(UpstreamTls { server_name: server_name?, authorities: authorities?, client: client? })
}

fn url_path(text: &str) -> Result<String, String> {
    match text.parse::<http::uri::PathAndQuery>() {
        Ok(_) if text.starts_with('/') => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not a path; write `/healthz`")),
    }
}

fn any_text(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.to_owned())
}

fn backend(document: &Document<'_>, text: &str) -> Result<Backend, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err("`unix:` names no socket; write `unix:PATH`".to_owned()),
        Some(path) => {
            let path = document.resolve(path);
            check_socket_path(&path)?;
            Ok(Backend::Unix(path))
        }
        None => {
            let malformed = |_| format!("`{text}` is not an address; write `unix:PATH` or `127.0.0.1:9000`");
            text.parse().map(Backend::Tcp).map_err(malformed)
        }
    }
}
