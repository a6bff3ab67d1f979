//! Out to the provider.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use cedargate_assertion::TenantScope;
use cedargate_identity::Attempt;
use cedargate_idp_adapters::connection::{Client, LiveConnection};
use cedargate_idp_adapters::oidc::Ask;
use cedargate_idp_adapters::saml::{Outgoing, Sp};
use cedargate_model::{RefusalCode, SigninReason, SigninResult};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

use super::{Became, log_cause, origin, record, redirect_uri};
use crate::cookie;
use crate::page::{self, refusal};
use crate::problem::{FAILED, NAVIGATION_REQUIRED, PROVIDER_UNAVAILABLE, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// How old a sign-in may be asked to be, at most: a day.
const MAX_AGE_SECONDS_MAX: u32 = 86_400;

/// How old a sign-in may be that is done again.
const AGAIN_SECONDS: u32 = 300;

/// What the browser says about how it comes to ask, and what for (W3C Fetch Metadata), where that is a person who goes to a page. Programs
/// and old browsers say nothing.
const OF_PAGES: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// What the link says. Values that are none count as missing.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    return_to: String,
    /// The level that has to be reached, where somebody is asked to confirm who they are.
    #[serde(default)]
    level: String,
    /// How old the sign-in at the provider may be, in seconds.
    #[serde(default)]
    max_age: String,
    /// Not empty where whoever is signed in wants to sign in anew, perhaps as somebody else.
    #[serde(default)]
    again: String,
}

/// `GET /auth/sso/{connection}`: begins a sign-in and sends the browser to the provider.
///
/// A link is enough to begin one, from anywhere: what comes of it is that the person signs in as themselves, in their own browser. A
/// page's picture or script is not: a browser says which it is, and would begin one for each.
pub(crate) async fn get(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
    wish: Result<Query<Wish>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    // A frame is navigated, too; nobody sees what is in it.
    if OF_PAGES.iter().any(|(name, of_page)| headers.get_all(*name).iter().any(|said| said != of_page)) {
        return refusal::show(Problem::new(NAVIGATION_REQUIRED).of_request(visit.request));
    }
    let wish = wish.map(|Query(wish)| wish).unwrap_or_default();
    let connections = control_plane.connections.load_full();
    let found = match visit.site() {
        Site::Tenant(tenant) => connections.find(&tenant.name, &name).map(|live| (tenant, live)),
        Site::Directory => None,
    };
    let Some((tenant, live)) = found else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let begun = begin(&control_plane, &visit, tenant, live, &wish).await;
    begun.unwrap_or_else(|problem| refusal::show(problem.of_request(visit.request)))
}

async fn begin(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    wish: &Wish,
) -> Result<Response, Problem> {
    let name = &live.connection.name;
    let level = wish.level.parse().ok().filter(|level| (1..=3).contains(level));
    let max_age_seconds = wish.max_age.parse().ok().map(|seconds: u32| seconds.min(MAX_AGE_SECONDS_MAX));
    let is_confirmation = level.is_some() || max_age_seconds.is_some();
    let attempt = Attempt {
        connection: name.clone(),
        return_to: ReturnTo::parse(&wish.return_to).as_str().to_owned(),
        level,
        max_age_seconds: max_age_seconds.or((!wish.again.is_empty()).then_some(AGAIN_SECONDS)),
        // Whoever confirms who they are has to be who they were.
        person: visit.signed_in().filter(|_| is_confirmation).map(|signed_in| signed_in.principal),
        session: visit.signed_in().map(|signed_in| signed_in.session),
    };
    // Nothing is written for whoever begins one: the browser keeps it.
    let begun = control_plane.attempts.begin(tenant.id, &attempt, visit.now);
    let begun = begun.map_err(|error| Problem::new(FAILED).because(error))?;
    let classes = level.map(|level| live.connection.classes_for(level)).unwrap_or_default();
    let ask = Ask { classes: &classes, max_age_seconds: attempt.max_age_seconds };
    let back = redirect_uri(visit, name);
    let out = match &live.client {
        Client::Oidc(client) => {
            let url = client.authorization_url(&back, &begun.state, &begun.browser, ask, visit.now).await;
            url.map(|url| (Outgoing::Redirect(url), cookie::set_signin(visit.scheme, &begun.kept)))
        }
        Client::Saml(client) => {
            let sp = Sp::of(&origin(visit), name);
            let out = client.authn_request(&sp, &begun.state, ask, visit.now);
            out.map(|out| (out, cookie::set_signin_from_any_site(visit.scheme, &begun.kept)))
        }
    };
    match out {
        Ok((out, set)) => {
            let set = set.map_err(|error| Problem::new(FAILED).because(error))?;
            let mut response = page::post::send(&visit.view, &live.connection.title, out);
            response.headers_mut().insert(header::SET_COOKIE, set);
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        Err(refused) => {
            log_cause(visit, name, &refused);
            record(control_plane, visit, tenant, failed(live, refused.reason)).await?;
            Err(Problem::new(PROVIDER_UNAVAILABLE).retry_after(5))
        }
    }
}

fn failed(live: &LiveConnection, reason: SigninReason) -> Became<'_> {
    Became {
        connection: Some(&live.connection.name),
        result: SigninResult::Failed,
        reason: Some(reason),
        who: None,
        ended: &[],
    }
}
