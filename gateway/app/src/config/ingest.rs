//! Where services say what they did.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::key::{Fallback, Key, Shape, Table};
use super::listen::Listen;
use super::mistake::Noted;
use super::section::{Document, Section};
use super::upstreams::{Backend, check_socket_path};

pub(crate) const TABLE: Table = Table {
    header: "[ingest]",
    about: "The internal listener, where services say what they did under which decision \
            ([service-events.md](service-events.md)). Clients must never reach it.",
    keys: &[LISTEN, CREDENTIALS_FILE, EVENTS_PER_SECOND],
};

const LISTEN: Key = Key {
    name: "listen",
    shape: Shape::Text("`unix:PATH` or an address and port"),
    fallback: Fallback::Words("`unix:` and `events.sock` in `store.state_dir`"),
    environment: None,
    about: "Where services connect. Its owner and group may use the socket; a service of another user needs a path that \
            it can reach. An address is plain HTTP: one of this machine, or of a network where nobody listens.",
};
const CREDENTIALS_FILE: Key = Key {
    name: "credentials_file",
    shape: Shape::Path,
    fallback: Fallback::Words("`service-credentials.json` in `store.state_dir`"),
    environment: None,
    about: "The hashes of the services' credentials. Made by `cedargate service credential create`; read anew whenever it \
            changes.",
};
const EVENTS_PER_SECOND: Key = Key {
    name: "events_per_second",
    shape: Shape::Integer { min: 1, max: 1_000_000 },
    fallback: Fallback::Value("1000"),
    environment: None,
    about: "How many events one service may hand over for long; ten seconds' worth may come at once. Beyond it, it is \
            told to wait. The record keeps an eighth of its queue for them, so that decisions always find room.",
};

/// `[ingest]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Ingest {
    pub(crate) listen: Backend,
    pub(crate) credentials_file: PathBuf,
    pub(crate) events_per_second: u32,
}

impl Ingest {
    /// `state_dir` and `public` are none where they have a mistake of their own.
    pub(crate) fn read(
        mut section: Section<'_, '_>,
        state_dir: Option<&Path>,
        public: Option<&Listen>,
    ) -> Result<Self, Noted> {
        let document = section.document;
        let listen = section.optional_text(&LISTEN, |text| place(document, text));
        let credentials_file = section.optional_path(&CREDENTIALS_FILE);
        let events_per_second = section.integer_as(&EVENTS_PER_SECOND);
        let listen = listen.and_then(|listen| {
            let place = listen.or_else(|| Some(Backend::Unix(state_dir?.join("events.sock")))).ok_or(Noted)?;
            match (&place, public) {
                (Backend::Tcp(address), Some(public)) => match taken_by(public, *address) {
                    Some(whose) => {
                        Err(section.complain(&LISTEN, format!("`{address}` is {whose}; services need another address")))
                    }
                    None => Ok(place),
                },
                _ => Ok(place),
            }
        });
        section.finish();
        let credentials_file = credentials_file?.or_else(|| Some(state_dir?.join("service-credentials.json")));
        Ok(Self {
            listen: listen?,
            credentials_file: credentials_file.ok_or(Noted)?,
            events_per_second: events_per_second?,
        })
    }
}

fn place(document: &Document<'_>, text: &str) -> Result<Backend, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err("`unix:` names no socket; write `unix:PATH`".to_owned()),
        Some(path) => {
            let path = document.resolve(path);
            check_socket_path(&path)?;
            Ok(Backend::Unix(path))
        }
        None => {
            let malformed = |_| format!("`{text}` is no place to listen; write `unix:PATH` or `127.0.0.1:9902`");
            text.parse().map(Backend::Tcp).map_err(malformed)
        }
    }
}

/// Who is served there already. An unspecified address takes its port on every address.
fn taken_by(public: &Listen, address: SocketAddr) -> Option<&'static str> {
    let overlaps = |other: &SocketAddr| {
        other.port() == address.port()
            && (other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified())
    };
    if public.listeners.iter().any(|listener| overlaps(&listener.address)) {
        return Some("where clients are served");
    }
    overlaps(&public.admin_address).then_some("where operators are served")
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Environment, MasterKeyUse};

    fn mistakes(admin: &str, listen: &str) -> String {
        let text = format!(
            "[listen]\nadmin_address = \"{admin}\"\n[[listen.listener]]\naddress = \"0.0.0.0:8080\"\n[ingest]\nlisten = \"{listen}\"\n"
        );
        let parsed =
            Config::parse(std::path::Path::new("c.toml"), &text, &Environment::default(), MasterKeyUse::Unused);
        parsed.err().map(|mistakes| mistakes.to_string()).unwrap_or_default()
    }

    #[test]
    fn services_are_not_heard_where_clients_or_operators_are_served() {
        for (listen, whose) in [("127.0.0.1:8080", "clients"), ("[::]:8080", "clients"), ("0.0.0.0:9901", "operators")]
        {
            let said = mistakes("127.0.0.1:9901", listen);
            assert!(said.contains(&format!("ingest.listen: `{listen}` is where {whose} are served")), "{said}");
        }
        for listen in ["127.0.0.1:9902", "unix:/run/cedargate/events.sock"] {
            assert_eq!(mistakes("127.0.0.1:9901", listen), "");
        }
        assert!(mistakes("127.0.0.1:9901", "somewhere").contains("is no place to listen"));
    }
}
