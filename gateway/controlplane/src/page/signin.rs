//! The sign-in page.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use cedargate_assertion::TenantScope;
use cedargate_idp_adapters::connection::LiveConnection;
use cedargate_model::RefusalCode;
use serde::Deserialize;

use super::{refusal, render, render_scripted};
use crate::problem::{Problem, SIGNIN_DELAYED};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::sso::start_href;
use crate::view::View;
use crate::visit::{Site, Visit};

#[derive(Template)]
#[template(path = "signin.html")]
struct SignIn<'p> {
    t: &'p View,
    tenant: &'p str,
    email: &'p str,
    return_to: &'p ReturnTo,
    notice: Option<Cow<'static, str>>,
    wait_seconds: Option<u64>,
    signed_in: bool,
    ways: Vec<Way>,
    /// Whether an address leads to a provider.
    discovers: bool,
    /// Whether this host is one that passkeys are made for.
    passkeys: bool,
    /// Whether people may ask for an account.
    registers: bool,
    /// Whether a browser may remember somebody.
    remembers: bool,
}

impl SignIn<'_> {
    /// The script is there where something needs it.
    fn page(&self) -> Response {
        if self.passkeys { render_scripted(self.t, self) } else { render(self.t, self) }
    }
}

/// A provider to choose.
struct Way {
    title: String,
    href: String,
}

/// The tenant's providers, and whether an address leads to one of them.
fn ways(control_plane: &ControlPlane, visit: &Visit, tenant: &TenantScope, return_to: &ReturnTo) -> (Vec<Way>, bool) {
    let connections = control_plane.connections.load();
    let connections = connections.of(&tenant.name);
    let discovers = connections.iter().any(|live| !live.connection.email_domains.is_empty());
    let way = |live: &Arc<LiveConnection>| Way {
        title: live.connection.title.clone(),
        href: start_href(&live.connection.name, return_to, visit.signed_in().is_some()),
    };
    (connections.iter().map(way).collect(), discovers)
}

/// An address is no relying party, and no browser asks an authenticator there.
pub(super) fn offers_passkeys(control_plane: &ControlPlane, visit: &Visit) -> bool {
    control_plane.webauthn.relying_party(visit.host.name()).is_some()
}

/// The query of pages that lead on to somewhere. Whatever else it says is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Onward {
    #[serde(default)]
    pub(crate) return_to: String,
}

/// Shows the empty form.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    onward: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let (ways, discovers) = ways(&control_plane, &visit, tenant, &return_to);
    let passkeys = offers_passkeys(&control_plane, &visit);
    SignIn {
        t: &visit.view,
        tenant: tenant.name.as_str(),
        email: "",
        return_to: &return_to,
        notice: None,
        wait_seconds: None,
        signed_in: visit.signed_in().is_some(),
        ways,
        discovers,
        passkeys,
        registers: control_plane.admissions.registers(&tenant.name),
        remembers: control_plane.sessions.limits_of(&tenant.name).remembered.is_some(),
    }
    .page()
}

/// Shows the form again for an address that leads to no provider. That is true of the domain, and says nothing of accounts.
pub(crate) fn show_undiscovered(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    email: &str,
    return_to: &ReturnTo,
) -> Response {
    let (ways, discovers) = ways(control_plane, visit, tenant, return_to);
    let passkeys = offers_passkeys(control_plane, visit);
    SignIn {
        t: &visit.view,
        tenant: tenant.name.as_str(),
        email,
        return_to,
        notice: Some(visit.view.signin_undiscovered()),
        wait_seconds: None,
        signed_in: visit.signed_in().is_some(),
        ways,
        discovers,
        passkeys,
        registers: control_plane.admissions.registers(&tenant.name),
        remembers: control_plane.sessions.limits_of(&tenant.name).remembered.is_some(),
    }
    .page()
}

/// Shows the form again after a sign-in that did not succeed. What was typed as a password is never shown again.
pub(crate) fn show_again(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    email: &str,
    return_to: &ReturnTo,
    problem: &Problem,
) -> Response {
    problem.log();
    let (ways, discovers) = ways(control_plane, visit, tenant, return_to);
    let passkeys = offers_passkeys(control_plane, visit);
    let page = SignIn {
        t: &visit.view,
        tenant: tenant.name.as_str(),
        email,
        return_to,
        notice: Some(problem.kind.said(visit.view.texts())),
        wait_seconds: problem.retry_after_seconds.filter(|_| problem.kind == SIGNIN_DELAYED),
        signed_in: visit.signed_in().is_some(),
        ways,
        discovers,
        passkeys,
        registers: control_plane.admissions.registers(&tenant.name),
        remembers: control_plane.sessions.limits_of(&tenant.name).remembered.is_some(),
    };
    problem.dress(page.page())
}
