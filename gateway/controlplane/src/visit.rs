//! A request that came through the gateway, as it says.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::{AssertedSubject, DECISION_HEADER, IDENTITY_HEADER, Identity, REQUEST_HEADER, TenantScope};
use cedargate_identity::{Agent, Device, directory};
use cedargate_model::{DecisionId, Host, Micros, PrincipalId, Scheme, SessionId};
use cedargate_texts::Language;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use crate::problem::{IDENTITY_INVALID, IDENTITY_MISSING, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::view::{Answering, View};

/// Who asks, from where, for which site. Exists only where the assertion was verified.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) identity: Identity,
    pub(crate) host: Host,
    pub(crate) scheme: Scheme,
    pub(crate) client: IpAddr,
    /// How the client's program calls itself.
    pub(crate) agent: Option<Agent>,
    pub(crate) decision: DecisionId,
    pub(crate) request: Answering,
    /// How pages answer it.
    pub(crate) view: View,
    /// When it arrived here.
    pub(crate) now: Micros,
}

/// Whose pages are asked for.
pub(crate) enum Site<'v> {
    /// The bare host: a list of tenants, and nobody signs in.
    Directory,
    /// A tenant's host.
    Tenant(&'v TenantScope),
}

/// Somebody who is signed in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedIn {
    pub(crate) principal: PrincipalId,
    pub(crate) session: SessionId,
    pub(crate) authenticated_at: Micros,
}

impl Visit {
    /// Told by the verified assertion, not by the host: the gateway has decided whose host it is.
    pub(crate) fn site(&self) -> Site<'_> {
        if self.identity.tenant.id == directory().id { Site::Directory } else { Site::Tenant(&self.identity.tenant) }
    }

    pub(crate) fn signed_in(&self) -> Option<SignedIn> {
        match self.identity.subject {
            AssertedSubject::Anonymous => None,
            AssertedSubject::Principal { id, session, authenticated_at } => {
                Some(SignedIn { principal: id, session, authenticated_at })
            }
        }
    }

    /// What a session that begins here is shown to be from.
    pub(crate) fn device(&self) -> Device {
        Device { address: Some(self.client), agent: self.agent.clone() }
    }

    fn read(control_plane: &ControlPlane, request: &Request) -> Result<Self, Problem> {
        let headers = request.headers();
        let now = control_plane.clock.now();
        let token = single(headers, IDENTITY_HEADER).ok_or(Problem::new(IDENTITY_MISSING))?;
        let identity = control_plane
            .verifier
            .load()
            .verify(token, now)
            .map_err(|error| Problem::new(IDENTITY_INVALID).because(error))?;
        // The assertion proves that the gateway sent this; the rest is as trustworthy as the socket is private.
        let from_gateway = || {
            let scheme = match single(headers, "x-forwarded-proto")? {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                _ => return None,
            };
            let language = Language::asked(headers, scheme);
            Some(Self {
                identity,
                host: Host::parse(single(headers, "x-forwarded-host")?).ok()?,
                scheme,
                client: single(headers, "x-forwarded-for")?.parse().ok()?,
                agent: single(headers, "user-agent").and_then(Agent::of),
                decision: single(headers, DECISION_HEADER)?.parse().ok()?,
                request: Answering { id: single(headers, REQUEST_HEADER)?.parse().ok()?, language },
                view: View::new(language, here(request.method(), request.uri())),
                now,
            })
        };
        from_gateway().ok_or(Problem::new(IDENTITY_MISSING))
    }
}

/// Where a page is that was asked for by its address.
fn here(method: &Method, uri: &Uri) -> Option<ReturnTo> {
    let target = uri.path_and_query().filter(|_| *method == Method::GET)?;
    Some(ReturnTo::page(target.as_str()))
}

/// Lets only requests in that came through the gateway, whatever they ask for.
pub(crate) async fn require_visit(
    State(control_plane): State<Arc<ControlPlane>>,
    mut request: Request,
    next: Next,
) -> Response {
    match Visit::read(&control_plane, &request) {
        Ok(visit) => {
            request.extensions_mut().insert(visit);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Missing only if a route were added outside of `require_visit`.
        parts.extensions.get().cloned().ok_or(Problem::new(IDENTITY_MISSING))
    }
}

/// The one value of a header. Two would be two opinions.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
