//! An exchange that is cut from outside, because its client stalled or may no longer have it: what is left to be said of it.

use std::sync::Arc;
use std::time::Instant;

use cedargate_model::{
    Amendment, Caller, DecisionId, Event, EventBody, EventId, Outcome, OutcomeEnd, Refusal, RefusalCode, TenantName,
};
use cedargate_policy::Route;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::h2::stall::{Answered, Stall};
use crate::lifeline::{Lifeline, Severed};
use crate::stage::record;
use crate::trail::Trail;
use crate::walk::Pass;

/// The deadline of a body that passes over HTTP/2.
pub(crate) type BodyStall = Stall<Cut>;

/// What the record, the metrics and the log have to know of an exchange that nobody is left to tell of.
#[derive(Debug)]
pub(crate) struct Cut {
    tenant: TenantName,
    decision: DecisionId,
    caller: Caller,
    route: Arc<Route>,
    started: Instant,
}

impl Cut {
    pub(crate) fn of(trail: &Trail, pass: &Pass) -> Self {
        Self {
            tenant: pass.site.name.clone(),
            decision: trail.decision(),
            caller: trail.caller.clone(),
            route: pass.route.clone(),
            started: trail.started(),
        }
    }

    /// Records, counts and logs that its body stalled. A client that had its whole answer was refused nothing.
    pub(crate) async fn conclude(self, gateway: &Gateway, answered: Answered) {
        let end = match answered.is_complete {
            true => OutcomeEnd::Complete,
            false => {
                self.amend(gateway, Refusal::new(RefusalCode::BodyUnreadable, "the body stalled")).await;
                OutcomeEnd::ClientGone
            }
        };
        self.end(gateway, answered, end);
    }

    fn end(self, gateway: &Gateway, answered: Answered, end: OutcomeEnd) {
        let duration = self.started.elapsed();
        let outcome = Outcome {
            decision: self.decision,
            status: answered.status,
            response_bytes: answered.octets,
            duration_micros: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            end,
            inspection: None,
        };
        gateway.metrics.forwarded(&self.route, &self.tenant, answered.status, duration);
        gateway.spool.note(&self.event(gateway, EventBody::Outcome(outcome)));
    }

    async fn amend(&self, gateway: &Gateway, refusal: Refusal) {
        let detail = refusal.detail.clone();
        let amendment = Amendment {
            decision: self.decision,
            stage: refusal.code.stage(),
            code: refusal.code,
            detail: refusal.detail,
        };
        let event = self.event(gateway, EventBody::Amendment(amendment));
        let durable = async { record::record(&gateway.spool, &event, &self.caller)?.durable().await };
        if let Err(unrecorded) = durable.await {
            tracing::error!(
                cedargate.decision.id = %self.decision,
                cedargate.refusal.code = unrecorded.code.as_str(),
                "an amendment could not be recorded"
            );
        }
        gateway.metrics.refused(refusal.code, Some(&self.tenant));
        tracing::warn!(
            cedargate.decision.id = %self.decision,
            cedargate.refusal.code = refusal.code.as_str(),
            detail,
            "cut"
        );
    }

    fn event(&self, gateway: &Gateway, body: EventBody) -> Event {
        Event { id: EventId(Uuid::now_v7()), at: gateway.clock.now(), tenant: Some(self.tenant.clone()), body }
    }
}

impl Severed {
    /// Records, counts and logs that it may not go on, before its client notices.
    pub(crate) async fn conclude(self, gateway: &Gateway, lifeline: &Lifeline) {
        let Self { refusal, cut, status } = self;
        let answered = Answered { status, octets: lifeline.octets(), is_complete: false };
        cut.amend(gateway, refusal).await;
        cut.end(gateway, answered, OutcomeEnd::Cut);
    }
}
