//! Back from the provider.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{
    Arrival, ArriveError, Attempt, Beginning, Begun, CreateSessionError, Departed, Federation, Grounds, Identity,
    OneUse, OneUseOf, Ready, SealedIdToken, SignIn, StoreError, Vouched,
};
use cedargate_idp_adapters::connection::{Judgement, LiveConnection, Verdict};
use cedargate_idp_adapters::oidc::{AuthorizationResponse, SignedIn, UnderWay};
use cedargate_idp_adapters::saml::NameId;
use cedargate_idp_adapters::{FindError, FoundAttempt, InBrowser};
use cedargate_model::{AccountAct, ConnectionName, Micros, PrincipalId, RefusalCode, SigninReason, SigninResult};
use http::{HeaderMap, HeaderValue, header};

use super::came::Came;
use super::provisioned::Confirming;
use super::{Became, log_cause, provisioned, record, redirect_uri, sealed_name};
use crate::page::refusal;
use crate::problem::{FAILED, Problem, SSO_FAILED};
use crate::recorder::provider_event;
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::signin::record_new_device;
use crate::visit::{Site, Visit};
use crate::{consent, cookie};

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
    let kept = cookie::signin_kept(visit.scheme, &headers);
    // On a task of its own: a browser that goes away must not keep what comes of it from being recorded.
    let arriving = arrive(control_plane, visit.clone(), tenant, name, brought, kept);
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
    kept: Option<InBrowser>,
) -> Result<Response, Problem> {
    let connections = control_plane.connections.load_full();
    let live = connections.find(&tenant.name, &name);
    let arrived = match live {
        Some(live) => complete(&control_plane, &visit, &tenant, live, &brought, kept.as_ref()).await,
        None => Err(Ended::Refused(SigninReason::ConnectionUnknown)),
    };
    let connection = live.map(|live| &live.connection.name);
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
    tenant: &TenantScope,
    live: &LiveConnection,
    brought: &Brought,
    kept: Option<&InBrowser>,
) -> Result<(Begun, Attempt), Ended> {
    let name = &live.connection.name;
    let state = brought.state.as_deref().filter(|_| !brought.repeated);
    let state = state.ok_or(Ended::Refused(SigninReason::StateUnknown))?;
    let found = control_plane.attempts.find(tenant.id, name, state, kept, visit.now).await.map_err(not_found)?;
    let FoundAttempt { attempt, browser, once, begun_at } = found;
    let response = AuthorizationResponse {
        code: brought.code.as_deref(),
        error: brought.error.as_deref(),
        iss: brought.iss.as_deref(),
    };
    let redirect_uri = redirect_uri(visit, name);
    let under_way = UnderWay { attempt: &attempt, state, browser: &browser, redirect_uri: &redirect_uri };
    let client = live.oidc().ok_or(Ended::Refused(SigninReason::ConnectionUnknown))?;
    let signed_in = client.complete(name, response, under_way, visit.now).await.map_err(|refused| {
        log_cause(visit, name, &refused);
        control_plane.attempts.failed(state);
        Ended::Refused(refused.reason)
    })?;
    let arriving = Arriving { attempt: &attempt, once: vec![once], begun_at };
    let begun = begin(control_plane, visit, tenant, live, arriving, signed_in).await?;
    Ok((begun, attempt))
}

/// What an answer ends in that belongs to no sign-in of this browser.
pub(crate) fn not_found(error: FindError) -> Ended {
    match error {
        FindError::BrowserDiffers => Ended::Refused(SigninReason::BrowserMismatch),
        FindError::Spent => Ended::Refused(SigninReason::StateSpent),
        FindError::Expired => Ended::Refused(SigninReason::StateExpired),
        FindError::ConnectionDiffers => Ended::Refused(SigninReason::ConnectionMismatch),
        FindError::Store(error) => Ended::Problem(store_unavailable(error)),
    }
}

/// A sign-in whose answer is believed.
pub(crate) struct Arriving<'a> {
    pub(crate) attempt: &'a Attempt,
    /// What counts once: the attempt, a SAML provider's assertion.
    pub(crate) once: Vec<OneUse>,
    pub(crate) begun_at: Micros,
}

/// Finds or makes the account, and begins a session: always a new one, whatever the browser had. One transaction, which the record goes
/// before: no session without its event, and no answer used up without its session.
pub(crate) async fn begin(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    live: &LiveConnection,
    arriving: Arriving<'_>,
    signed_in: SignedIn,
) -> Result<Begun, Ended> {
    let Arriving { attempt, once, begun_at } = arriving;
    let SignedIn { mut federation, claims, auth_time, ends_by, id_token } = signed_in;
    let judged = live.connection.judge(&claims);
    // Asking the provider took its time: a connection that was removed or leads elsewhere by now lets nobody in.
    let connections = control_plane.connections.load_full();
    let still = connections.find(&tenant.name, live.connection.name.as_str());
    if still.is_none_or(|still| still.connection.kind.issuer() != &federation.identity.issuer) {
        return Err(Ended::Refused(SigninReason::ConnectionUnknown));
    }
    // Of whom the provider told before, that decides; of all others, what it says now.
    let told = (&federation, &claims);
    let confirming = Confirming { person: attempt.person, is_too_weak: is_too_weak(attempt, &judged) };
    let came = match provisioned::arrive(control_plane, visit, tenant, live, told, confirming).await? {
        Some(came) => came,
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
        principal: came.change().account.id,
        strength: judged.strength,
        // A form of another site's page brings no session cookie: then the session is the one that the sign-in was begun from.
        replaces: visit.signed_in().map(|signed_in| signed_in.session).or(attempt.session),
        device: visit.device(),
        remember: false,
    };
    let vouched = Vouched {
        federation: &federation,
        authenticated_at: auth_time.unwrap_or_else(|| earlier(visit.now, UNSAID_AGE)),
        // Asked for there and then, and said: whoever let it through has held one against the other.
        anew: auth_time.is_some() && attempt.max_age_seconds == Some(0),
        ends_by,
        begun_at,
    };
    let grounds = Grounds { once, ..Grounds::default() };
    let begun = control_plane.sessions.begin_federated(came, sign_in, vouched, &grounds, visit.now).await;
    let begun = begun.map_err(not_begun)?;
    record_arrival(control_plane, visit, tenant, &federation.identity.connection, begun.change()).await?;
    let (came, beginning) = begun.commit().await.map_err(|error| Ended::Problem(store_unavailable(error)))?;
    if let Some(ended) = came.ended {
        control_plane.sessions.forget_federated(ended);
    }
    Ok(control_plane.sessions.take_up_begun(beginning))
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
) -> Result<Ready<Came>, Ended> {
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
    match control_plane.identities.arrive(tenant.id, &arrival, visit.now).await {
        Ok(arrived) => Ok(arrived.map(Came::by_claims)),
        Err(error) => Err(not_arrived(error)),
    }
}

/// Why somebody for whom a provider vouches has no account here.
pub(super) fn not_arrived(error: ArriveError) -> Ended {
    match error {
        ArriveError::NotAdmitted => Ended::Refused(SigninReason::NotAdmitted),
        ArriveError::ClaimMissing => Ended::Refused(SigninReason::ClaimRequired),
        ArriveError::AccountDisabled(_) => Ended::Refused(SigninReason::AccountDisabled),
        ArriveError::FormatDiffers(_) => Ended::Refused(SigninReason::SamlNameId),
        ArriveError::Store(error) => Ended::Problem(store_unavailable(error)),
        error @ (ArriveError::Roles(_) | ArriveError::Entropy(_)) => {
            Ended::Problem(Problem::new(FAILED).because(error))
        }
    }
}

fn not_begun(error: CreateSessionError) -> Ended {
    match error {
        CreateSessionError::AccountUnusable(_) => Ended::Refused(SigninReason::AccountDisabled),
        CreateSessionError::UsedBefore(OneUseOf::Attempt) => Ended::Refused(SigninReason::StateSpent),
        CreateSessionError::UsedBefore(OneUseOf::SamlMessage(_)) => Ended::Refused(SigninReason::SamlReplayed),
        CreateSessionError::EndedMeanwhile => Ended::Refused(SigninReason::EndedMeanwhile),
        CreateSessionError::EndedByProvider => Ended::Refused(SigninReason::SamlSessionOver),
        error @ (CreateSessionError::Entropy(_)
        | CreateSessionError::CredentialGone
        | CreateSessionError::CounterRegressed) => Ended::Problem(Problem::new(FAILED).because(error)),
        CreateSessionError::Store(error) => Ended::Problem(store_unavailable(error)),
    }
}

/// Makes durable what an arrival does to an account, and that a session begins.
async fn record_arrival(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    connection: &ConnectionName,
    (came, beginning): &(Came, Beginning),
) -> Result<(), Ended> {
    for (principal, act) in &came.acts {
        record_of_provider(control_plane, visit, tenant, connection, *principal, act.clone()).await?;
    }
    let principal = &beginning.begun().principal;
    let who = Some((principal.id, principal.session));
    let (connection, ended) = (Some(connection), beginning.ended());
    let became = Became { connection, result: SigninResult::Succeeded, reason: None, who, ended };
    record(control_plane, visit, tenant, became).await.map_err(Ended::Problem)?;
    if beginning.is_new_device() {
        record_new_device(control_plane, visit, tenant, principal).await.map_err(Ended::Problem)?;
    }
    Ok(())
}

/// The provider's word no longer lets this person in: what they had from an earlier one goes, now that it is known.
pub(super) async fn depart(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    identity: &Identity,
) -> Result<(), Ended> {
    let unavailable = |error| Ended::Problem(store_unavailable(error));
    let Some(departing) = control_plane.identities.depart(tenant.id, identity, visit.now).await.map_err(unavailable)?
    else {
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

async fn record_of_provider(
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

/// Tells the browser that somebody is signed in: that was recorded.
pub(crate) async fn welcome(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: &TenantScope,
    begun: &Begun,
    attempt: &Attempt,
) -> Result<Response, Problem> {
    let session = cookie::set(visit.scheme, begun, visit.now).map_err(|error| Problem::new(FAILED).because(error))?;
    // Checked when it was sealed, and again now: a `Location` is not taken from a cookie on trust.
    let return_to = ReturnTo::parse(&attempt.return_to);
    let return_to = consent::before(control_plane, tenant, begun.principal.id, return_to).await;
    let mut response = Redirect::to(return_to.as_str()).into_response();
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
