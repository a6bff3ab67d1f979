//! Whose is it (host), which route, which Cedar action and resource?

use std::sync::Arc;

use cedargate_model::{Canonical, Challenge, Host, Micros, Refusal, RefusalCode};
use cedargate_policy::{Route, Routed, Routing, Snapshot};
use http::{HeaderMap, Method, Version, header};

use super::respond::is_grpc;
use crate::arrival::Secured;
use crate::site::{Site, Sites};

/// A request whose tenant, route and resource are known.
pub(crate) struct Found {
    pub(crate) site: Arc<Site>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) routed: Routed,
}

/// Holds a request to the host that its connection was made for.
///
/// The handshake chose the certificate, and whether a client certificate was asked for, by the name in the ClientHello.
/// A request for another host on that connection has passed by what was agreed for that one, so it is sent back, also
/// where one certificate has both names and a client would share the connection (RFC 9110 §15.5.20, RFC 9113 §9.1.1).
///
/// # Errors
/// 421 where the two differ. A client that named no host got the default certificate and is free to ask, but for hosts that
/// ask for a client certificate: it was asked for none.
pub(crate) fn agree(host: &Host, secured: Option<&Secured>) -> Result<(), Refusal> {
    match secured.and_then(|secured| secured.name.as_ref()) {
        Some(named) if named.name() != host.name() => {
            Err(Refusal::new(RefusalCode::MisdirectedRequest, "`Host` is not the host of the TLS handshake"))
        }
        None if secured.is_some_and(|secured| secured.asking.contains(host.name())) => Err(Refusal::new(
            RefusalCode::MisdirectedRequest,
            "the TLS handshake named no host, and this one asks for certificates",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Holds a route that asks for a client certificate to it. A connection without TLS has none, nor has one that a proxy in front
/// of us ended. A connection may last for longer than its certificate.
///
/// # Errors
/// 403 without one.
pub(crate) fn check_certificate(route: &Route, secured: Option<&Secured>, now: Micros) -> Result<(), Refusal> {
    if !route.client_certificate {
        return Ok(());
    }
    match secured.and_then(|secured| secured.machine.as_ref()) {
        None => Err(RefusalCode::ClientCertificateRequired.into()),
        Some(shown) if now >= shown.not_after => {
            Err(Refusal::new(RefusalCode::ClientCertificateRequired, "the certificate of the connection has expired"))
        }
        Some(_) => Ok(()),
    }
}

/// Finds the site by host, then the route by path and method.
///
/// `asked` is the method that matters for routing: the one a CORS preflight asks for, else the request's own.
///
/// # Errors
/// 404 for an unknown host or path, 405 naming the methods there are, 503 while the tenant has no snapshot.
pub(crate) fn route(sites: &Sites, canonical: &Canonical, asked: &Method) -> Result<Found, Refusal> {
    let site = sites.at(&canonical.host).ok_or(RefusalCode::HostUnknown)?;
    let snapshot = site.snapshot.as_ref().ok_or(RefusalCode::SnapshotMissing)?;
    match snapshot.routes().find(asked, &canonical.path) {
        Routing::Found(routed) => Ok(Found { site: site.clone(), snapshot: snapshot.clone(), routed }),
        Routing::MethodNotAllowed(methods) => {
            Err(Refusal::from(RefusalCode::MethodNotAllowed).with(Challenge::Allow(methods)))
        }
        Routing::Unknown => Err(RefusalCode::RouteUnknown.into()),
    }
}

/// Whether the client asks to upgrade to the protocol that the route allows (RFC 9110 §7.8). That `Connection` names
/// the upgrade was screened before.
///
/// # Errors
/// 400 where the route allows no upgrade, or another one.
pub(crate) fn allow_upgrade(headers: &HeaderMap, route: &Route) -> Result<bool, Refusal> {
    let Some(asked) = headers.get(header::UPGRADE) else { return Ok(false) };
    match asked.to_str() {
        Ok(asked) if route.allows_upgrade(asked) => Ok(true),
        _ => Err(Refusal::new(RefusalCode::UpgradeInvalid, "the route does not allow this upgrade")),
    }
}

/// Holds gRPC to routes that declare it, and those routes to gRPC.
///
/// A route that does not would get its messages inspected as something else, and lose the trailers that say how a call ended.
///
/// # Errors
/// 415 where content and route differ, 505 for gRPC over HTTP/1.
pub(crate) fn check_grpc(version: Version, headers: &HeaderMap, route: &Route) -> Result<(), Refusal> {
    match (is_grpc(headers), route.grpc) {
        (false, false) => Ok(()),
        (true, true) if version == Version::HTTP_2 => Ok(()),
        (true, true) => Err(RefusalCode::GrpcNeedsHttp2.into()),
        (true, false) => Err(Refusal::new(RefusalCode::GrpcUnexpected, "gRPC, and the route does not declare it")),
        (false, true) => Err(Refusal::new(RefusalCode::GrpcUnexpected, "the route is gRPC, and the content is not")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(named: Option<&str>, host: &str) -> Result<(), RefusalCode> {
        let name = named.map(|name| Host::parse(name).unwrap());
        let asking = Arc::new(["vault.localhost".to_owned()].into());
        let secured = Secured { name, client: None, machine: None, asking };
        agree(&Host::parse(host).unwrap(), Some(&secured)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_host_that_the_handshake_was_not_for_is_misdirected() {
        for host in ["globex.localhost", "globex.localhost:8443", "localhost", "x.acme.localhost", "127.0.0.1"] {
            assert_eq!(agreed(Some("acme.localhost"), host), Err(RefusalCode::MisdirectedRequest), "{host}");
        }
    }

    #[test]
    fn port_case_and_trailing_dot_make_no_other_host() {
        for host in ["acme.localhost", "ACME.localhost:8443", "acme.localhost."] {
            assert_eq!(agreed(Some("Acme.localhost"), host), Ok(()), "{host}");
        }
        assert_eq!(agreed(None, "acme.localhost"), Ok(()));
    }

    #[test]
    fn who_named_no_host_does_not_get_to_one_that_asks_for_certificates() {
        for host in ["vault.localhost", "VAULT.localhost:8443", "vault.localhost."] {
            assert_eq!(agreed(None, host), Err(RefusalCode::MisdirectedRequest), "{host}");
        }
        assert_eq!(agreed(Some("vault.localhost"), "vault.localhost"), Ok(()));
    }
}
