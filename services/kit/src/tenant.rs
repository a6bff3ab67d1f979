//! A tenant's rows: read them in one state, or change them together with their audit entry.

use axum::extract::{FromRef, FromRequestParts};
use cedargate_assertion::Identity;
use cedargate_migrations::{Query, TenantTx};
use cedargate_model::{DecisionId, Micros};
use http::request::Parts;
use uuid::Uuid;

use crate::idempotency::Attempt;
use crate::outbox::{self, Act};
use crate::problem::Problem;
use crate::{Caller, Decision, Kit, Reply};

/// Access to the rows of the caller's tenant, under one decision of the gateway.
///
/// Put it first among a handler's arguments: then nobody learns what is wrong with a body before it is known who asks.
pub struct Tenant {
    kit: Kit,
    identity: Identity,
    decision: DecisionId,
    attempt: Option<Attempt>,
}

impl<S: Send + Sync> FromRequestParts<S> for Tenant
where
    Kit: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Caller(identity) = Caller::from_request_parts(parts, state).await?;
        let Decision(decision) = Decision::from_request_parts(parts, state).await?;
        let attempt = parts.extensions.get::<Attempt>().cloned();
        Ok(Self { kit: Kit::from_ref(state), identity, decision, attempt })
    }
}

impl Tenant {
    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A transaction that sees one state of the tenant's rows and cannot write. `$1` of every query is the tenant.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn read(&self) -> Result<TenantTx, Problem> {
        Ok(self.kit.pool().tenant(self.identity.tenant.id).read().await?)
    }

    /// Begins a change. Dropping it undoes it. One request makes at most one.
    ///
    /// # Errors
    /// `store_unavailable`; `idempotency_key_in_flight` where another process has just done this very act.
    pub async fn begin(&self) -> Result<Change<'_>, Problem> {
        let mut tx = self.kit.pool().tenant(self.identity.tenant.id).begin().await?;
        let now = self.kit.now();
        if let Some(attempt) = &self.attempt {
            attempt.claim(&mut tx, now).await?;
        }
        Ok(Change { tenant: self, tx, now })
    }
}

/// A change under way. The one way to make it durable is to say what was done: no change without its audit entry.
pub struct Change<'t> {
    tenant: &'t Tenant,
    tx: TenantTx,
    now: Micros,
}

impl Change<'_> {
    /// A query whose `$1` is the tenant; bind from `$2` on.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.tx.query(sql)
    }

    /// The transaction itself, for functions that reading and changing share.
    pub fn tx(&mut self) -> &mut TenantTx {
        &mut self.tx
    }

    /// A new id for a row. Made within the transaction, so that the order of ids is the order of changes and a list
    /// that is being paged through misses none.
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    /// The one moment of this change: what its rows carry.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Writes the audit entry, keeps the answer if the request has an `Idempotency-Key`, and makes all of it durable.
    /// The answer is given back, to be sent.
    ///
    /// # Errors
    /// `store_unavailable` or `store_failed`; then nothing was changed.
    pub async fn commit(mut self, act: Act, reply: Reply) -> Result<Reply, Problem> {
        outbox::write(&mut self.tx, &self.tenant.identity, self.tenant.decision, act, self.now).await?;
        if let Some(attempt) = &self.tenant.attempt {
            attempt.keep(&mut self.tx, &reply).await?;
        }
        self.tx.commit().await?;
        self.tenant.kit.delivery().wake();
        Ok(reply)
    }
}
