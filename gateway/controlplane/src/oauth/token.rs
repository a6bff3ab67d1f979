//! `POST /auth/token`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{
    ExchangeError, FindProgramError, Granted, MEMBER, PresentedSecret, PresentedToken, ProgramRefused, RefreshError,
    SecretKind,
};
use cedargate_model::{
    AccessToken, ApiKeyId, GrantId, GrantType, Micros, Principal, PrincipalId, RefusalCode, RoleName, TokenAct,
    TokenId, TokenReason, TokenSource,
};
use cedargate_tokens::LIFETIME;
use http::HeaderMap;

use super::form::Form;
use super::reply::{OauthError, Tokens};
use super::{Office, client};
use crate::RecordUnavailable;
use crate::own::unavailable;
use crate::problem::{FAILED, Problem};
use crate::recorder::{TokenFacts, id_at, token_event};
use crate::visit::{Site, Visit};

/// The grant of RFC 8693.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is exchanged: the value of a session's cookie.
pub(super) const SESSION_TOKEN_TYPE: &str = "urn:cedargate:params:oauth:token-type:session";
/// What it is exchanged for.
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

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
    /// Nothing was proved.
    Reason(TokenReason),
    /// A client that is known asked for what it cannot have: no failure of its address, where others may be.
    Asked(TokenReason, TokenFacts),
    /// A client that is known is over its rate, for so many seconds.
    Rate(u64, TokenFacts),
    /// A refresh token was shown again: its family has ended.
    Reused(GrantId, PrincipalId),
    Failed(Problem),
}

impl From<TokenReason> for Why {
    fn from(reason: TokenReason) -> Self {
        Self::Reason(reason)
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
            Why::Reused(grant, principal) => {
                let facts = TokenFacts { principal: Some(principal), grant: Some(grant), ..TokenFacts::default() };
                self.record(facts, TokenAct::Reused).await?;
                // Told as any other refusal, whatever the address has left.
                let _ = self.office.rates.failed(client, now);
                tracing::warn!(
                    cedargate.tenant = self.tenant.name.as_str(),
                    cedargate.grant.id = %grant,
                    "a refresh token was used twice: its family has ended"
                );
                Err(Refused::Told(OauthError::reused()))
            }
            Why::Asked(reason, facts) => Err(self.refuse(facts, by, reason, basic).await?.into()),
            Why::Rate(seconds, facts) => {
                let error = self.refuse(facts, by, TokenReason::RateExceeded, basic).await?;
                Err(error.retry_after(seconds).into())
            }
            // Only what failed waits for its address: behind one address there are many, and a good credential is nobody's guess.
            Why::Reason(reason) => match self.office.rates.failed(client, now) {
                Ok(()) => Err(self.refuse(TokenFacts::default(), by, reason, basic).await?.into()),
                Err(over) => {
                    let error = self.refuse(TokenFacts::default(), by, TokenReason::RateExceeded, basic).await?;
                    Err(error.retry_after(over.retry_after_seconds).into())
                }
            },
        }
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
            GrantType::RefreshToken | GrantType::TokenExchange if client::is_shown(headers, &form) => {
                Err(TokenReason::CredentialsAmbiguous.into())
            }
            GrantType::RefreshToken => self.for_refresh(&form).await,
            GrantType::TokenExchange => self.for_session(&form).await,
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
            FindProgramError::Refused(refused) => Why::Reason(reason(refused)),
            FindProgramError::Store(error) => Why::Failed(unavailable(error)),
        })?;
        // By the key's id, in the one spelling that we give it out in.
        if program.session.to_string() != shown.id {
            return Err(TokenReason::ClientMismatch.into());
        }
        let key = ApiKeyId(program.session.0);
        let facts = TokenFacts { principal: Some(program.id), api_key: Some(key), ..TokenFacts::default() };
        self.count(&program, facts)?;
        let asked = |reason| Why::Asked(reason, facts);
        let scope = self.asked(form).map_err(asked)?;
        Ok(Issue {
            by: GrantType::ClientCredentials,
            source: TokenSource::ApiKey(key),
            principal: program.id,
            scope: narrowed(&program, scope.as_deref()).map_err(asked)?,
            narrowed: scope,
            granted: None,
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
        let facts = TokenFacts { principal: Some(person.id), ..TokenFacts::default() };
        self.count(&person, facts)?;
        let asked = |reason| Why::Asked(reason, facts);
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

    async fn for_refresh(&self, form: &Form) -> Result<Issue, Why> {
        // A family keeps what it was narrowed to: another scope is asked for by another exchange. Before the token is spent.
        if self.asked(form)?.is_some() {
            return Err(TokenReason::ScopeInvalid.into());
        }
        let shown = form.get("refresh_token").ok_or(TokenReason::RequestMalformed)?;
        let shown = PresentedSecret::parse(SecretKind::RefreshToken, shown).map_err(|_| TokenReason::RefreshUnknown)?;
        let sessions = &self.office.control_plane.sessions;
        let granted = sessions.refresh(self.tenant.id, &shown, self.visit.now).await.map_err(|error| match error {
            RefreshError::Unknown => TokenReason::RefreshUnknown.into(),
            RefreshError::Expired => TokenReason::RefreshExpired.into(),
            RefreshError::Reused(ended) => Why::Reused(ended.grant, ended.principal),
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
            granted: Some(granted),
        }
    }

    fn count(&self, client: &Principal, facts: TokenFacts) -> Result<(), Why> {
        let counted = self.office.rates.token(self.tenant.id, client.session, self.visit.now);
        counted.map_err(|over| Why::Rate(over.retry_after_seconds, facts))
    }

    /// Signs, makes the event durable, and only then lets anybody have it.
    async fn issue(&self, issue: Issue) -> Result<Tokens, Why> {
        let Issue { by, source, principal, narrowed, scope, granted } = issue;
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Why::Failed(Problem::new(FAILED).because(error));
        let now = self.visit.now;
        let id = TokenId(id_at(now).map_err(|error| failed(error.into()))?);
        let whole_seconds = Micros(now.epoch_seconds().saturating_mul(1_000_000));
        let expires_at = whole_seconds.after(LIFETIME);
        let token =
            AccessToken { id, subject: principal, source, roles: narrowed, issued_at: whole_seconds, expires_at };
        let authority = self.office.control_plane.tokens.load_full();
        let signed =
            authority.issue(&token, self.tenant.id, &self.tenant.name).map_err(|error| failed(error.into()))?;
        let (api_key, grant) = match source {
            TokenSource::ApiKey(key) => (Some(key), None),
            TokenSource::Session(grant) => (None, Some(grant)),
        };
        let facts = TokenFacts { principal: Some(principal), api_key, grant };
        if let Err(problem) = self.record(facts, TokenAct::Issued { by, token: id }).await {
            // Nobody has them, and now nobody gets them: a family that nobody holds is not left behind.
            if let Some(granted) = &granted {
                self.give_up(granted).await;
            }
            return Err(Why::Failed(problem));
        }
        Ok(Tokens {
            access_token: signed,
            expires_in: LIFETIME.as_secs(),
            scope: scope.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" "),
            issued_token_type: (by == GrantType::TokenExchange).then_some(ACCESS_TOKEN_TYPE),
            refresh_token: granted.map(|granted| granted.refresh.expose()),
        })
    }

    async fn give_up(&self, granted: &Granted) {
        let Ok(shown) = PresentedSecret::parse(SecretKind::RefreshToken, &granted.refresh.expose()) else { return };
        if let Err(error) = self.office.control_plane.sessions.revoke_refresh(self.tenant.id, &shown).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an unrecorded family of tokens could not be ended"
            );
        }
    }

    async fn record(&self, facts: TokenFacts, act: TokenAct) -> Result<(), Problem> {
        record(self.office, self.visit, self.tenant, facts, act).await
    }
}

/// Parameters that prove something in other grants than this, or in none that there is.
fn proofs_of_others(grant_type: GrantType) -> &'static [&'static str] {
    match grant_type {
        GrantType::ClientCredentials => &["subject_token", "actor_token", "refresh_token", "client_assertion"],
        GrantType::RefreshToken => &["subject_token", "actor_token", "client_assertion"],
        GrantType::TokenExchange => &["refresh_token", "client_assertion"],
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

fn reason(refused: ProgramRefused) -> TokenReason {
    match refused {
        ProgramRefused::Unknown => TokenReason::KeyUnknown,
        ProgramRefused::Expired => TokenReason::KeyExpired,
        ProgramRefused::Revoked => TokenReason::KeyRevoked,
        ProgramRefused::AccountDisabled => TokenReason::AccountDisabled,
    }
}
