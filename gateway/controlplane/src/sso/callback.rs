//! Back from the provider.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{
    Account, Arrival, ArriveError, Arrived, Attempt, Begun, BrowserSecret, CreateSessionError, Departed, Federation,
    Identity, Ready, SealedIdToken, SignIn, SpendAttemptError, StoreError,
};
use cedargate_idp_adapters::connection::{Judgement, LiveConnection, Verdict};
use cedargate_idp_adapters::oidc::{AuthorizationResponse, SignedIn, UnderWay};
use cedargate_idp_adapters::saml::NameId;
use cedargate_model::{AccountAct, ConnectionName, Micros, PrincipalId, RefusalCode, SigninReason, SigninResult};
use http::{HeaderMap, HeaderValue, header};

use super::provisioned::Confirming;
use super::{Became, log_cause, provisioned, record, redirect_uri, sealed_name};
use crate::cookie;
use crate::page::refusal;
use crate::problem::{FAILED, Problem, SSO_FAILED};
use crate::recorder::provider_event;
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};

/// How old a sign-in counts as where the provider does not say when the person last proved who they are. The provider's session
/// may be of any age: policies that ask for freshness must not take the visit to the provider for it.
const UNSAID_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the browser brings back. Of a parameter that stands twice nobody knows which one the provider meant.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brought {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
    repeated: bool,
}

/// What ends a sign-in: a refusal for the record, or a failure of ours.
pub(crate) enum Ended {
    Refused(SigninReason),
    Problem(Problem),
}

/// `GET /auth/sso/{connection}/callback`: the provider's answer, by way of the browser.
pub(crate) async fn get(
    State(control_plane): State<Arc<ControlPlane>>,
    visit: Visit,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Site::Tenant(tenant) = visit.site() else {
        return refusal::show(Problem::new(RefusalCode::RouteUnknown).of_request(visit.request));
    };
    let tenant = tenant.clone();
    let brought = Brought::read(query.as_deref().unwrap_or_default());
    let browser = cookie::signin_secret(visit.scheme, &headers);
    // On a task of its own: a browser that goes away must not keep the attempt from being spent and recorded.
    let arriving = arrive(control_plane, visit.clone(), tenant, name, brought, browser);
    let outcome = match tokio::spawn(arriving).await {
        Ok(outcome) => outcome,
        Err(lost) => Err(Problem::new(FAILED).because(lost)),
    };
    match outcome {
        Ok(response) => response,
        Err(problem) => refusal::show(problem.of_request(visit.request)),
    }
}

async fn arrive(
    control_plane: Arc<ControlPlane>,
    visit: Visit,
    tenant: TenantScope,
    name: String,
    brought: Brought,
    browser: Option<BrowserSecret>,
) -> Result<Response, Problem> {
    let connections = control_plane.connections.load_full();
    let live = connections.find(&tenant.name, &name);
    let arrived = match live {
        Some(live) => complete(&control_plane, &visit, &tenant, live, &brought, browser.as_ref()).await,
        None => Err(Ended::Refused(SigninReason::ConnectionUnknown)),
    };
    let connection = live.map(|live| &live.connection.name);
    match arrived {
        Ok((begun, attempt)) => welcome(&control_plane, &visit, &tenant, connection, &begun, &attempt).await,
        Err(Ended::Problem(problem)) => Err(problem),
        Err(Ended::Refused(reason)) => {
            let became = Became { connection, result: SigninResult::Failed, reason: Some(reason), who: None };
            record(&control_plane, &visit, &tenant, became).await?;
            // One answer for all of them: what was wrong is the record's to know.
            Err(Problem::new(SSO_FAILED))
        }
    }
}

/// Spends the attempt, believes the provider or not, and begins a session.
async fn complete(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    brought: &Brought,
    browser: Option<&BrowserSecret>,
) -> Result<(Begun, Attempt), Ended> {
    let name = &live.connection.name;
    let (state, attempt) = spend(control_plane, visit, tenant, name, brought, browser).await?;
    let browser = browser.ok_or(Ended::Refused(SigninReason::BrowserMismatch))?;
    let response = AuthorizationResponse {
        code: brought.code.as_deref(),
        error: brought.error.as_deref(),
        iss: brought.iss.as_deref(),
    };
    let redirect_uri = redirect_uri(visit, name);
    let under_way = UnderWay { attempt: &attempt, state, browser, redirect_uri: &redirect_uri };
    let client = live.oidc().ok_or(Ended::Refused(SigninReason::ConnectionUnknown))?;
    let signed_in = client.complete(name, response, under_way, visit.now).await.map_err(|refused| {
        log_cause(visit, name, &refused);
        Ended::Refused(refused.reason)
    })?;
    let begun = begin(control_plane, visit, tenant, live, &attempt, signed_in).await?;
    Ok((begun, attempt))
}

async fn spend<'b>(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    connection: &ConnectionName,
    brought: &'b Brought,
    browser: Option<&BrowserSecret>,
) -> Result<(&'b str, Attempt), Ended> {
    let state = brought.state.as_deref().filter(|_| !brought.repeated);
    let state = state.ok_or(Ended::Refused(SigninReason::StateUnknown))?;
    let spent = control_plane.attempts.spend(tenant.id, connection, state, browser, visit.now).await;
    Ok((state, spent.map_err(unspent)?))
}

/// What an answer ends in that belongs to no sign-in.
pub(crate) fn unspent(error: SpendAttemptError) -> Ended {
    match error {
        SpendAttemptError::Unknown => Ended::Refused(SigninReason::StateUnknown),
        SpendAttemptError::Spent => Ended::Refused(SigninReason::StateSpent),
        SpendAttemptError::Expired => Ended::Refused(SigninReason::StateExpired),
        SpendAttemptError::ConnectionDiffers => Ended::Refused(SigninReason::ConnectionMismatch),
        SpendAttemptError::BrowserDiffers => Ended::Refused(SigninReason::BrowserMismatch),
        SpendAttemptError::Store(error) => Ended::Problem(store_unavailable(error)),
    }
}

/// Finds or makes the account, and begins a session: always a new one, whatever the browser had.
pub(crate) async fn begin(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    attempt: &Attempt,
    signed_in: SignedIn,
) -> Result<Begun, Ended> {
    let SignedIn { mut federation, claims, auth_time, ends_by, id_token } = signed_in;
    let judged = live.connection.judge(&claims);
    // Of whom the provider told before, that decides; of all others, what it says now.
    let told = (&federation, &claims);
    let confirming = Confirming { person: attempt.person, is_too_weak: is_too_weak(attempt, &judged) };
    let account = match provisioned::arrive(control_plane, visit, tenant, live, told, confirming).await? {
        Some(account) => account,
        None => by_claims(control_plane, visit, tenant, attempt, &federation, &judged).await?,
    };
    if let Some(id_token) = id_token {
        let sealed = control_plane.vault.seal(&sealed_name(tenant, &federation.identity), &id_token);
        // Without it the provider asks the person before it signs them out; what is wrong with the key is said at once.
        let sealed = sealed.map_err(|error| Ended::Problem(Problem::new(FAILED).because(error)))?;
        federation.id_token = Some(SealedIdToken(sealed));
    }
    let sign_in = SignIn {
        tenant: tenant.id,
        principal: account.id,
        strength: judged.strength,
        // A form of another site's page brings no session cookie: then the session is the one that the sign-in was begun from.
        replaces: visit.signed_in().map(|signed_in| signed_in.session).or(attempt.session),
        device: visit.device(),
    };
    let sessions = &control_plane.sessions;
    let begun = match (auth_time, attempt.max_age_seconds) {
        // Asked for there and then, and said: whoever let it through has held one against the other.
        (Some(auth_time), Some(0)) => {
            sessions.create_proved_anew(sign_in, &federation, auth_time, ends_by, visit.now).await
        }
        (auth_time, _) => {
            let authenticated_at = auth_time.unwrap_or_else(|| earlier(visit.now, UNSAID_AGE));
            sessions.create_federated(sign_in, &federation, authenticated_at, ends_by, visit.now).await
        }
    };
    begun.map_err(|error| match error {
        CreateSessionError::AccountUnusable(_) => Ended::Refused(SigninReason::AccountDisabled),
        CreateSessionError::EndedByProvider => Ended::Refused(SigninReason::SamlSessionOver),
        CreateSessionError::Entropy(error) => Ended::Problem(Problem::new(FAILED).because(error)),
        CreateSessionError::Store(error) => Ended::Problem(store_unavailable(error)),
    })
}

fn is_too_weak(attempt: &Attempt, judged: &Judgement) -> bool {
    attempt.level.is_some_and(|level| judged.strength.level < level)
}

/// The account of somebody by what the provider says now: found, or made where the connection admits them.
async fn by_claims(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    attempt: &Attempt,
    federation: &Federation,
    judged: &Judgement,
) -> Result<Account, Ended> {
    let identity = &federation.identity;
    let admit = match judged.verdict {
        Verdict::Admitted => true,
        Verdict::IfKnown => false,
        Verdict::Refused(reason) => {
            depart(control_plane, visit, tenant, identity).await?;
            return Err(Ended::Refused(reason));
        }
    };
    if is_too_weak(attempt, judged) {
        return Err(Ended::Refused(SigninReason::StrengthTooLow));
    }
    if let Some(person) = attempt.person {
        // Before anything is written: somebody else's arrival is no confirmation.
        let found = control_plane.identities.find(tenant.id, identity).await;
        let found = found.map_err(|error| Ended::Problem(store_unavailable(error)))?;
        if found.is_none_or(|account| account.id != person) {
            return Err(Ended::Refused(SigninReason::PersonDiffers));
        }
    }
    let name_id = federation.name_id.as_deref().and_then(NameId::from_json);
    let arrival = Arrival {
        identity: identity.clone(),
        display: judged.display.clone(),
        roles: judged.roles.clone(),
        admit,
        name_id_format: name_id.map(|name_id| name_id.format().to_owned()),
    };
    let arrived = match control_plane.identities.arrive(tenant.id, &arrival, visit.now).await {
        Ok(arrived) => arrived,
        Err(ArriveError::NotAdmitted) => return Err(Ended::Refused(SigninReason::NotAdmitted)),
        Err(ArriveError::AccountDisabled(_)) => return Err(Ended::Refused(SigninReason::AccountDisabled)),
        Err(ArriveError::FormatDiffers(_)) => return Err(Ended::Refused(SigninReason::SamlNameId)),
        Err(ArriveError::Store(error)) => return Err(Ended::Problem(store_unavailable(error))),
        Err(error @ (ArriveError::Roles(_) | ArriveError::Entropy(_))) => {
            return Err(Ended::Problem(Problem::new(FAILED).because(error)));
        }
    };
    admitted(control_plane, visit, tenant, &identity.connection, arrived).await
}

/// Makes durable what an arrival does to an account, and then does it.
async fn admitted(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    connection: &ConnectionName,
    arrived: Ready<Arrived>,
) -> Result<Account, Ended> {
    let Arrived { account, created, roles_changed } = arrived.change();
    let roles = account.roles.clone();
    let act = match (created, roles_changed) {
        (true, _) => Some(AccountAct::AccountCreated { roles }),
        (false, true) => Some(AccountAct::RolesChanged { roles }),
        (false, false) => None,
    };
    if let Some(act) = act {
        record_of_provider(control_plane, visit, tenant, connection, account.id, act).await?;
    }
    let arrived = arrived.commit().await.map_err(|error| Ended::Problem(store_unavailable(error)))?;
    Ok(arrived.account)
}

/// The provider's word no longer lets this person in: what they had from an earlier one goes, now that it is known.
async fn depart(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    identity: &Identity,
) -> Result<(), Ended> {
    let unavailable = |error| Ended::Problem(store_unavailable(error));
    let Some(departing) = control_plane.identities.depart(tenant.id, identity).await.map_err(unavailable)? else {
        return Ok(());
    };
    let &Departed { account, roles_taken, ref ended } = departing.change();
    let ended: Vec<_> = ended.sessions.iter().map(|ended| ended.session).collect();
    let taken = roles_taken.then(|| AccountAct::RolesChanged { roles: Vec::new() });
    let ended = (!ended.is_empty()).then_some(AccountAct::SessionsEnded { ended });
    for act in [taken, ended].into_iter().flatten() {
        record_of_provider(control_plane, visit, tenant, &identity.connection, account, act).await?;
    }
    let departed = departing.commit().await.map_err(unavailable)?;
    control_plane.sessions.forget_federated(departed.ended);
    Ok(())
}

pub(crate) async fn record_of_provider(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    connection: &ConnectionName,
    principal: PrincipalId,
    act: AccountAct,
) -> Result<(), Ended> {
    let event = provider_event(visit, tenant, connection, principal, act)
        .map_err(|error| Ended::Problem(Problem::new(FAILED).because(error)))?;
    let unrecorded = |error| Ended::Problem(Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5));
    control_plane.recorder.record(event).await.map_err(unrecorded)
}

/// Records that somebody is signed in, and only then tells the browser.
pub(crate) async fn welcome(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    connection: Option<&ConnectionName>,
    begun: &Begun,
    attempt: &Attempt,
) -> Result<Response, Problem> {
    let who = Some((begun.principal.id, begun.principal.session));
    let became = Became { connection, result: SigninResult::Succeeded, reason: None, who };
    if let Err(problem) = record(control_plane, visit, tenant, became).await {
        // Nobody has its token, and now nobody gets it.
        if let Err(error) = control_plane.sessions.end(tenant.id, begun.principal.session).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an unrecorded session could not be ended");
        }
        return Err(problem);
    }
    let session = cookie::set(visit.scheme, &begun.token).map_err(|error| Problem::new(FAILED).because(error))?;
    // Checked when it was stored, and again now: a `Location` is not taken from a store on trust.
    let mut response = Redirect::to(ReturnTo::parse(&attempt.return_to).as_str()).into_response();
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, session);
    headers.append(header::SET_COOKIE, cookie::clear_signin(visit.scheme));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Brought {
    fn read(query: &str) -> Self {
        let mut brought = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "state" => &mut brought.state,
                "code" => &mut brought.code,
                "error" => &mut brought.error,
                "iss" => &mut brought.iss,
                // `session_state`, `scope` and the like say nothing to us.
                _ => continue,
            };
            brought.repeated |= place.is_some();
            *place = Some(value.into_owned());
        }
        brought
    }
}

pub(crate) fn store_unavailable(error: StoreError) -> Problem {
    Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5)
}

fn earlier(now: Micros, by: Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_stands_twice_is_noticed() {
        let brought = Brought::read("state=a&code=b%2Bc&iss=https%3A%2F%2Fidp.example&session_state=x&session_state=y");
        assert!(!brought.repeated);
        assert_eq!((brought.state.as_deref(), brought.code.as_deref()), (Some("a"), Some("b+c")));
        assert_eq!(brought.iss.as_deref(), Some("https://idp.example"));
        for query in ["state=a&state=a", "state=a&code=b&code=c", "state=a&iss=b&iss=b", "stat%65=a&state=b"] {
            assert!(Brought::read(query).repeated, "{query}");
        }
    }
}
