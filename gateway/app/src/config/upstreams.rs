//! Where services are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
