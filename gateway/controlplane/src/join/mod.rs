//! How people come in, and come in again, by links that are mailed.
//!
//! A link's token is a query's parameter: neither the record nor a log nor a trace has a query. Opening a link shows a form and changes
//! nothing, because mail programs open links, too; sending the form does what the link is for, once.

pub(crate) mod forgot;
pub(crate) mod invitation;
pub(crate) mod registration;
pub(crate) mod reset;
pub(crate) mod wishes;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{AccountLinkError, LinkOrigin};
use cedargate_idp_adapters::admissions::{AskError, Place, SetPasswordError};
use cedargate_idp_adapters::local::{HashError, NewPasswordError, PasswordRefused};
use cedargate_model::{AccountAct, AdmissionAct, Event, LinkPurpose, PrincipalId, RefusalCode};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::RecordUnavailable;
use crate::own::{unavailable, untold};
use crate::page::refusal;
use crate::problem::{
    ASKING_DELAYED, FAILED, LINK_REFUSED, PASSWORD_BREACHED, PASSWORD_DIFFERS, PASSWORD_OWN_ADDRESS, PASSWORD_TOO_LONG,
    PASSWORD_TOO_SHORT, PASSWORD_UNCHECKED, PASSWORD_UNIFORM, PUZZLE_UNKNOWN, PUZZLE_UNSOLVED, Problem, SIGNIN_BUSY,
};
use crate::recorder::{admission_event, person_event};
use crate::router::ControlPlane;
use crate::visit::{Site, Visit};
use crate::wanted::Wanted;

/// A visit of anybody to a tenant's host.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) visit: Visit,
    pub(crate) tenant: TenantScope,
    pub(crate) wanted: Wanted,
}

impl Guest {
    pub(crate) fn place(&self) -> Place<'_> {
        Place { tenant: self.tenant.id, name: &self.tenant.name, host: &self.visit.host }
    }

    pub(crate) fn refuse(&self, problem: Problem) -> Response {
        guarded(refusal::answer(self.wanted, problem.of_request(self.visit.request)))
    }

    /// Makes an event durable.
    ///
    /// # Errors
    /// It may not be; then what it stands for is not done.
    pub(crate) async fn record(
        &self,
        control_plane: &ControlPlane,
        purpose: LinkPurpose,
        principal: Option<PrincipalId>,
        subject: Option<Uuid>,
        act: AdmissionAct,
    ) -> Result<(), Problem> {
        self.make_durable(control_plane, admission_event(&self.visit, &self.tenant, purpose, principal, subject, act))
            .await
    }

    /// Makes durable what becomes of an account by a link.
    ///
    /// # Errors
    /// As of [`Guest::record`].
    pub(crate) async fn record_act(
        &self,
        control_plane: &ControlPlane,
        principal: PrincipalId,
        act: AccountAct,
    ) -> Result<(), Problem> {
        self.make_durable(control_plane, person_event(&self.visit, &self.tenant, principal, None, act)).await
    }

    async fn make_durable(
        &self,
        control_plane: &ControlPlane,
        event: Result<Event, getrandom::Error>,
    ) -> Result<(), Problem> {
        let event = event.map_err(|error| Problem::new(FAILED).because(error))?;
        let unrecorded =
            |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
        control_plane.recorder.record(event).await.map_err(unrecorded)
    }

    /// What comes of a link, or of a password, that does nothing. A link's is recorded.
    async fn not_set(&self, control_plane: &ControlPlane, purpose: LinkPurpose, error: SetPasswordError) -> Problem {
        match error {
            SetPasswordError::Link(AccountLinkError::Refused(reason)) => {
                let refused = AdmissionAct::Refused { reason };
                let recorded = self.record(control_plane, purpose, None, None, refused).await;
                recorded.map_or_else(|problem| problem, |()| Problem::new(LINK_REFUSED))
            }
            SetPasswordError::Link(error) => not_looked(error),
            SetPasswordError::Password(refused) => not_accepted(refused),
            SetPasswordError::Hash(HashError::Busy) => Problem::new(SIGNIN_BUSY).retry_after(1),
            SetPasswordError::Hash(error) => Problem::new(FAILED).because(error),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Guest {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let wanted = Wanted::of(&parts.headers);
        let visit = Visit::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let Site::Tenant(tenant) = visit.site() else {
            let unknown = Problem::new(RefusalCode::RouteUnknown).of_request(visit.request);
            return Err(refusal::answer(wanted, unknown));
        };
        let tenant = tenant.clone();
        Ok(Self { visit, tenant, wanted })
    }
}

/// What a link's address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Opened {
    #[serde(default)]
    token: String,
}

/// What the form of an opened link sends.
#[derive(Deserialize)]
struct Chosen {
    token: String,
    password: String,
    /// The same once more, from whoever cannot see what they type.
    again: Option<String>,
}

impl Chosen {
    /// The token, and a password that was typed twice alike where it was typed twice.
    fn read(self) -> (Zeroizing<String>, Result<Zeroizing<String>, Problem>) {
        let (token, password) = (Zeroizing::new(self.token), Zeroizing::new(self.password));
        let again = self.again.map(Zeroizing::new);
        match again.is_none_or(|again| *again == *password) {
            true => (token, Ok(password)),
            false => (token, Err(Problem::new(PASSWORD_DIFFERS))),
        }
    }
}

/// Whether the page asks once more, and the link is as good as it was.
fn asks_again(problem: &Problem) -> bool {
    [
        PASSWORD_BREACHED,
        PASSWORD_DIFFERS,
        PASSWORD_OWN_ADDRESS,
        PASSWORD_TOO_LONG,
        PASSWORD_TOO_SHORT,
        PASSWORD_UNCHECKED,
        PASSWORD_UNIFORM,
        SIGNIN_BUSY,
    ]
    .contains(&problem.kind)
}

fn not_looked(error: AccountLinkError) -> Problem {
    match error {
        // Whatever was wrong, a person can only ask for another one.
        AccountLinkError::Refused(_) => Problem::new(LINK_REFUSED),
        AccountLinkError::Notice(error) => Problem::new(FAILED).because(error),
        AccountLinkError::Store(error) => unavailable(error),
    }
}

/// What comes of it that nothing was asked.
fn not_asked(error: AskError) -> Problem {
    match error {
        AskError::Delayed { retry_after } => {
            let seconds = retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
            Problem::new(ASKING_DELAYED).retry_after(seconds)
        }
        AskError::NotOffered => Problem::new(RefusalCode::RouteUnknown),
        AskError::Puzzle => Problem::new(PUZZLE_UNSOLVED),
        AskError::PuzzleUnknown(error) => Problem::new(PUZZLE_UNKNOWN).because(error).retry_after(5),
        AskError::Notice(error) => untold(error),
    }
}

fn not_accepted(refused: PasswordRefused) -> Problem {
    match refused {
        PasswordRefused::Rule(NewPasswordError::TooShort) | PasswordRefused::TooShortHere(_) => {
            Problem::new(PASSWORD_TOO_SHORT)
        }
        PasswordRefused::Rule(NewPasswordError::TooLong) => Problem::new(PASSWORD_TOO_LONG),
        PasswordRefused::Rule(NewPasswordError::Uniform) => Problem::new(PASSWORD_UNIFORM),
        PasswordRefused::Breached => Problem::new(PASSWORD_BREACHED),
        PasswordRefused::OwnAddress => Problem::new(PASSWORD_OWN_ADDRESS),
        PasswordRefused::Unknown(error) => Problem::new(PASSWORD_UNCHECKED).because(error).retry_after(5),
    }
}

/// A page whose address may hold a token tells no other page where it was reached from.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// There is nothing more to say.
fn nothing_more() -> Response {
    guarded(StatusCode::NO_CONTENT.into_response())
}

/// Where links of this tenant lead: to its own host below the gateway's address, whichever of its hosts somebody asked at. A host that the
/// tenant had once may be somebody else's by now.
pub(super) fn link_origin(control_plane: &ControlPlane, guest: &Guest) -> Result<LinkOrigin, Problem> {
    let url = control_plane.tokens.load().url(&guest.tenant.name);
    LinkOrigin::try_from(url).map_err(|error| Problem::new(FAILED).because(error))
}
