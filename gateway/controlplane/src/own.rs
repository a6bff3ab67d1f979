//! Somebody who is signed in and works on their own account.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{Account, DeviceId, Holder, HolderError, NoticeError, StoreError};
use cedargate_idp_adapters::Client;
use cedargate_model::{AccountAct, PrincipalId, RefusalCode, TenantId};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::page::refusal;
use crate::problem::{FACTOR_UNCONFIRMED, FAILED, Problem};
use crate::recorder::account_event;
use crate::router::ControlPlane;
use crate::visit::{SignedIn, Site, Visit};
use crate::wanted::Wanted;
use crate::{RecordUnavailable, cookie};

/// The level from which on a sign-in has a second factor.
pub(crate) const SECOND_FACTOR: u8 = 2;

/// A visit of somebody who is signed in, to a tenant's host.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) visit: Visit,
    pub(crate) tenant: TenantScope,
    pub(crate) signed_in: SignedIn,
    pub(crate) wanted: Wanted,
}

impl Own {
    /// Renders a problem as this visit wants it.
    pub(crate) fn refuse(&self, problem: Problem) -> Response {
        refusal::answer(self.wanted, problem.of_request(self.visit.request))
    }

    /// Whoever has a factor proves it before anything about factors changes: a stolen password must not be enough to put
    /// another phone in the place of the owner's. What changes anything asks again, when it does (`Holder`).
    ///
    /// # Errors
    /// The refusal of a sign-in that has no second factor while the account does; or the store's.
    pub(crate) async fn require_strength(&self, control_plane: &ControlPlane) -> Result<(), Problem> {
        if self.visit.identity.level >= SECOND_FACTOR {
            return Ok(());
        }
        let factors = control_plane.second.store().list(self.tenant.id, self.signed_in.principal).await;
        match factors.map_err(unavailable)?.is_empty() {
            true => Ok(()),
            false => Err(Problem::new(RefusalCode::StepUpRequired).step_up(SECOND_FACTOR)),
        }
    }

    /// Whose factors these are, and in which session they change.
    pub(crate) fn holder(&self) -> Holder {
        Holder { tenant: self.tenant.id, account: self.signed_in.principal, session: self.signed_in.session }
    }

    /// What a session is told that may not change factors.
    pub(crate) fn not_held(&self, error: HolderError) -> Problem {
        match error {
            HolderError::SessionOver => Problem::new(RefusalCode::SigninRequired),
            HolderError::TooOld => Problem::new(RefusalCode::StepUpRequired).step_up(self.visit.identity.level),
            HolderError::TooWeak => Problem::new(RefusalCode::StepUpRequired).step_up(SECOND_FACTOR),
            HolderError::Unconfirmed => Problem::new(FACTOR_UNCONFIRMED),
            HolderError::Store(error) => unavailable(error),
        }
    }

    /// As a page's refusal: whoever needs a stronger sign-in is taken to it, and back to `path`.
    pub(crate) fn refuse_page(&self, problem: Problem, path: &str) -> Response {
        match (problem.step_up_level(), self.wanted) {
            (Some(level), Wanted::Page) => {
                Redirect::to(&format!("/auth/step-up?level={level}&return_to={path}")).into_response()
            }
            _ => self.refuse(problem),
        }
    }

    /// From where this person proves something: the address, and the device where it is theirs.
    pub(crate) async fn client(&self, control_plane: &ControlPlane, headers: &HeaderMap) -> Client {
        let (tenant, account) = (self.tenant.id, self.signed_in.principal);
        let device = known_device(control_plane, &self.visit, tenant, account, headers).await;
        Client { address: self.visit.client, device }
    }

    /// Has the browser know that its person proved a factor in it. Where that cannot be sealed the factor counts all the same.
    pub(crate) fn remember_device(&self, control_plane: &ControlPlane, client: Client, response: &mut Response) {
        let (tenant, account) = (self.tenant.id, self.signed_in.principal);
        if let Some(set) = remembered(control_plane, &self.visit, tenant, account, client.device) {
            response.headers_mut().append(header::SET_COOKIE, set);
        }
    }

    /// Makes an event of this account durable.
    ///
    /// # Errors
    /// It may not be; then what it stands for is not answered.
    pub(crate) async fn record(&self, control_plane: &ControlPlane, act: AccountAct) -> Result<(), Problem> {
        let event = account_event(&self.visit, &self.tenant, self.signed_in, act)
            .map_err(|error| Problem::new(FAILED).because(error))?;
        let unrecorded =
            |error: RecordUnavailable| Problem::new(RefusalCode::RecordUnavailable).because(error).retry_after(5);
        control_plane.recorder.record(event).await.map_err(unrecorded)
    }
}

impl Own {
    /// Makes several events durable, in this order.
    ///
    /// # Errors
    /// As [`Own::record`]. What was recorded before stands: the record may then say more than was done, and never less.
    pub(crate) async fn record_all(
        &self,
        control_plane: &ControlPlane,
        acts: impl Iterator<Item = AccountAct>,
    ) -> Result<(), Problem> {
        for act in acts {
            self.record(control_plane, act).await?;
        }
        Ok(())
    }
}

/// Which device of this account's the browser is, where it is one. Without the store none is known: guesses count then as anybody's.
pub(crate) async fn known_device(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: TenantId,
    account: PrincipalId,
    headers: &HeaderMap,
) -> Option<DeviceId> {
    let kept = cookie::device_kept(visit.scheme, headers)?;
    let since = control_plane.accounts.guesses().devices_since(tenant, account).await.ok().flatten()?;
    control_plane.devices.find(tenant, account, Some(&kept), since, visit.now)
}

/// What a browser keeps whose person has just proved a factor; none where it cannot be sealed.
pub(crate) fn remembered(
    control_plane: &ControlPlane,
    visit: &Visit,
    tenant: TenantId,
    account: PrincipalId,
    device: Option<DeviceId>,
) -> Option<HeaderValue> {
    let kept = control_plane.devices.remember(tenant, account, device, visit.now).ok()?;
    cookie::set_device(visit.scheme, &kept).ok()
}

/// What a person is shown as: by their address, or by what their identity provider calls them.
pub(crate) fn shown(account: Option<Account>, own: &Own) -> String {
    match account {
        Some(account) => account.display.unwrap_or_else(|| account.email.to_string()),
        // Gone since the assertion was signed, minutes ago at most: the id is all that is left to show.
        None => own.signed_in.principal.to_string(),
    }
}

/// Nobody could be told of a change, so it is not made.
pub(crate) fn untold(error: NoticeError) -> Problem {
    match error {
        NoticeError::Entropy(error) => Problem::new(FAILED).because(error),
        NoticeError::Store(error) => unavailable(error),
    }
}

/// The store does not answer.
pub(crate) fn unavailable(error: StoreError) -> Problem {
    Problem::new(RefusalCode::SessionStoreUnavailable).because(error).retry_after(5)
}

impl<S: Send + Sync> FromRequestParts<S> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let wanted = Wanted::of(&parts.headers);
        let visit = Visit::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let refuse = |code| refusal::answer(wanted, Problem::new(code).of_request(visit.request));
        let Site::Tenant(tenant) = visit.site() else { return Err(refuse(RefusalCode::RouteUnknown)) };
        // The tenant's policies let nobody else in; whoever comes all the same needs a sign-in.
        let Some(signed_in) = visit.signed_in() else { return Err(refuse(RefusalCode::SigninRequired)) };
        let tenant = tenant.clone();
        Ok(Self { visit, tenant, signed_in, wanted })
    }
}
