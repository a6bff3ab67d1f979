//! Where sign-ins, what people do with their accounts, and what becomes of tokens are recorded.

use async_trait::async_trait;
use cedargate_assertion::TenantScope;
use cedargate_identity::Family;
use cedargate_model::{
    AccountAct, AccountEvent, AdmissionAct, AdmissionEvent, ApiKeyId, By, ConnectionName, Event, EventBody, EventId,
    GrantId, LinkPurpose, Micros, PrincipalId, SessionId, Signin, SigninResult, TokenAct, TokenEvent,
};

use crate::visit::{SignedIn, Visit};

/// Makes events durable. The app implements it with the audit spool.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Returns once the event is durable.
    ///
    /// # Errors
    /// [`RecordUnavailable`] where it may not be; then whatever it stands for must not be answered.
    async fn record(&self, event: Event) -> Result<(), RecordUnavailable>;
}

/// The event could not be made durable. A retry may help.
#[derive(Debug, thiserror::Error)]
#[error("the event could not be recorded")]
pub struct RecordUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The event of a sign-in, a failed one, or a sign-out.
pub(crate) fn signin_event(
    visit: &Visit,
    tenant: &TenantScope,
    result: SigninResult,
    who: Option<(PrincipalId, SessionId)>,
) -> Result<Event, getrandom::Error> {
    let signin = Signin {
        decision: visit.decision,
        result,
        principal: who.map(|(principal, _)| principal),
        session: who.map(|(_, session)| session),
        client: visit.client,
        connection: None,
        reason: None,
        method: None,
        factor: None,
        ended: Vec::new(),
    };
    event(visit, tenant, EventBody::Signin(signin))
}

/// The event of something that somebody did with their own account, or tried.
pub(crate) fn account_event(
    visit: &Visit,
    tenant: &TenantScope,
    own: SignedIn,
    act: AccountAct,
) -> Result<Event, getrandom::Error> {
    person_event(visit, tenant, own.principal, Some(own.session), act)
}

/// The event of what comes of a person's act, whether they are signed in or came by a link.
pub(crate) fn person_event(
    visit: &Visit,
    tenant: &TenantScope,
    principal: PrincipalId,
    session: Option<SessionId>,
    act: AccountAct,
) -> Result<Event, getrandom::Error> {
    let done = AccountEvent {
        decision: Some(visit.decision),
        principal,
        session,
        client: Some(visit.client),
        by: By::Person,
        connection: None,
        act,
    };
    event(visit, tenant, EventBody::Account(Box::new(done)))
}

/// The event of what comes of a provider's word about somebody.
pub(crate) fn provider_event(
    visit: &Visit,
    tenant: &TenantScope,
    connection: &ConnectionName,
    principal: PrincipalId,
    act: AccountAct,
) -> Result<Event, getrandom::Error> {
    let done = AccountEvent {
        decision: Some(visit.decision),
        principal,
        session: None,
        client: Some(visit.client),
        by: By::Provider,
        connection: Some(connection.clone()),
        act,
    };
    event(visit, tenant, EventBody::Account(Box::new(done)))
}

/// The event of a link that was asked for, or used.
pub(crate) fn admission_event(
    visit: &Visit,
    tenant: &TenantScope,
    purpose: LinkPurpose,
    principal: Option<PrincipalId>,
    subject: Option<uuid::Uuid>,
    act: AdmissionAct,
) -> Result<Event, getrandom::Error> {
    let done = AdmissionEvent {
        decision: Some(visit.decision),
        purpose,
        principal,
        subject,
        client: Some(visit.client),
        by: By::Person,
        act,
    };
    event(visit, tenant, EventBody::Admission(Box::new(done)))
}

/// Whose token, and what it was issued for.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenFacts {
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) api_key: Option<ApiKeyId>,
    pub(crate) grant: Option<GrantId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) issuer: Option<ConnectionName>,
}

impl From<Family> for TokenFacts {
    fn from(family: Family) -> Self {
        let Family { grant, session, principal, .. } = family;
        Self { principal: Some(principal), grant: Some(grant), session: Some(session), ..Self::default() }
    }
}

/// The event of a token that was issued, refused or revoked.
pub(crate) fn token_event(
    visit: &Visit,
    tenant: &TenantScope,
    facts: TokenFacts,
    act: TokenAct,
) -> Result<Event, getrandom::Error> {
    let TokenFacts { principal, api_key, grant, session, issuer } = facts;
    let (decision, client) = (visit.decision, visit.client);
    let done = TokenEvent { decision, client, principal, api_key, grant, session, issuer, act };
    event(visit, tenant, EventBody::Token(Box::new(done)))
}

/// An id that sorts by time (UUIDv7, RFC 9562 §5.7).
pub(crate) fn id_at(now: Micros) -> Result<uuid::Uuid, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = u64::try_from(now.0.div_euclid(1_000)).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn event(visit: &Visit, tenant: &TenantScope, body: EventBody) -> Result<Event, getrandom::Error> {
    let id = EventId(id_at(visit.now)?);
    Ok(Event { id, at: visit.now, tenant: Some(tenant.name.clone()), body })
}
