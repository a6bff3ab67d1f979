//! `POST /auth/token`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{
    ExchangeError, Family, FamilyStanding, FindProgramError, Granted, MEMBER, PresentedRefresh, PresentedSecret,
    PresentedToken, ProgramRefused, RefreshError, SecretKind,
};
use cedargate_model::{
    AccessToken, ApiKeyId, GrantType, Micros, Principal, PrincipalId, RefusalCode, RoleName, SessionId, TokenAct,
    TokenId, TokenReason, TokenSource,
};
use cedargate_tokens::LIFETIME;
use http::HeaderMap;

use super::form::Form;
use super::rate::Exceeded;
use super::reply::{OauthError, Tokens};
use super::{Office, client};
use crate::RecordUnavailable;
use crate::own::unavailable;
use crate::problem::{FAILED, Problem};
use crate::recorder::{TokenFacts, id_at, token_event};
use crate::visit::{Site, Visit};

/// The grant of RFC 8693.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The grant of RFC 7523 §2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What is exchanged: a JWT of an issuer elsewhere, in either of the names that there are for one (RFC 8693 §3).
pub(super) const JWT_TOKEN_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
/// What is exchanged: the value of a session's cookie.
pub(super) const SESSION_TOKEN_TYPE: &str = "urn:cedargate:params:oauth:token-type:session";
/// What it is exchanged for.
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The shortest life of a token.
const LIFETIME_MIN: Duration = Duration::from_secs(1);

/// The longest parameter that names something.
const PARAMETER_BYTES_MAX: usize = 2 * 1024;

/// Asks for a token by any grant.
pub(super) async fn post(State(office): State<Arc<Office>>, visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    answer(office, visit, headers, body, None).await
}

/// `POST /auth/refresh`: the same for refresh tokens alone, `grant_type` or not.
pub(super) async fn post_refresh(
    State(office): State<Arc<Office>>,
    visit: Visit,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(office, visit, headers, body, Some(GrantType::RefreshToken)).await
}

async fn answer(
    office: Arc<Office>,
    visit: Visit,
    headers: HeaderMap,
    body: Bytes,
    only: Option<GrantType>,
) -> Response {
    let request = visit.request;
    let Site::Tenant(tenant) = visit.site() else {
        return Problem::new(RefusalCode::RouteUnknown).of_request(request).into_response();
    };
    let tenant = tenant.clone();
    // On a task of its own: a client that goes away must not keep a failure from being counted and recorded.
    let asked = tokio::spawn(async move {
        Desk { office: &office, visit: &visit, tenant: &tenant }.serve(&headers, &body, only).await
    });
    match asked.await {
        Ok(Ok(tokens)) => tokens.into_response(),
        Ok(Err(Refused::Told(error))) => error.into_response(),
        Ok(Err(Refused::Failed(problem))) => problem.of_request(request).into_response(),
        Err(lost) => Problem::new(FAILED).because(lost).of_request(request).into_response(),
    }
}

/// No token.
enum Refused {
    /// For a reason that the client may hear of, in the standard's words.
    Told(OauthError),
    /// Something of ours is away or broken.
    Failed(Problem),
}

impl From<OauthError> for Refused {
    fn from(error: OauthError) -> Self {
        Self::Told(error)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// Why there is no token, before it is recorded.
enum Why {
    /// Nothing was proved. What is known all the same is for the record.
    Reason(TokenReason, TokenFacts),
    /// A client that is known asked for what it cannot have: no failure of its address, where others may be.
    Asked(TokenReason, TokenFacts),
    /// A client that is known is over its rate.
    Rate(Exceeded, TokenFacts),
    /// A refresh token was shown again: its family has ended.
    Reused(Family),
    Failed(Problem),
}

impl From<TokenReason> for Why {
    fn from(reason: TokenReason) -> Self {
        Self::Reason(reason, TokenFacts::default())
    }
}

/// What a token is issued for.
struct Issue {
    by: GrantType,
    source: TokenSource,
    principal: PrincipalId,
    narrowed: Option<Vec<RoleName>>,
    /// The roles that it has at present.
    scope: Vec<RoleName>,
    granted: Option<Granted>,
    /// What the record is told.
    facts: TokenFacts,
    /// When the word that it is issued for ends.
    ends_by: Option<Micros>,
}

/// One request for a token.
struct Desk<'d> {
    office: &'d Office,
    visit: &'d Visit,
    tenant: &'d TenantScope,
}

impl Desk<'_> {
    async fn serve(&self, headers: &HeaderMap, body: &Bytes, only: Option<GrantType>) -> Result<Tokens, Refused> {
        let basic = headers.contains_key(http::header::AUTHORIZATION);
        let mut by = only;
        let issued = match self.judge(headers, body, &mut by).await {
            Ok(issue) => self.issue(issue).await,
            Err(why) => Err(why),
        };
        let why = match issued {
            Ok(tokens) => return Ok(tokens),
            Err(why) => why,
        };
        let (client, now) = (self.visit.client, self.visit.now);
        match why {
            Why::Failed(problem) => Err(problem.into()),
            Why::Reused(family) => {
                self.record(family.into(), TokenAct::Reused).await?;
                self.forget(family).await;
                // Told as any other refusal, whatever the address has left.
                let _ = self.office.rates.failed(client, now);
                tracing::warn!(
                    cedargate.tenant = self.tenant.name.as_str(),
                    cedargate.grant.id = %family.grant,
                    "a refresh token was used twice: its family has ended"
                );
                Err(Refused::Told(OauthError::reused()))
            }
            Why::Asked(reason, facts) => Err(self.refuse(facts, by, reason, basic).await?.into()),
            Why::Rate(over, facts) => Err(self.waits(over, facts, by, basic).await?.into()),
            // Only what failed waits for its address: behind one address there are many, and a good credential is nobody's guess.
            Why::Reason(reason, facts) => match self.office.rates.failed(client, now) {
                Ok(()) => Err(self.refuse(facts, by, reason, basic).await?.into()),
                Err(over) => Err(self.waits(over, facts, by, basic).await?.into()),
            },
        }
    }

    /// Refuses for a rate. Of the many in one window the first is recorded, beside the decision that let each of them through.
    async fn waits(
        &self,
        over: Exceeded,
        facts: TokenFacts,
        by: Option<GrantType>,
        basic: bool,
    ) -> Result<OauthError, Problem> {
        let reason = TokenReason::RateExceeded;
        let error = match over.is_first {
            true => self.refuse(facts, by, reason, basic).await?,
            false => OauthError::new(reason, basic),
        };
        Ok(error.retry_after(over.retry_after_seconds))
    }

    async fn refuse(
        &self,
        facts: TokenFacts,
        by: Option<GrantType>,
        reason: TokenReason,
        basic: bool,
    ) -> Result<OauthError, Problem> {
        self.record(facts, TokenAct::Refused { by, reason }).await?;
        Ok(OauthError::new(reason, basic))
    }

    async fn judge(&self, headers: &HeaderMap, body: &Bytes, by: &mut Option<GrantType>) -> Result<Issue, Why> {
        let form = Form::read(headers, body)?;
        let grant_type = match (form.get("grant_type"), *by) {
            (None, Some(only)) => only,
            (None, None) => return Err(TokenReason::RequestMalformed.into()),
            (Some("client_credentials"), None) => GrantType::ClientCredentials,
            (Some("refresh_token"), _) => GrantType::RefreshToken,
            (Some(TOKEN_EXCHANGE), None) => GrantType::TokenExchange,
            (Some(JWT_BEARER), None) => GrantType::JwtBearer,
            (Some(_), _) => return Err(TokenReason::GrantUnsupported.into()),
        };
        *by = Some(grant_type);
        // Two proofs, of which one would be judged and the other overlooked.
        if proofs_of_others(grant_type).iter().any(|name| form.get(name).is_some()) {
            return Err(TokenReason::CredentialsAmbiguous.into());
        }
        match grant_type {
            GrantType::ClientCredentials => self.for_key(headers, &form).await,
            // Public: what is shown is the whole of the proof.
            GrantType::RefreshToken | GrantType::TokenExchange | GrantType::JwtBearer
                if client::is_shown(headers, &form) =>
            {
                Err(TokenReason::CredentialsAmbiguous.into())
            }
            GrantType::RefreshToken => self.for_refresh(&form).await,
            GrantType::TokenExchange => match form.get("subject_token_type") {
                Some(kind) if JWT_TOKEN_TYPES.contains(&kind) => {
                    self.for_assertion(GrantType::TokenExchange, form.get("subject_token"), &form).await
                }
                _ => self.for_session(&form).await,
            },
            GrantType::JwtBearer => self.for_assertion(GrantType::JwtBearer, form.get("assertion"), &form).await,
        }
    }

    /// What the token is to be for, and what it is to have.
    fn asked(&self, form: &Form) -> Result<Option<Vec<RoleName>>, TokenReason> {
        let url = self.office.control_plane.tokens.load().url(&self.tenant.name);
        // RFC 8707, RFC 8693 §2.1: a token is for this address alone, whoever says so.
        if ["resource", "audience"].iter().filter_map(|name| form.get(name)).any(|target| target != url) {
            return Err(TokenReason::TargetInvalid);
        }
        form.get("scope").map(scope).transpose()
    }

    /// The same question to the store whether there is such a client or not, and the same answer.
    async fn for_key(&self, headers: &HeaderMap, form: &Form) -> Result<Issue, Why> {
        let shown = client::shown(headers, form)?;
        let key =
            PresentedSecret::parse(SecretKind::ApiKey, &shown.secret).map_err(|_| TokenReason::SecretMalformed)?;
        let (tenant, now) = (self.tenant.id, self.visit.now);
        let found = self.office.control_plane.sessions.find_api_key(tenant, &key, now).await;
        let program = found.map_err(|error| match error {
            FindProgramError::Refused(refused) => Why::Reason(reason(refused), shown_key(&key, refused)),
            FindProgramError::Store(error) => Why::Failed(unavailable(error)),
        })?;
        let key = ApiKeyId(program.session.0);
        let facts = TokenFacts { principal: Some(program.id), api_key: Some(key), ..TokenFacts::default() };
        // By the key's id, in the one spelling that we give it out in.
        if key.to_string() != shown.id {
            return Err(Why::Reason(TokenReason::ClientMismatch, facts));
        }
        self.count(program.session, facts.clone())?;
        let asked = |reason| Why::Asked(reason, facts.clone());
        let scope = self.asked(form).map_err(asked)?;
        Ok(Issue {
            by: GrantType::ClientCredentials,
            source: TokenSource::ApiKey(key),
            principal: program.id,
            scope: narrowed(&program, scope.as_deref()).map_err(asked)?,
            narrowed: scope,
            granted: None,
            facts,
            ends_by: None,
        })
    }

    async fn for_session(&self, form: &Form) -> Result<Issue, Why> {
        let wanted = form.get("requested_token_type").unwrap_or(ACCESS_TOKEN_TYPE);
        let is_ours = form.get("subject_token_type") == Some(SESSION_TOKEN_TYPE) && wanted == ACCESS_TOKEN_TYPE;
        if !is_ours || form.get("actor_token").is_some() {
            return Err(TokenReason::RequestMalformed.into());
        }
        let shown = form.get("subject_token").ok_or(TokenReason::RequestMalformed)?;
        let session = PresentedToken::parse(shown).ok_or(TokenReason::SessionUnknown)?;
        let (sessions, now) = (&self.office.control_plane.sessions, self.visit.now);
        let found =
            sessions.find(self.tenant.id, &session, now).await.map_err(|error| Why::Failed(unavailable(error)))?;
        let person = found.ok_or(TokenReason::SessionUnknown)?;
        let facts = TokenFacts { principal: Some(person.id), session: Some(person.session), ..TokenFacts::default() };
        self.count(person.session, facts.clone())?;
        let asked = |reason| Why::Asked(reason, facts.clone());
        let scope = self.asked(form).map_err(asked)?;
        let has = narrowed(&person, scope.as_deref()).map_err(asked)?;
        let granted = sessions.exchange(&person, has, now).await.map_err(|error| match error {
            ExchangeError::SessionGone(_) => TokenReason::SessionUnknown.into(),
            ExchangeError::Roles => asked(TokenReason::ScopeInvalid),
            ExchangeError::Entropy(error) => Why::Failed(Problem::new(FAILED).because(error)),
            ExchangeError::Store(error) => Why::Failed(unavailable(error)),
        })?;
        Ok(Self::of_grant(GrantType::TokenExchange, granted))
    }

    /// For the word of an issuer elsewhere. What it vouches for is looked at before anything is spent.
    async fn for_assertion(&self, by: GrantType, shown: Option<&str>, form: &Form) -> Result<Issue, Why> {
        let wanted = form.get("requested_token_type").unwrap_or(ACCESS_TOKEN_TYPE);
        if wanted != ACCESS_TOKEN_TYPE || form.get("actor_token").is_some() {
            return Err(TokenReason::RequestMalformed.into());
        }
        let shown = shown.ok_or(TokenReason::RequestMalformed)?;
        let (tenant, now) = (self.tenant.id, self.visit.now);
        let control_plane = &self.office.control_plane;
        let url = control_plane.tokens.load().url(&self.tenant.name);
        let workloads = control_plane.workloads.load_full();
        let vouched = workloads.judge(&self.tenant.name, &url, shown, now).await.map_err(|refused| {
            if let Some(cause) = &refused.cause {
                tracing::warn!(error = &**cause as &dyn std::error::Error, "an issuer of programs cannot be asked");
            }
            let facts = TokenFacts { issuer: refused.issuer, ..TokenFacts::default() };
            match refused.reason {
                // Whoever shows it, here or behind the same address, has no part in that.
                TokenReason::IssuerUnavailable => Why::Asked(refused.reason, facts),
                reason => Why::Reason(reason, facts),
            }
        })?;
        let facts = TokenFacts { issuer: Some(vouched.issuer.clone()), ..TokenFacts::default() };
        let found = control_plane.sessions.find_workload(tenant, &vouched.service_account, now).await;
        let program = found.map_err(|error| match error {
            FindProgramError::Refused(ProgramRefused::AccountDisabled) => {
                Why::Reason(TokenReason::AccountDisabled, facts.clone())
            }
            FindProgramError::Refused(_) => Why::Reason(TokenReason::AssertionClaims, facts.clone()),
            FindProgramError::Store(error) => Why::Failed(unavailable(error)),
        })?;
        let facts = TokenFacts { principal: Some(program.id), ..facts };
        // By what the issuer calls the program: one account may stand for many.
        let subject = vouched.subject.first_chunk().copied().map(uuid::Uuid::from_bytes).unwrap_or_default();
        self.count(SessionId(subject), facts.clone())?;
        let asked = |reason| Why::Asked(reason, facts.clone());
        let scope = self.asked(form).map_err(asked)?;
        let has = narrowed(&program, scope.as_deref()).map_err(asked)?;
        if let Some((name, until)) = &vouched.once {
            let spent = control_plane.sessions.spend_assertion(tenant, name, *until, now).await;
            if !spent.map_err(|error| Why::Failed(unavailable(error)))? {
                return Err(Why::Reason(TokenReason::AssertionReplayed, facts));
            }
        }
        let source = TokenSource::Workload(program.id);
        let ends_by = Some(vouched.expires_at);
        Ok(Issue { by, source, principal: program.id, narrowed: scope, scope: has, granted: None, facts, ends_by })
    }

    async fn for_refresh(&self, form: &Form) -> Result<Issue, Why> {
        // A family keeps what it was narrowed to: another scope is asked for by another exchange. Before the token is spent.
        if self.asked(form)?.is_some() {
            return Err(TokenReason::ScopeInvalid.into());
        }
        let shown = form.get("refresh_token").ok_or(TokenReason::RequestMalformed)?;
        let shown = PresentedRefresh::parse(shown).map_err(|_| TokenReason::RefreshUnknown)?;
        let (sessions, tenant) = (&self.office.control_plane.sessions, self.tenant.id);
        let found = sessions.find_family(tenant, &shown).await.map_err(|error| Why::Failed(unavailable(error)))?;
        let family = found.ok_or(TokenReason::RefreshUnknown)?;
        let facts = TokenFacts::from(family);
        if family.standing == FamilyStanding::Counts {
            self.count(SessionId(family.grant.0), facts.clone())?;
        }
        let granted = sessions.refresh(tenant, &shown, self.visit.now).await.map_err(|error| match error {
            RefreshError::Unknown => Why::Reason(TokenReason::RefreshUnknown, facts.clone()),
            RefreshError::Expired => Why::Reason(TokenReason::RefreshExpired, facts.clone()),
            RefreshError::Reused(family) => Why::Reused(family),
            RefreshError::Entropy(error) => Why::Failed(Problem::new(FAILED).because(error)),
            RefreshError::Store(error) => Why::Failed(unavailable(error)),
        })?;
        Ok(Self::of_grant(GrantType::RefreshToken, granted))
    }

    fn of_grant(by: GrantType, granted: Granted) -> Issue {
        Issue {
            by,
            source: TokenSource::Session(granted.grant),
            principal: granted.principal,
            // The family says what it is narrowed to, whenever a token of it is shown.
            narrowed: None,
            scope: granted.roles.clone(),
            facts: TokenFacts {
                principal: Some(granted.principal),
                grant: Some(granted.grant),
                session: Some(granted.session),
                ..TokenFacts::default()
            },
            granted: Some(granted),
            ends_by: None,
        }
    }

    /// By what the client shows: a key, a session, a family.
    fn count(&self, client: SessionId, facts: TokenFacts) -> Result<(), Why> {
        let counted = self.office.rates.token(self.tenant.id, client, self.visit.now);
        counted.map_err(|over| Why::Rate(over, facts))
    }

    /// Signs, makes the event durable, and only then lets anybody have it.
    async fn issue(&self, issue: Issue) -> Result<Tokens, Why> {
        let Issue { by, source, principal, narrowed, scope, granted, facts, ends_by } = issue;
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Why::Failed(Problem::new(FAILED).because(error));
        let now = self.visit.now;
        let id = TokenId(id_at(now).map_err(|error| failed(error.into()))?);
        let whole_seconds = Micros(now.epoch_seconds().saturating_mul(1_000_000));
        let longest = whole_seconds.after(LIFETIME);
        // Never longer than what it is issued for, though that may have been over for as long as clocks may differ.
        let expires_at = ends_by.map_or(longest, |ends_by| ends_by.clamp(whole_seconds.after(LIFETIME_MIN), longest));
        let token =
            AccessToken { id, subject: principal, source, roles: narrowed, issued_at: whole_seconds, expires_at };
        let authority = self.office.control_plane.tokens.load_full();
        let signed =
            authority.issue(&token, self.tenant.id, &self.tenant.name).map_err(|error| failed(error.into()))?;
        if let Err(problem) = self.record(facts, TokenAct::Issued { by, token: id }).await {
            // Nobody has them, and now nobody gets them: a family that nobody holds is not left behind.
            if let Some(granted) = &granted {
                self.give_up(granted).await;
            }
            return Err(Why::Failed(problem));
        }
        Ok(Tokens {
            access_token: signed,
            expires_in: expires_at.since(whole_seconds).as_secs(),
            scope: scope.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" "),
            issued_token_type: (by == GrantType::TokenExchange).then_some(ACCESS_TOKEN_TYPE),
            refresh_token: granted.map(|granted| granted.refresh.expose()),
        })
    }

    async fn give_up(&self, granted: &Granted) {
        let Ok(shown) = PresentedRefresh::parse(&granted.refresh.expose()) else { return };
        match self.office.control_plane.sessions.revoke_refresh(self.tenant.id, &shown).await {
            Ok(Some(family)) => self.forget(family).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an unrecorded family of tokens could not be ended"
            ),
        }
    }

    async fn forget(&self, family: Family) {
        forget(self.office, self.tenant, family).await;
    }

    async fn record(&self, facts: TokenFacts, act: TokenAct) -> Result<(), Problem> {
        record(self.office, self.visit, self.tenant, facts, act).await
    }
}

/// Parameters that prove something in other grants than this, or in none that there is.
fn proofs_of_others(grant_type: GrantType) -> &'static [&'static str] {
    match grant_type {
        GrantType::ClientCredentials => {
            &["subject_token", "actor_token", "refresh_token", "client_assertion", "assertion"]
        }
        GrantType::RefreshToken => &["subject_token", "actor_token", "client_assertion", "assertion"],
        GrantType::TokenExchange => &["refresh_token", "client_assertion", "assertion"],
        GrantType::JwtBearer => &["subject_token", "actor_token", "refresh_token", "client_assertion"],
    }
}

/// Forgets a family whose end is recorded. If that fails its row is in nobody's way, and goes with its session.
pub(super) async fn forget(office: &Office, tenant: &TenantScope, family: Family) {
    if let Err(error) = office.control_plane.sessions.forget_family(tenant.id, family.grant).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a family of tokens that has ended stays in the store"
        );
    }
}

/// Makes an event durable.
pub(super) async fn record(
    office: &Office,
    visit: &Visit,
    tenant: &TenantScope,
    facts: TokenFacts,
    act: TokenAct,
) -> Result<(), Problem> {
    let event = token_event(visit, tenant, facts, act).map_err(|error| Problem::new(FAILED).because(error))?;
    let unrecorded =
        |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
    office.control_plane.recorder.record(event).await.map_err(unrecorded)
}

/// The roles that a scope names, each once (RFC 6749 §3.3).
fn scope(text: &str) -> Result<Vec<RoleName>, TokenReason> {
    if text.len() > PARAMETER_BYTES_MAX {
        return Err(TokenReason::ScopeInvalid);
    }
    let named: Result<Vec<_>, _> = text.split(' ').map(RoleName::parse).collect();
    let mut roles = named.map_err(|_| TokenReason::ScopeInvalid)?;
    roles.sort();
    roles.dedup();
    Ok(roles)
}

/// What of somebody's roles a token is to have. It can only narrow, and what is for people at a browser is never among it.
fn narrowed(principal: &Principal, scope: Option<&[RoleName]>) -> Result<Vec<RoleName>, TokenReason> {
    let has: Vec<_> = principal.roles.iter().filter(|role| role.as_str() != MEMBER).cloned().collect();
    match scope {
        None => Ok(has),
        Some(scope) if scope.iter().all(|role| has.contains(role)) => Ok(scope.to_vec()),
        Some(_) => Err(TokenReason::ScopeInvalid),
    }
}

/// Whose key was shown, for the record: a key that there is says so by its hash, whether it counts or not.
fn shown_key(key: &PresentedSecret, refused: ProgramRefused) -> TokenFacts {
    let api_key = match refused {
        ProgramRefused::Unknown | ProgramRefused::Ambiguous => None,
        ProgramRefused::Expired | ProgramRefused::Revoked | ProgramRefused::AccountDisabled => {
            Some(ApiKeyId(key.unverified_id()))
        }
    };
    TokenFacts { api_key, ..TokenFacts::default() }
}

fn reason(refused: ProgramRefused) -> TokenReason {
    match refused {
        ProgramRefused::Unknown | ProgramRefused::Ambiguous => TokenReason::KeyUnknown,
        ProgramRefused::Expired => TokenReason::KeyExpired,
        ProgramRefused::Revoked => TokenReason::KeyRevoked,
        ProgramRefused::AccountDisabled => TokenReason::AccountDisabled,
    }
}
