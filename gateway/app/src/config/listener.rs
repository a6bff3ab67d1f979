//! The addresses that clients connect to, and the certificates that they are shown.

use std::net::SocketAddr;
use std::path::PathBuf;

use cedargate_dataplane::ClientAuthorityFile;
use cedargate_model::Host;

use super::environment;
use super::key::{Fallback, Key, Shape, Table};
use super::listen::socket_address;
use super::mistake::{Noted, Whence};
use super::section::Section;

pub(crate) const LISTENER_TABLE: Table = Table {
    header: "[[listen.listener]]",
    about: "An address that clients connect to. At least one; `CEDARGATE_LISTEN` replaces them all.",
    keys: &[ADDRESS, TLS, TLS_CERTIFICATE, TLS_KEY, PRIOR_KNOWLEDGE],
};

const ADDRESS: Key = Key {
    name: "address",
    shape: Shape::Text("an address and port, such as `0.0.0.0:443`"),
    fallback: Fallback::Required,
    environment: None,
    about: "The address and port to listen on. `[::]:443` takes IPv4 too where the system maps it.",
};
const TLS: Key = Key {
    name: "tls",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "TLS with the certificates of `[[listen.certificate]]`, by the host that a client asks for (SNI). A listener with \
            `tls_certificate` has TLS in any case.",
};
const TLS_CERTIFICATE: Key = Key {
    name: "tls_certificate",
    shape: Shape::Path,
    fallback: Fallback::Words("none"),
    environment: None,
    about: "One more certificate chain as PEM, the server's own first, in short for a `[[listen.certificate]]`. Needs \
            `tls_key`.",
};
const TLS_KEY: Key = Key {
    name: "tls_key",
    shape: Shape::Path,
    fallback: Fallback::Words("none"),
    environment: None,
    about: "The certificate's private key as PEM. Needs `tls_certificate`.",
};

const PRIOR_KNOWLEDGE: Key = Key {
    name: "http2_prior_knowledge",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Takes HTTP/2 from clients that begin with it where nothing was agreed on (h2c): for a listener that only proxies of \
            yours reach.",
};

pub(crate) const CERTIFICATE_TABLE: Table = Table {
    header: "[[listen.certificate]]",
    about: "A certificate for TLS clients. The hosts that it is for are its subject alternative names; no host may have \
            two, but a host's own certificate goes before one with a wildcard. Who asks for no host, or for one without \
            certificate, is refused unless one is the `default`. Changed files are taken up while the gateway runs.",
    keys: &[CERTIFICATE, CERTIFICATE_KEY, CERTIFICATE_DEFAULT],
};

const CERTIFICATE: Key = Key {
    name: "certificate",
    shape: Shape::Path,
    fallback: Fallback::Required,
    environment: None,
    about: "The certificate chain as PEM, the server's own first.",
};
const CERTIFICATE_KEY: Key = Key {
    name: "key",
    shape: Shape::Path,
    fallback: Fallback::Required,
    environment: None,
    about: "Its private key as PEM.",
};
const CERTIFICATE_DEFAULT: Key = Key {
    name: "default",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Shows this certificate to clients that name no host, or one that has no certificate: health checks by address, \
            say. At most one.",
};

pub(crate) const CLIENT_CERTIFICATE_TABLE: Table = Table {
    header: "[[listen.client_certificate]]",
    about: "Asks the TLS clients of a host for a certificate. Who shows a bad one gets no connection; who shows none gets as far as the \
            routes: one with `client_certificate = true` refuses with 403. What a certificate says is in the record and, as \
            `context.certificate`, known to policies. The host has no resumed sessions, and is reached only by connections that \
            asked for it by name.",
    keys: &[CLIENT_HOST, CLIENT_CA_FILE],
};

const CLIENT_HOST: Key = Key {
    name: "host",
    shape: Shape::Text("a host name, such as `machines.gateway.example`"),
    fallback: Fallback::Required,
    environment: None,
    about: "The host. One of the certificates must be for it.",
};
const CLIENT_CA_FILE: Key = Key {
    name: "ca_file",
    shape: Shape::Path,
    fallback: Fallback::Required,
    environment: None,
    about: "The authorities that may have issued its clients' certificates, as PEM. Changed files are taken up while the gateway runs.",
};

/// One address.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) prior_knowledge: bool,
}

/// A certificate's PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) default: bool,
}

/// Reads `[[listen.certificate]]`.
pub(super) fn certificates(section: &mut Section<'_, '_>) -> Result<Vec<Certificate>, Noted> {
    let read = section.sections("certificate")?.into_iter().map(|mut section| {
        let certificate = section.path(&CERTIFICATE);
        let key = section.path(&CERTIFICATE_KEY);
        let default = section.switch(&CERTIFICATE_DEFAULT);
        section.finish();
        Ok(Certificate { certificate: certificate?, key: key?, default: default? })
    });
    // Every table is read before the first one with a mistake ends it.
    read.collect::<Vec<_>>().into_iter().collect()
}

/// Reads `[[listen.client_certificate]]`.
pub(super) fn client_certificates(section: &mut Section<'_, '_>) -> Result<Vec<ClientAuthorityFile>, Noted> {
    let mut taken: Vec<Host> = Vec::new();
    let read = section.sections("client_certificate")?.into_iter().map(|mut section| {
        let mut host = section.text(&CLIENT_HOST, host_name);
        if let Ok(asked) = &host {
            match taken.contains(asked) {
                true => host = Err(section.complain(&CLIENT_HOST, format!("`{asked}` stands here twice"))),
                false => taken.push(asked.clone()),
            }
        }
        let authorities = section.path(&CLIENT_CA_FILE);
        section.finish();
        Ok(ClientAuthorityFile { host: host?, authorities: authorities? })
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

fn host_name(text: &str) -> Result<Host, String> {
    match Host::parse(text) {
        Ok(host) if host.port().is_none() => Ok(host),
        _ => Err(format!("`{text}` is not a host name; write `machines.gateway.example`")),
    }
}

/// Reads `[[listen.listener]]`; adds the certificates that listeners have in short.
pub(super) fn listeners(
    section: &mut Section<'_, '_>,
    certificates: Result<Vec<Certificate>, Noted>,
) -> Result<(Vec<Listener>, Vec<Certificate>), Noted> {
    let written = section.sections("listener").and_then(|sections| {
        let mut taken = Vec::new();
        let read = sections.into_iter().map(|section| listener(section, &mut taken));
        read.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>, Noted>>()
    });
    let document = section.document;
    if let Some(address) = document.environment.get(environment::LISTEN) {
        let whence = Whence::Environment { environment: environment::LISTEN };
        let address = socket_address(address).map_err(|error| document.note(whence, "listen.listener", error))?;
        return Ok((vec![Listener { address, tls: false, prior_knowledge: false }], certificates?));
    }
    let (written, mut certificates) = (written?, certificates?);
    if written.is_empty() {
        let variable = environment::LISTEN;
        let hint = format!("no listener; write `[[listen.listener]]` with an `address`, or set {variable}");
        return Err(section.complain(&ADDRESS, hint));
    }
    let (listeners, own): (Vec<_>, Vec<_>) = written.into_iter().unzip();
    for own in own.into_iter().flatten() {
        // Two listeners may share one: IPv4 and IPv6, say.
        if !certificates.contains(&own) {
            certificates.push(own);
        }
    }
    if certificates.is_empty() && listeners.iter().any(|listener| listener.tls) {
        return Err(section.complain(&TLS, "a listener has TLS, and there is no `[[listen.certificate]]`"));
    }
    Ok((listeners, certificates))
}

fn listener(
    mut section: Section<'_, '_>,
    taken: &mut Vec<SocketAddr>,
) -> Result<(Listener, Option<Certificate>), Noted> {
    let mut address = section.text(&ADDRESS, socket_address);
    if let Ok(asked) = address {
        match taken.contains(&asked) {
            true => address = Err(section.complain(&ADDRESS, format!("another listener has `{asked}` already"))),
            false => taken.push(asked),
        }
    }
    let tls = section.switch(&TLS);
    let prior_knowledge = section.switch(&PRIOR_KNOWLEDGE);
    let certificate = section.optional_path(&TLS_CERTIFICATE);
    let key = section.optional_path(&TLS_KEY);
    let own = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Ok(Some(Certificate { certificate, key, default: false })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.complain(&TLS_KEY, "missing; a listener with `tls_certificate` needs its key")),
        (None, Some(_)) => {
            Err(section.complain(&TLS_CERTIFICATE, "missing; a listener with `tls_key` needs its certificate"))
        }
    };
    section.finish();
    let own = own?;
    Ok((Listener { address: address?, tls: tls? || own.is_some(), prior_knowledge: prior_knowledge? }, own))
}
