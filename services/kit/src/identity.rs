//! Who is asking: verified before any handler runs.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use cedargate_assertion::{DECISION_HEADER, IDENTITY_HEADER, Identity};
use cedargate_model::DecisionId;
use http::HeaderMap;
use http::request::Parts;
use uuid::Uuid;

use crate::Kit;
use crate::keys::IdentifyError;
use crate::log::Known;
use crate::problem::{DECISION_MISSING, IDENTITY_INVALID, IDENTITY_KEYS_MISSING, IDENTITY_MISSING, Problem};

/// The caller, as the gateway asserts it. Extracting it cannot fail behind [`Kit::app`], where everything is verified
/// before it is routed; anywhere else it refuses.
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

/// The gateway's decision that let this request through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision(pub DecisionId);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| IDENTITY_MISSING.into())
    }
}

impl<S: Sync> FromRequestParts<S> for Decision {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| DECISION_MISSING.into())
    }
}

/// Verifies every request of the service, whether or not its handler asks who it is from: a handler that forgets to
/// ask is still not open to the world.
pub(crate) async fn authenticate(State(kit): State<Kit>, mut request: Request, next: Next) -> Response {
    match identify(&kit, request.headers()).await {
        Ok((caller, decision)) => {
            let known = Known { tenant: caller.0.tenant.name.clone(), decision: decision.0 };
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(decision);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(known);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn identify(kit: &Kit, headers: &HeaderMap) -> Result<(Caller, Decision), Problem> {
    let token = single(headers, IDENTITY_HEADER)?.ok_or(IDENTITY_MISSING)?;
    let identity = kit.keys().identify(token, kit.now()).await.map_err(|error| match &error {
        IdentifyError::KeysMissing => Problem::new(IDENTITY_KEYS_MISSING).caused_by(error),
        IdentifyError::Refused(_) => Problem::new(IDENTITY_INVALID).caused_by(error),
    })?;
    let decision = single(headers, DECISION_HEADER)?.and_then(|text| Uuid::try_parse(text).ok());
    let decision = decision.ok_or(DECISION_MISSING)?;
    Ok((Caller(identity), Decision(DecisionId(decision))))
}

/// The field's one value. Two are a refusal: whoever added the other wants us to read a different one than the gateway.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|error| Problem::new(IDENTITY_INVALID).caused_by(error))
        }
        (Some(_), Some(_)) => Err(Problem::new(IDENTITY_INVALID).caused_by(format!("{name} occurs twice"))),
    }
}
