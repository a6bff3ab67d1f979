//! Who asks, and for which connection.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{Provisioning, ScimDesk};
use cedargate_idp_adapters::connection::LiveConnection;
use cedargate_model::RoleName;
use cedargate_scim::{Membership, Resource, ScimError, ScimType};
use http::request::Parts;
use http::{HeaderMap, header};
use serde_json::Value;

use super::ROOT;
use super::reply::Refused;
use crate::router::ControlPlane;
use crate::sso::origin;
use crate::visit::{Site, Visit};

/// A connection's token at work: exists only where one that counts was shown.
pub(super) struct Caller {
    pub(super) control_plane: Arc<ControlPlane>,
    pub(super) visit: Visit,
    pub(super) tenant: TenantScope,
    pub(super) desk: ScimDesk,
    pub(super) live: Arc<LiveConnection>,
    pub(super) headers: HeaderMap,
    pub(super) query: Option<String>,
}

impl Caller {
    pub(super) fn store(&self) -> Provisioning {
        self.control_plane.identities.provisioning()
    }

    /// The service's root as the client knows it.
    pub(super) fn base(&self) -> String {
        format!("{}{ROOT}", origin(&self.visit))
    }

    /// The connection's rules.
    pub(super) fn rules(&self) -> impl Fn(&Resource, &[Membership]) -> Vec<RoleName> + Send + Sync + use<> {
        let live = Arc::clone(&self.live);
        move |user, groups| live.connection.roles_of_provisioned(user, groups)
    }

    /// How the client last saw what it changes, if it says.
    pub(super) fn if_match(&self) -> Option<&str> {
        self.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok())
    }

    /// Whether the client has this version already.
    pub(super) fn has(&self, version: &str) -> bool {
        let said = self.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        said.is_some_and(|said| said.split(',').map(str::trim).any(|said| said == "*" || said == version))
    }

    /// The body as JSON.
    pub(super) fn read(&self, body: &Bytes) -> Result<Value, Refused> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !["application/scim+json", "application/json"].iter().any(|known| essence.eq_ignore_ascii_case(known)) {
            return Err(ScimError::plain(415, "send `application/scim+json`").into());
        }
        let malformed = |_| ScimError::bad(ScimType::InvalidSyntax, "the body is no JSON");
        Ok(serde_json::from_slice(body).map_err(malformed)?)
    }
}

impl FromRequestParts<Arc<ControlPlane>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ControlPlane>) -> Result<Self, Response> {
        let visit = Visit::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        admit(Arc::clone(state), visit, parts).await.map_err(IntoResponse::into_response)
    }
}

async fn admit(control_plane: Arc<ControlPlane>, visit: Visit, parts: &Parts) -> Result<Caller, Refused> {
    // Policies let nobody else in; whoever comes all the same is told nothing.
    let stranger = || ScimError::plain(403, "show a token for SCIM of a connection that tells of its people");
    let Site::Tenant(tenant) = visit.site() else { return Err(ScimError::not_found().into()) };
    let tenant = tenant.clone();
    let signed_in = visit.signed_in().ok_or_else(stranger)?;
    let provisioning = control_plane.identities.provisioning();
    let mut desk = provisioning.desk(tenant.id, signed_in.session, visit.now).await?.ok_or_else(stranger)?;
    let live = control_plane.connections.load().find(&tenant.name, desk.connection.as_str()).cloned();
    // Whoever told of people by this name, and is not behind it any more, tells of nobody.
    let live = live.filter(|live| live.connection.kind.issuer() == &desk.issuer).ok_or_else(stranger)?;
    let rule = live.connection.provisioning.as_ref().ok_or_else(stranger)?;
    desk.subject_is = live.connection.kind.is_subject(&rule.claim).then_some(rule.by);
    let (headers, query) = (parts.headers.clone(), parts.uri.query().map(ToOwned::to_owned));
    Ok(Caller { control_plane, visit, tenant, desk, live, headers, query })
}
