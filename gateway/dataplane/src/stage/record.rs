//! One event for the decision, on its way to the disk before anything acts on it.

use cedargate_audit::{Priority, Recorded, Spool, Ticket};
use cedargate_model::{Caller, Event, Refusal, RefusalCode, Stage};

use crate::gateway::Gateway;
use crate::trail::Trail;

/// Hands a decision or an amendment to the spool and returns at once; [`Record::durable`] waits.
///
/// # Errors
/// 503 when the spool is full or not writable: what cannot be recorded is not done.
pub(crate) fn record(spool: &Spool, event: &Event, caller: &Caller) -> Result<Record, Refusal> {
    let priority = match caller {
        Caller::Principal(_) => Priority::Known,
        Caller::Anonymous => Priority::Unknown,
    };
    spool
        .record(event, priority)
        .map(Record::Pending)
        .map_err(|error| Refusal::new(RefusalCode::RecordUnavailable, error.to_string()))
}

/// Records and counts a refused request, durably before it is answered.
///
/// Returns what the client is to be told: the refusal itself, or that it could not be recorded.
pub(crate) async fn conclude(gateway: &Gateway, trail: &mut Trail, refusal: Refusal) -> Refusal {
    trail.refused(&refusal);
    if let (None, Some(tracing)) = (&trail.timeline, &gateway.tracing)
        && trail.trace.is_none()
    {
        trail.timeline = tracing.begin_unread(&mut trail.trace);
    }
    trail.mark(refusal.code.stage());
    let told = match make_durable(gateway, trail).await {
        Ok(()) => refusal,
        Err(unrecorded) => unrecorded,
    };
    trail.mark(Stage::Record);
    if let Some(timeline) = &mut trail.timeline {
        timeline.refused(told.code);
    }
    gateway.metrics.refused(told.code, trail.tenant.as_ref());
    tracing::info!(
        cedargate.request.id = %trail.request(),
        cedargate.decision.id = %trail.decision(),
        cedargate.tenant = trail.tenant.as_ref().map(|t| t.as_str()),
        cedargate.refusal.code = told.code.as_str(),
        cedargate.stage = told.code.stage().as_str(),
        http.request.method = trail.event.method.as_str(),
        http.response.status_code = told.code.status(),
        client.address = %trail.event.client,
        trace_id = trail.trace_id(),
        detail = told.detail.as_str(),
        "refused"
    );
    told
}

async fn make_durable(gateway: &Gateway, trail: &Trail) -> Result<(), Refusal> {
    let mut record = record(&gateway.spool, &trail.decided(gateway.clock.now()), &trail.counts_for)?;
    record.durable().await
}

/// The durable record of a decision, on its way or arrived.
pub(crate) enum Record {
    /// Handed to the spool, not yet known to be on disk.
    Pending(Ticket),
    /// On disk.
    Durable(Recorded),
    /// Could not be written.
    Lost,
}

impl Record {
    /// Waits until the decision is on disk. Asking again is free.
    ///
    /// # Errors
    /// `record_unavailable` if it could not be written; then and ever after.
    pub(crate) async fn durable(&mut self) -> Result<(), Refusal> {
        match std::mem::replace(self, Self::Lost) {
            Self::Durable(proof) => *self = Self::Durable(proof),
            Self::Pending(ticket) => match ticket.durable().await {
                Ok(proof) => *self = Self::Durable(proof),
                Err(error) => return Err(Refusal::new(RefusalCode::RecordUnavailable, error.to_string())),
            },
            Self::Lost => return Err(RefusalCode::RecordUnavailable.into()),
        }
        Ok(())
    }
}
