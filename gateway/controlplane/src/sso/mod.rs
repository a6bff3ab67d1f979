//! Sign-in by an identity provider: out to it, back from it, and what it says later.

pub(crate) mod callback;
mod came;
pub(crate) mod client_keys;
pub(crate) mod discover;
pub(crate) mod provider_logout;
mod provisioned;
pub(crate) mod start;

use cedargate_assertion::TenantScope;
use cedargate_identity::Identity;
use cedargate_idp_adapters::oidc::Refused;
use cedargate_model::{ConnectionName, EventBody, PrincipalId, RefusalCode, SessionId, SigninReason, SigninResult};

use crate::RecordUnavailable;
use crate::problem::{FAILED, Problem};
use crate::recorder::signin_event;
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::visit::Visit;

/// One thing that became of a connection's sign-in.
pub(crate) struct Became<'b> {
    pub(crate) connection: Option<&'b ConnectionName>,
    pub(crate) result: SigninResult,
    pub(crate) reason: Option<SigninReason>,
    pub(crate) who: Option<(PrincipalId, SessionId)>,
    /// The sessions that end because this one begins.
    pub(crate) ended: &'b [SessionId],
}

/// Makes the event durable. Nobody learns the outcome before that.
pub(crate) async fn record(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    became: Became<'_>,
) -> Result<(), Problem> {
    let event = signin_event(visit, tenant, became.result, became.who);
    let mut event = event.map_err(|error| Problem::new(FAILED).because(error))?;
    if let EventBody::Signin(signin) = &mut event.body {
        signin.connection = became.connection.cloned();
        signin.reason = became.reason;
        signin.ended = became.ended.to_vec();
    }
    let unrecorded =
        |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    control_plane.recorder.record(event).await.map_err(unrecorded)
}

/// The origin that the request came to, as a provider knows it: `https://acme.gateway.example`.
pub(crate) fn origin(visit: &Visit) -> String {
    format!("{}://{}", visit.scheme.as_str(), visit.host)
}

/// Where the provider sends people back to. Each connection has its own: an answer that arrives at another's is a mix-up
/// (RFC 9700 §4.4.2).
fn redirect_uri(visit: &Visit, connection: &ConnectionName) -> String {
    format!("{}/auth/sso/{connection}/callback", origin(visit))
}

/// Where a sign-in by this connection begins. Whoever is signed in and wants to sign in `again` is to prove anew who they are: a
/// provider that goes by a session of its own would send them back as they were.
pub(crate) fn start_href(connection: &ConnectionName, return_to: &ReturnTo, again: bool) -> String {
    let again = if again { "again=1&" } else { "" };
    match return_to.is_home() && again.is_empty() {
        true => format!("/auth/sso/{connection}"),
        false => format!("/auth/sso/{connection}?{again}return_to={}", return_to.as_query_value()),
    }
}

/// Where whoever is signed in proves anew, there and then, who they are, and comes back to `return_to`.
pub(crate) fn start_anew_href(connection: &ConnectionName, return_to: &ReturnTo) -> String {
    format!("/auth/sso/{connection}?max_age=0&return_to={}", return_to.as_query_value())
}

/// What an ID token is sealed for: the sessions of this person by this connection.
pub(crate) fn sealed_name(tenant: &TenantScope, identity: &Identity) -> String {
    let Identity { connection, issuer, subject } = identity;
    format!("id_token {} {connection} {issuer} {subject}", tenant.id)
}

/// Notes for the operator what was behind a refusal, which the record has as a code alone.
pub(crate) fn log_cause(visit: &Visit, connection: &ConnectionName, refused: &Refused) {
    tracing::info!(
        error = refused as &dyn std::error::Error,
        cedargate.connection = %connection,
        cedargate.signin.reason = refused.reason.as_str(),
        cedargate.request.id = %visit.request,
        "a sign-in by a provider was refused"
    );
}
