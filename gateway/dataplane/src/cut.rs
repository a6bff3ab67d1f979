//! An exchange that is cut from outside, because its client stalled: what is left to be said of it.

use std::sync::Arc;
use std::time::Instant;

use cedargate_model::{
    Amendment, Caller, DecisionId, Event, EventBody, EventId, Outcome, OutcomeEnd, Refusal, RefusalCode, TenantName,
};
use cedargate_policy::Route;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::h2::stall::{Answered, Stall};
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

    /// Records, counts and logs. A client that had its whole answer was refused nothing.
    pub(crate) async fn conclude(self, gateway: &Gateway, answered: Answered) {
        let end = match answered.is_complete {
            true => OutcomeEnd::Complete,
            false => {
                self.amend(gateway).await;
                OutcomeEnd::ClientGone
            }
        };
        let duration = self.started.elapsed();
        let outcome = Outcome {
            decision: self.decision,
            status: answered.status,
            response_bytes: answered.octets,
            duration_micros: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            end,
        };
        gateway.metrics.forwarded(&self.route, &self.tenant, answered.status, duration);
        gateway.spool.note(&self.event(gateway, EventBody::Outcome(outcome)));
    }

    async fn amend(&self, gateway: &Gateway) {
        let refusal = Refusal::new(RefusalCode::BodyUnreadable, "the body stalled");
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
            "cut: its body stalled"
        );
    }

    fn event(&self, gateway: &Gateway, body: EventBody) -> Event {
        Event { id: EventId(Uuid::now_v7()), at: gateway.clock.now(), tenant: Some(self.tenant.clone()), body }
    }
}
