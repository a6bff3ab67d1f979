//! Whose is it (host), which route, which Cedar action and resource?

use std::sync::Arc;

use cedargate_model::{Canonical, Challenge, Refusal, RefusalCode};
use cedargate_policy::{Route, Routed, Routing, Snapshot};
use http::{HeaderMap, Method, header};

use crate::site::{Site, Sites};

/// A request whose tenant, route and resource are known.
pub(crate) struct Found {
    pub(crate) site: Arc<Site>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) routed: Routed,
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
