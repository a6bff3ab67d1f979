//! A factor that was shown to work, whichever kind it is: what counts from then on, and what its person is told.

use axum::Json;
use axum::response::Response;
use cedargate_identity::{Begun, Enrolled, Notice, Ready, RecoveryCode};
use cedargate_idp_adapters::Client;
use cedargate_idp_adapters::second::Proven;
use cedargate_model::{AccountAct, FactorId, Micros};
use http::header;
use serde::Serialize;

use super::{recovery, uncached};
use crate::cookie;
use crate::own::{Own, unavailable, untold};
use crate::page::enrolment;
use crate::problem::{FAILED, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::stepup::{not_replaced, stepped_up};
use crate::wanted::Wanted;

/// What was added, and what came with it.
pub(super) struct Added {
    factor: FactorId,
    /// The session from now on, where it became a stronger one.
    begun: Option<Begun>,
    codes: Vec<RecoveryCode>,
}

/// What a program is told once a factor is added.
#[derive(Serialize)]
struct Finished<'c> {
    id: FactorId,
    /// Empty where the account has some already.
    recovery_codes: Vec<&'c str>,
}

impl Added {
    /// Adds the factor, with the first recovery codes, and replaces the session: all of it, once its events are durable, or nothing.
    pub(super) async fn commit(
        control_plane: &ControlPlane,
        own: &Own,
        enrolled: Ready<Enrolled>,
        proven: Proven,
        now: Micros,
    ) -> Result<Self, Problem> {
        let Some(factor) = proven.factor else { return Err(Problem::new(FAILED)) };
        let (enrolled, roles) = enrolled.keep_promises(own.signed_in.principal).await.map_err(unavailable)?;
        let promised = roles.map(|roles| AccountAct::RolesChanged { roles });
        let told = Notice::FactorAdded { method: proven.kind };
        let enrolled = enrolled.noticed(own.signed_in.principal, told, now).await.map_err(untold)?;
        let added = AccountAct::FactorAdded { factor, method: proven.kind };
        let drawn = &enrolled.change().recovery_codes;
        let drawn = (!drawn.is_empty()).then(|| recovery::drawn_act(drawn));
        let events = [Some(added), drawn, promised].into_iter().flatten();
        // A session that has a stronger factor behind it already stays as it is.
        if own.visit.identity.level > proven.strength.level {
            own.record_all(control_plane, events).await?;
            let enrolled = enrolled.commit().await.map_err(unavailable)?;
            return Ok(Self { factor, begun: None, codes: enrolled.recovery_codes });
        }
        let session = own.signed_in.session;
        let stronger = control_plane.sessions.step_up_with(enrolled, session, proven.strength, now).await;
        let stronger = stronger.map_err(not_replaced)?;
        let (_, replaced) = stronger.change();
        let stepped_up = stepped_up(proven.kind, proven.factor, replaced);
        own.record_all(control_plane, events.chain([stepped_up])).await?;
        let (enrolled, replaced) = stronger.commit().await.map_err(unavailable)?;
        let begun = Some(control_plane.sessions.take_up(replaced));
        Ok(Self { factor, begun, codes: enrolled.recovery_codes })
    }

    /// Shows the codes, this once, with the session's cookie. The device is known from then on.
    pub(super) fn answer(
        self,
        control_plane: &ControlPlane,
        own: &Own,
        client: Client,
        return_to: &ReturnTo,
    ) -> Response {
        let mut response = match own.wanted {
            Wanted::Page => enrolment::finished(&own.visit.view, &self.codes, return_to),
            Wanted::Json => {
                let shown: Vec<_> = self.codes.iter().map(RecoveryCode::expose).collect();
                let recovery_codes = shown.iter().map(|code| code.as_str()).collect();
                uncached(Json(Finished { id: self.factor, recovery_codes }))
            }
        };
        match self.begun.map(|begun| cookie::set(own.visit.scheme, &begun, own.visit.now)) {
            Some(Ok(cookie)) => {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            None => {}
            Some(Err(error)) => return own.refuse(Problem::new(FAILED).because(error)),
        }
        own.remember_device(control_plane, client, &mut response);
        response
    }
}
