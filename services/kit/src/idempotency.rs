//! Requests that may be sent again: one act for one `Idempotency-Key`, however often and however parallel it is sent
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! A key is its principal's, for one operation of one tenant. What was answered is kept in the transaction of the act,
//! so that a crash between the act and its answer loses neither. Handlers know nothing of it: whatever goes through
//! [`Change::commit`](crate::Change::commit) has it. Refusals are not kept: they changed nothing, and the same key may
//! try again with a better request.
//!
//! The gateway decides about every request, also about one that is then answered from here.

mod in_flight;
mod key;
mod rows;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use cedargate_assertion::AssertedSubject;
use cedargate_migrations::{Migration, MigrationSet, TenantTx};
use cedargate_model::{Micros, TenantId};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::body::unreadable;
use crate::problem::{Problem, ProblemKind};
use crate::{Caller, Kit, Reply};
pub(crate) use in_flight::InFlight;
use key::Key;

/// The request's field that names the act.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// How long an answer is kept, in microseconds: a day, as clients of other interfaces expect it.
pub const KEPT_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// The key is none, or there are two.
pub const IDEMPOTENCY_KEY_INVALID: ProblemKind = ProblemKind::new(
    StatusCode::BAD_REQUEST,
    "idempotency_key_invalid",
    "Send one `Idempotency-Key` of 1 to 128 visible ASCII characters.",
);

/// Callers without a name share none: one would be given another's answer.
pub const IDEMPOTENCY_KEY_ANONYMOUS: ProblemKind = ProblemKind::new(
    StatusCode::BAD_REQUEST,
    "idempotency_key_anonymous",
    "Only somebody who is signed in can use an `Idempotency-Key`.",
);

/// Another request had this key.
pub const IDEMPOTENCY_KEY_REUSED: ProblemKind = ProblemKind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency_key_reused",
    "This `Idempotency-Key` was used for another request. Take a new one.",
);

/// A request with this key is under way, or was until now.
pub const IDEMPOTENCY_KEY_IN_FLIGHT: ProblemKind = ProblemKind::new(
    StatusCode::CONFLICT,
    "idempotency_key_in_flight",
    "A request with this `Idempotency-Key` is under way. Send it again in a moment.",
);

/// The answers that are kept, in every service's store.
pub const IDEMPOTENCY: MigrationSet = MigrationSet {
    name: "kit-idempotency",
    migrations: &[Migration {
        version: 1,
        name: "idempotency_keys",
        sqlite: include_str!("../migrations/sqlite/idempotency_0001_keys.sql"),
        postgres: include_str!("../migrations/postgres/idempotency_0001_keys.sql"),
    }],
};

/// One request with a key, on its way to its one act. Left in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Attempt(Arc<Named>);

#[derive(Debug)]
struct Named {
    principal: Uuid,
    /// Method and route: `POST /inventory/items/{id}/lots`.
    operation: String,
    key: Key,
    fingerprint: [u8; 32],
}

/// Answers a request whose act was done before; lets through the others, one at a time for each key.
pub(crate) async fn once(State(kit): State<Kit>, request: Request, next: Next) -> Response {
    if request.method().is_safe() || !request.headers().contains_key(IDEMPOTENCY_KEY_HEADER) {
        return next.run(request).await;
    }
    match act_once(&kit, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn act_once(kit: &Kit, request: Request, next: Next) -> Result<Response, Problem> {
    let (tenant, principal) = whose(&request)?;
    let key = the_key(request.headers())?;
    let (mut request, fingerprint) = fingerprint(request).await?;
    let attempt = Attempt(Arc::new(Named { principal, operation: operation(&request), key, fingerprint }));

    let Some(_held) = kit.in_flight().enter(attempt.digest(tenant)) else {
        return Err(IDEMPOTENCY_KEY_IN_FLIGHT.into());
    };
    let mut tx = kit.pool().tenant(tenant).read().await?;
    let known = rows::find(&mut tx, &attempt, kit.now()).await?;
    drop(tx);
    match known {
        Some(known) if known.fingerprint != fingerprint => Err(IDEMPOTENCY_KEY_REUSED.into()),
        Some(known) => Ok(known.reply.into_response()),
        None => {
            request.extensions_mut().insert(attempt);
            Ok(next.run(request).await)
        }
    }
}

impl Attempt {
    /// Takes the key in the transaction of the change, before anything else is looked at. Another process that has just
    /// done the act has committed its answer by now, and a second attempt must not run into what it left behind.
    pub(crate) async fn claim(&self, tx: &mut TenantTx, now: Micros) -> Result<(), Problem> {
        rows::forget_expired(tx, self, now).await?;
        let is_ours = rows::claim(tx, self, now, Micros(now.0.saturating_add(KEPT_MICROS))).await?;
        if is_ours { Ok(()) } else { Err(IDEMPOTENCY_KEY_IN_FLIGHT.into()) }
    }

    /// Keeps the answer beside the act.
    pub(crate) async fn keep(&self, tx: &mut TenantTx, reply: &Reply) -> Result<(), Problem> {
        Ok(rows::keep(tx, self, reply).await?)
    }

    /// What stands for this attempt among those under way.
    fn digest(&self, tenant: TenantId) -> [u8; 32] {
        let Named { principal, operation, key, fingerprint: _ } = &*self.0;
        let mut digest = Sha256::new();
        // The ids and the operation's end have fixed places, so that no two attempts read alike.
        digest.update(tenant.0.as_bytes());
        digest.update(principal.as_bytes());
        digest.update(operation.as_bytes());
        digest.update([0]);
        digest.update(key.as_str().as_bytes());
        digest.finalize().into()
    }
}

fn whose(request: &Request) -> Result<(TenantId, Uuid), Problem> {
    // INVARIANT (verified before routed): `identity::authenticate` stands in front of this.
    let Some(Caller(identity)) = request.extensions().get::<Caller>() else {
        return Err(IDEMPOTENCY_KEY_ANONYMOUS.into());
    };
    match &identity.subject {
        AssertedSubject::Anonymous => Err(IDEMPOTENCY_KEY_ANONYMOUS.into()),
        AssertedSubject::Principal { id, .. } => Ok((identity.tenant.id, id.0)),
    }
}

fn the_key(headers: &HeaderMap) -> Result<Key, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(Key::parse).ok_or_else(|| IDEMPOTENCY_KEY_INVALID.into()),
        (Some(_), Some(_)) | (None, _) => Err(IDEMPOTENCY_KEY_INVALID.into()),
    }
}

fn operation(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    format!("{} {route}", request.method())
}

/// Reads the body, within its bound, and puts it back. What makes a request another one: its target, its precondition,
/// what its body is and what it says.
async fn fingerprint(request: Request) -> Result<(Request, [u8; 32]), Problem> {
    let (parts, body) = request.into_parts();
    // The copy has the extensions too, and among them the bound on bodies.
    let unread = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(unread, &()).await.map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut part = |octets: &[u8]| {
        digest.update((octets.len() as u64).to_be_bytes());
        digest.update(octets);
    };
    part(parts.uri.path_and_query().map_or("", |target| target.as_str()).as_bytes());
    for name in [header::IF_MATCH, header::CONTENT_TYPE] {
        part(parts.headers.get(name).map_or(&[], |value| value.as_bytes()));
    }
    part(&body);
    Ok((Request::from_parts(parts, Body::from(body)), digest.finalize().into()))
}
