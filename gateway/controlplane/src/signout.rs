//! Signing out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::Federation;
use cedargate_idp_adapters::connection::{Client, LiveConnection};
use cedargate_idp_adapters::saml::{NameId, Outgoing, SamlClient, Sp};
use cedargate_model::{RefusalCode, SigninResult};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::page::{onward, post, refusal};
use crate::problem::{FAILED, Problem};
use crate::recorder::signin_event;
use crate::router::ControlPlane;
use crate::visit::{SignedIn, Site, Visit};
use crate::wanted::Wanted;
use crate::{cookie, sso};

/// `POST /auth/logout`: ends the session in the store and makes the browser forget its cookie.
pub(crate) async fn post(State(control_plane): State<Arc<ControlPlane>>, visit: Visit, headers: HeaderMap) -> Response {
    let wanted = Wanted::of(&headers);
    let ended = match (visit.site(), visit.signed_in()) {
        (Site::Tenant(tenant), Some(signed_in)) => {
            let ending = end(control_plane, visit.clone(), tenant.clone(), signed_in);
            // On a task of its own, so that a client that goes away does not leave its session behind.
            tokio::spawn(ending).await.unwrap_or_else(|lost| Err(Problem::new(FAILED).because(lost)))
        }
        // Nobody was signed in: then nobody is now.
        (Site::Tenant(_), None) | (Site::Directory, _) => Ok(None),
    };
    let is_over = ended.is_ok();
    let mut response = match (ended, wanted) {
        (Ok(None), Wanted::Page) => Redirect::to("/auth/login").into_response(),
        (Ok(Some(Elsewhere { title, out })), Wanted::Page) => {
            let t = &visit.view;
            match out {
                Outgoing::Redirect(href) => {
                    let (sentence, label) = (t.signout_elsewhere(&title), t.signout_at(&title));
                    onward::show(t, &t.signout_elsewhere_title(), &sentence, href.as_str(), &label)
                }
                form @ Outgoing::Form { .. } => post::send(t, &title, form),
            }
        }
        (Ok(_), Wanted::Json) => StatusCode::NO_CONTENT.into_response(),
        (Err(problem), _) => refusal::answer(wanted, problem.of_request(visit.request)),
    };
    if is_over {
        // Else it goes on, and whoever asks again has to be able to.
        response.headers_mut().insert(header::SET_COOKIE, cookie::clear(visit.scheme));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Where else the person signs out: at the provider that signed them in.
struct Elsewhere {
    title: String,
    out: Outgoing,
}

async fn end(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    signed_in: SignedIn,
) -> Result<Option<Elsewhere>, Problem> {
    let unavailable = |error| Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5);
    let federation = control_plane.sessions.federation(tenant.id, signed_in.session).await.map_err(unavailable)?;
    let ending = control_plane.sessions.end_own(tenant.id, signed_in.principal, signed_in.session).await;
    let Some(ending) = ending.map_err(unavailable)? else { return Ok(None) };
    let who = Some((signed_in.principal, signed_in.session));
    let event = signin_event(&visit, &tenant, SigninResult::SignedOut, who)
        .map_err(|error| Problem::new(FAILED).because(error))?;
    let unrecorded = |error| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    control_plane.recorder.record(event).await.map_err(unrecorded)?;
    let ended = ending.commit().await.map_err(unavailable)?;
    control_plane.sessions.forget_federated(ended);
    Ok(match federation {
        Some(federation) => elsewhere(&control_plane, &visit, &tenant, &federation).await,
        None => None,
    })
}

/// A longer ID token is left out of the address, which servers cut or refuse: the provider then asks the person.
const HINT_BYTES_MAX: usize = 4 * 1024;

/// Where the person signs out at the provider, if it has such a place and can be reached. Here they are signed out in any case.
async fn elsewhere(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    federation: &Federation,
) -> Option<Elsewhere> {
    let connections = control_plane.connections.load_full();
    let live = connections.find(&tenant.name, federation.identity.connection.as_str())?;
    // The connection may lead to another provider by now.
    if live.connection.kind.issuer() != &federation.identity.issuer {
        return None;
    }
    let client = match &live.client {
        Client::Oidc(client) => client,
        Client::Saml(client) => return elsewhere_by_saml(visit, live, client, federation),
    };
    let opened = federation.id_token.as_ref().map(|sealed| {
        let name = sso::sealed_name(tenant, &federation.identity);
        control_plane.vault.open(&name, &sealed.0)
    });
    let hint = match opened.transpose() {
        Ok(hint) => hint,
        Err(error) => {
            // Sealed under another master key, perhaps. The provider asks the person.
            tracing::warn!(error = &error as &dyn std::error::Error, "an ID token could not be opened");
            None
        }
    };
    let hint = hint.as_deref().map(String::as_str).filter(|token| token.len() <= HINT_BYTES_MAX);
    let back_to = format!("{}/auth/login", sso::origin(visit));
    match client.end_session_url(hint, &back_to, visit.now).await {
        Ok(url) => url.map(|url| Elsewhere { title: live.connection.title.clone(), out: Outgoing::Redirect(url) }),
        Err(refused) => {
            sso::log_cause(visit, &live.connection.name, &refused);
            None
        }
    }
}

fn elsewhere_by_saml(
    visit: &Visit,
    live: &LiveConnection,
    client: &SamlClient,
    federation: &Federation,
) -> Option<Elsewhere> {
    let name = &live.connection.name;
    let name_id = federation.name_id.as_deref().and_then(NameId::from_json)?;
    let sp = Sp::of(&sso::origin(visit), name);
    let id = crate::saml::message_id();
    match client.logout_request(&sp, &name_id, federation.provider_session.as_ref(), &id, visit.now) {
        Ok(out) => out.map(|out| Elsewhere { title: live.connection.title.clone(), out }),
        Err(refused) => {
            sso::log_cause(visit, name, &refused);
            None
        }
    }
}
