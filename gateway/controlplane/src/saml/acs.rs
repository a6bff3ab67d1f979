//! The assertion consumer service: the provider's answer, in a form of its page.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use cedargate_assertion::TenantScope;
use cedargate_identity::{Attempt, Begun, Federation, OneUse};
use cedargate_idp_adapters::InBrowser;
use cedargate_idp_adapters::oidc::SignedIn;
use cedargate_model::{RefusalCode, Scheme, SigninReason, SigninResult};
use http::{HeaderMap, header};
use serde::Deserialize;

use super::Asked;
use crate::cookie;
use crate::page::refusal;
use crate::problem::{FAILED, Problem, SSO_FAILED};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::sso::callback::{Arriving, Ended, begin, not_found, welcome};
use crate::sso::{Became, log_cause, origin, record};
use crate::visit::{Site, Visit};

/// The form. A field that stands twice makes it none.
#[derive(Deserialize)]
pub(crate) struct Posted {
    #[serde(rename = "SAMLResponse")]
    message: String,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
}

/// `POST /auth/saml/{connection}/acs`. Any site may have a browser send it. What binds it to this browser is the request that it answers
/// and the cookie of that attempt, both good for one answer.
pub(crate) async fn post(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Posted>, FormRejection>,
) -> Response {
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let tenant = tenant.clone();
    let posted = form.ok().map(|Form(posted)| posted);
    let kept = cookie::signin_kept(visit.scheme, &headers);
    // On a task of its own: a browser that goes away must not keep what comes of it from being recorded.
    let arriving = arrive(control_plane, visit.clone(), tenant, name, posted, kept);
    let outcome = match tokio::spawn(arriving).await {
        Ok(outcome) => outcome,
        Err(lost) => Err(Problem::new(FAILED).because(lost)),
    };
    match outcome {
        Ok(mut response) => {
            if visit.scheme == Scheme::Http {
                // Over HTTPS it is the same cookie as another connection's, and cleared already.
                response.headers_mut().append(header::SET_COOKIE, cookie::clear_signin_from_any_site(visit.scheme));
            }
            response
        }
        Err(problem) => refusal::show(problem.of_request(visit.request)),
    }
}

async fn arrive(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    name: String,
    posted: Option<Posted>,
    kept: Option<InBrowser>,
) -> Result<Response, Problem> {
    let connections = control_plane.connections.load_full();
    let asked = Asked::of(&visit, &connections, &name);
    let arrived = match &asked {
        Some(asked) => complete(&control_plane, &visit, asked, posted, kept.as_ref()).await,
        None => Err(Ended::Refused(SigninReason::ConnectionUnknown)),
    };
    let connection = asked.as_ref().map(|asked| &asked.live.connection.name);
    match arrived {
        Ok((begun, attempt)) => welcome(&control_plane, &visit, &tenant, &begun, &attempt).await,
        Err(Ended::Problem(problem)) => Err(problem),
        Err(Ended::Refused(reason)) => {
            let became =
                Became { connection, result: SigninResult::Failed, reason: Some(reason), who: None, ended: &[] };
            record(&control_plane, &visit, &tenant, became).await?;
            // One answer for all of them: what was wrong is the record's to know.
            Err(Problem::new(SSO_FAILED))
        }
    }
}

/// Finds the attempt that this browser keeps, believes the provider or not, and begins a session.
async fn complete(
    control_plane: &ControlPlane,
    visit: &Visit,
    asked: &Asked<'_>,
    posted: Option<Posted>,
    kept: Option<&InBrowser>,
) -> Result<(Begun, Attempt), Ended> {
    let (tenant, connection) = (asked.tenant, &asked.live.connection.name);
    let refused = |refused| {
        log_cause(visit, connection, &refused);
        Ended::Refused(refused.reason)
    };
    let posted = posted.ok_or(Ended::Refused(SigninReason::SamlEncoding))?;
    // Before anything is spent: whoever waited in vain may bring the same answer again.
    let turn = asked.client.turn().await.map_err(refused)?;
    let answer = asked.client.read(&turn, posted.message).await.map_err(refused)?;
    let found = match answer.unverified_state() {
        Some(state) => {
            let found = control_plane.attempts.find(tenant.id, connection, state, kept, visit.now).await;
            Some(found.map_err(not_found)?)
        }
        None => None,
    };
    let asked_for = found.as_ref().map(|found| &found.attempt);
    let believed = asked.client.complete(turn, connection, &asked.sp, answer, asked_for, visit.now).await;
    let believed = believed.map_err(refused)?;
    let message = OneUse::of_saml_message(connection, &believed.assertion_id, believed.remember_until);
    // Where it began at the provider, it began when that said so: what ended this person's sessions since then holds.
    let (attempt, once, begun_at) = match found {
        Some(found) => (Some(found.attempt), vec![found.once, message], found.begun_at),
        None => (None, vec![message], believed.issued_at.min(visit.now)),
    };
    let attempt = attempt.unwrap_or_else(|| Attempt {
        connection: connection.clone(),
        return_to: where_to(visit, &posted.relay_state).as_str().to_owned(),
        level: None,
        max_age_seconds: None,
        person: None,
        session: None,
    });
    let signed_in = SignedIn {
        federation: Federation {
            identity: believed.identity,
            provider_session: believed.provider_session,
            id_token: None,
            name_id: Some(believed.name_id.to_json()),
        },
        claims: believed.claims,
        auth_time: Some(believed.auth_time),
        ends_by: believed.ends_by,
        id_token: None,
    };
    let arriving = Arriving { attempt: &attempt, once, begun_at };
    let begun = begin(control_plane, visit, tenant, asked.live, arriving, signed_in).await?;
    Ok((begun, attempt))
}

/// Where a sign-in leads that began at the provider. Where it began here, that is the attempt's to know, and what the form says of it is
/// nobody's word.
fn where_to(visit: &Visit, relay_state: &str) -> ReturnTo {
    ReturnTo::parse(relay_state.strip_prefix(&origin(visit)).unwrap_or(relay_state))
}
